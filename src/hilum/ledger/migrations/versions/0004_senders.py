"""How senders behave, and the ways from a study or an instance to the results that have it.

Revision: 0004.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """How senders behaved before is not known."""
    _senders()
    op.create_index("ix_results_study", "results", ["study"])
    op.create_index("ix_results_sop_instance", "results", ["sop_instance"])


def _senders() -> None:
    op.create_table(
        "senders",
        sa.Column("id", _ID, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("day", "calling", "called", "host")),
        sa.Column("implementation", sa.Text(), server_default="", nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        *(
            sa.Column(name, sa.Integer(), server_default="0", nullable=False)
            for name in ("associations", "broken", "instances")
        ),
        *(sa.Column(name, sa.BigInteger(), server_default="0", nullable=False) for name in ("bytes", "pdus")),
        *(sa.Column(name, sa.Float(), server_default="0", nullable=False) for name in ("seconds", "idle_seconds")),
        *(sa.Column(name, sa.JSON(), nullable=False) for name in ("pauses", "stalls", "refused")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_senders")),
    )
    op.create_index("uq_senders_day", "senders", ["day", "calling", "called", "host"], unique=True)
