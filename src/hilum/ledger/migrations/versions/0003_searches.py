"""Ways to what people look for: a study, a patient, the associations of a day, the lines of one kind."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Indexes alone."""
    op.drop_index("ix_associations_state", "associations")
    op.create_index("ix_associations_state_id", "associations", ["state", "id"])
    for column in ("study", "series", "patient_id", "sop_instance"):
        op.create_index(f"ix_instances_{column}", "instances", [column])
    delivered = sa.text("state = 'delivered'")
    columns = ["destination", "ended_at"]
    op.create_index(
        "ix_deliveries_delivered", "deliveries", columns, sqlite_where=delivered, postgresql_where=delivered
    )
    op.create_index("ix_history_machine_id", "history", ["machine", "id"])
