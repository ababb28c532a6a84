"""How Alembic runs the migrations: on the connection it is handed, inside that connection's transaction."""

from __future__ import annotations

from alembic import context

from hilum.ledger.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
context.run_migrations()
