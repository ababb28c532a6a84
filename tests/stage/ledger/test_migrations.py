from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, inspect, text

from harness.ledgers import Ledgers
from hilum.ledger import database as module
from hilum.ledger import notices
from hilum.ledger.database import Database
from hilum.ledger.port import LedgerUnusableError
from hilum.ledger.tables import metadata
from hilum.ledger.transition import note
from stage.ledger.clock import MovableClock


def forms(connection: Connection) -> dict[str, Any]:
    """How SQLite describes each table and index, as far as one can tell the difference from outside."""
    found: dict[str, Any] = {}
    names = connection.execute(text("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name"))
    for kind, name, sql in names.all():
        if name == "alembic_version":
            continue
        if kind == "table":
            columns = connection.execute(text(f"SELECT * FROM pragma_table_info('{name}') ORDER BY name")).all()
            found[name] = [(row.name, row.type, row.notnull, _plain(row.dflt_value), row.pk) for row in columns]
            keys = connection.execute(text(f"SELECT * FROM pragma_foreign_key_list('{name}')")).all()
            found[f"{name}, foreign keys"] = sorted((row[3], row[2], row[4]) for row in keys)
        else:
            found[name] = re.sub(r'["\s]+', " ", sql)
    return found


def described(connection: Connection) -> dict[str, Any]:
    """What any database tells of its tables."""
    seen = inspect(connection)
    return {
        name: (
            sorted((one["name"], str(one["type"]), one["nullable"], one["default"]) for one in seen.get_columns(name)),
            sorted(_index(one) for one in seen.get_indexes(name)),
            sorted((one["name"], one["referred_table"]) for one in seen.get_foreign_keys(name)),
        )
        for name in seen.get_table_names()
    }


def _index(one: Any) -> tuple[str, ...]:
    said = one.get("dialect_options", {})
    where = said.get("postgresql_where", said.get("sqlite_where"))
    return (one["name"], str(one["column_names"]), str(one["unique"]), str(where))


@pytest.mark.postgresql
def test_migrations_and_tables_agree_on_a_server_but_for_the_order_of_text(
    database: Database, ledgers: Ledgers
) -> None:
    engine = create_engine(ledgers.url(Path()))
    metadata.create_all(engine)
    with engine.connect() as made, database.read() as migrated:
        expected, found = described(made), described(migrated)
    engine.dispose()
    del found["alembic_version"]
    assert plain(found) == plain(expected)


def plain(forms: dict[str, Any]) -> str:
    """Without what says the same in two ways, and without the order of text, which is set after the migrations."""
    text = json.dumps(forms, sort_keys=True)
    return text.replace(' COLLATE \\"C\\"', "").replace("'(true)'", "true")


def _plain(default: str | None) -> str | None:
    return None if default is None else default.strip("()'")


def test_migrations_make_the_tables_that_the_program_uses(database: Database) -> None:
    with database.read() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": False, "render_as_batch": True}
        )
        assert compare_metadata(context, metadata) == []


@pytest.mark.sqlite
def test_migrations_and_tables_agree_to_the_last_default_and_condition(database: Database, tmp_path: Path) -> None:
    """Alembic does not compare defaults and the conditions of partial indexes, which uniqueness rests on."""
    engine = create_engine(f"sqlite:///{tmp_path / 'made.db'}")
    metadata.create_all(engine)
    with engine.connect() as made, database.read() as migrated:
        assert forms(migrated) == forms(made)
    engine.dispose()


def test_there_is_one_line_of_migrations_with_one_head() -> None:
    script = ScriptDirectory.from_config(module._alembic())
    assert len(script.get_heads()) == 1
    assert [step.revision for step in script.walk_revisions()][-1] == "0001"


def test_migrating_twice_changes_nothing(database: Database, clock: MovableClock) -> None:
    with database.write() as connection:
        note(connection, "gateway", "test", "before", now=clock())
        before = described(connection)
    database.migrate()
    with database.read() as connection:
        assert described(connection) == before
        assert connection.execute(text("SELECT event FROM history")).scalars().all() == ["before"]


@pytest.mark.sqlite
def test_a_new_ledger_gets_its_folder_too(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/not/yet/there/hilum.db")
    database.migrate()
    with database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM jobs")).scalar() == 0
    database.close()


def test_a_ledger_of_a_newer_version_is_refused_and_left_alone(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(LedgerUnusableError, match=r"was written by a newer Hilum \(schema 9999\); use that version"):
        database.migrate()
    with database.read() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "9999"


def test_a_migration_that_fails_leaves_no_half_of_it(ledgers: Ledgers, tmp_path: Path) -> None:
    database = Database(ledgers.url(tmp_path))
    with database.write() as connection:
        connection.exec_driver_sql("CREATE TABLE history (id INTEGER PRIMARY KEY)")  # in the way of the migration
    with pytest.raises(Exception, match="history"):
        database.migrate()
    with database.read() as connection:
        names = inspect(connection).get_table_names()
    assert names == ["history"]
    database.close()


def test_what_happened_before_there_were_notices_is_not_told(
    ledgers: Ledgers, tmp_path: Path, clock: MovableClock
) -> None:
    from alembic import command

    database = Database(ledgers.url(tmp_path))
    config = module._alembic()
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0004")
    with database.write() as connection:
        for name in ("A", "B", "C"):
            note(connection, "destination", name, "failed", now=clock(), after="down")
    database.migrate()
    with database.write() as connection:
        assert connection.execute(text("SELECT line FROM cursors WHERE reader = 'notices'")).scalar() == 3
        assert not notices.anything_new(connection)
        note(connection, "destination", "D", "failed", now=clock(), after="down")
        assert [line.subject for line in notices.unread(connection, 10)] == ["D"]
    database.close()
