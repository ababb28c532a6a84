"""Notices, how far their reader of the history has come, and the ways to what they are made of.

Revision: 0005.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_NEWS = (
    "'failed', 'failed for good', 'answered', 'broken', 'cannot plan', 'quarantined', 'disk full', 'disk has room', "
    "'distrusted'"
)


def upgrade() -> None:
    """What happened before is not told: the reader begins behind the last line of history."""
    moment = sa.DateTime(timezone=True)
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "notices",
        sa.Column("id", number, nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("occasion", sa.Text(), server_default="", nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("first_at", moment, nullable=False),
        sa.Column("last_at", moment, nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("examples", sa.JSON(), nullable=False),
        sa.Column("due_at", moment, nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("not_before", moment, nullable=False),
        sa.Column("ended_at", moment, nullable=True),
        sa.Column("why", sa.Text(), server_default="", nullable=False),
        sa.Column("over_at", moment, nullable=True),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_until", moment, nullable=True),
        sa.Column("fence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("begun", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
    )
    op.create_index("uq_notices_key", "notices", ["key"], unique=True)
    columns = ["channel", "topic", "subject", "due_at"]
    op.create_index("ix_notices_channel_topic_subject_due_at", "notices", columns)
    op.create_index("ix_notices_channel_state_id", "notices", ["channel", "state", "id"])
    _where("ix_notices_due", "notices", ["channel", "not_before"], "state = 'due'")
    _where("ix_notices_lasting", "notices", ["topic", "subject"], "phase = 'began' AND over_at IS NULL")
    _where("ix_notices_tried_again", "notices", ["lease_until"], "begun > 1")
    op.create_table(
        "cursors",
        sa.Column("reader", sa.Text(), nullable=False),
        sa.Column("line", number, nullable=False),
        sa.PrimaryKeyConstraint("reader", name=op.f("pk_cursors")),
    )
    op.execute("INSERT INTO cursors (reader, line) SELECT 'notices', COALESCE(MAX(id), 0) FROM history")
    op.create_index("ix_associations_calling_opened_at", "associations", ["calling", "opened_at"])
    news = f"machine != 'notice' AND event IN ({_NEWS}) OR machine = 'config' AND event = 'refused'"
    _where("ix_history_news", "history", ["id"], news)


def _where(name: str, table: str, columns: list[str], condition: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(condition), postgresql_where=sa.text(condition))
