"""Digests of instances, claims that were never recorded, the state of destinations, and the ways to all rows.

Revision: 0002.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Instances that are there already keep no digest: what they were when they came is not known any more."""
    op.add_column("instances", sa.Column("digest", sa.Text(), server_default="", nullable=False))
    for table in ("associations", "groups", "jobs", "deliveries"):
        op.add_column(table, sa.Column("begun", sa.Integer(), server_default="0", nullable=False))
    op.create_table(
        "destinations",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("why", sa.Text(), server_default="", nullable=False),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("begun", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_destinations")),
    )
    _index_anew()


def _index_anew() -> None:
    """A way for each claim and each view; none that nothing takes: every row that is inserted pays for it."""
    op.drop_index("ix_instances_study", "instances")
    op.create_index("ix_groups_state_id", "groups", ["state", "id"])
    op.create_index("ix_jobs_state_created_at", "jobs", ["state", "created_at"])
    op.create_index("ix_deliveries_state_queued_at", "deliveries", ["state", "queued_at"])
    columns = ["state", "destination", "queued_at"]
    op.create_index("ix_deliveries_state_destination_queued_at", "deliveries", columns)
    op.drop_index("ix_deliveries_due", "deliveries")
    _where("ix_deliveries_due", "deliveries", ["destination", "not_before"], "state = 'due'")
    op.drop_index("ix_associations_spooled", "associations")
    _where("ix_associations_spooled", "associations", ["state"], "spooled", sqlite="spooled = 1")
    _where("ix_instances_apart", "instances", ["group_id"], "fate != 'grouped'")
    setbacks = "'attempt failed', 'failed', 'failed for now', 'failed for good', 'broken', 'expired'"
    _where("ix_history_notable", "history", ["id"], f"remedy != '' OR event IN ({setbacks})")
    for table in ("groups", "jobs"):
        _where(f"ix_{table}_expiring", table, ["state", "remove_at"], "remove_at IS NOT NULL")
    for table in ("associations", "groups", "jobs", "deliveries"):
        _where(f"ix_{table}_tried_again", table, ["lease_until"], "begun > 1")


def _where(name: str, table: str, columns: list[str], condition: str, *, sqlite: str = "") -> None:
    op.create_index(
        name, table, columns, sqlite_where=sa.text(sqlite or condition), postgresql_where=sa.text(condition)
    )
