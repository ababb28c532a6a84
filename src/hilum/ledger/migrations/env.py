"""How Alembic runs the migrations: on the connection it is handed, inside that connection's transaction."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, text

from hilum.ledger.tables import metadata


def _compare_bytes(connection: Connection) -> None:
    """Give every text of a PostgreSQL ledger the order of its bytes, as SQLite has it, whatever the server's locale.

    Ids are looked for by how they begin, and what is sorted should not change places when the system's library does.
    """
    columns = connection.execute(
        text(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema() "
            "AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C' ORDER BY table_name, ordinal_position"
        )
    ).all()
    changes: dict[str, list[str]] = {}
    for table, column in columns:
        changes.setdefault(table, []).append(f'ALTER COLUMN "{column}" TYPE text COLLATE "C"')
    for table, parts in changes.items():
        connection.execute(text(f'ALTER TABLE "{table}" {", ".join(parts)}'))


connection: Connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
context.run_migrations()
if connection.dialect.name == "postgresql":
    _compare_bytes(connection)
