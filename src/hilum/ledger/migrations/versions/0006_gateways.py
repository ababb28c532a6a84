"""Gateways that share a ledger, what belongs to which of them, and the folders that they share.

Revision: 0006.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Gateways of before are not known: what names one of them belongs to nobody, and is taken over."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "gateways",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("id", "state", "host", "machine")),
        sa.Column("process", sa.Integer(), nullable=False),
        sa.Column("ticks", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("address", sa.Text(), server_default="", nullable=False),
        *(sa.Column(name, moment, nullable=False) for name in ("started_at", "seen_at", "seen_until")),
        sa.Column("ahead", sa.Float(), server_default="0", nullable=False),
        sa.Column("ended_at", moment, nullable=True),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_until", moment, nullable=True),
        sa.Column("fence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("begun", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gateways")),
    )
    op.create_index("ix_gateways_state", "gateways", ["state"])
    op.create_table(
        "storages",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("mark", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_storages")),
    )
    op.add_column("jobs", sa.Column("gateway", sa.Text(), nullable=True))
