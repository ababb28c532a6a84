from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from hilum.errors import PermanentError, TemporaryError
from hilum.ledger import database as module
from hilum.ledger.database import Database, LedgerBusyError, LedgerUnusableError
from hilum.ledger.tables import history
from hilum.ledger.transition import note
from stage.ledger.clock import MovableClock


def pragma(connection: object, name: str) -> object:
    return connection.exec_driver_sql(f"PRAGMA {name}").scalar()  # type: ignore[attr-defined]


def say(database: Database, clock: MovableClock, what: str) -> None:
    with database.write() as connection:
        note(connection, "gateway", "test", what, now=clock())


def said(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.execute(select(history.c.event).order_by(history.c.id)).scalars())


def test_a_write_is_on_disk_before_it_returns(database: Database) -> None:
    with database.write() as connection:
        assert pragma(connection, "synchronous") == 2  # FULL


def test_a_note_may_be_taken_back_by_a_power_cut(database: Database) -> None:
    with database.note() as connection:
        assert pragma(connection, "synchronous") == 1  # NORMAL


def test_every_connection_keeps_foreign_keys_and_writes_ahead(database: Database) -> None:
    for kind in (database.write, database.note, database.read):
        with kind() as connection:
            assert pragma(connection, "foreign_keys") == 1
            assert pragma(connection, "journal_mode") == "wal"


def test_what_is_written_is_seen_by_the_next_reader(database: Database, clock: MovableClock) -> None:
    say(database, clock, "one")
    assert said(database) == ["one"]


def test_a_transaction_that_ends_with_an_exception_changes_nothing(database: Database, clock: MovableClock) -> None:
    def halfway() -> None:
        with database.write() as connection:
            note(connection, "gateway", "test", "lost", now=clock())
            raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"):
        halfway()
    assert said(database) == []


def test_a_reader_sees_one_state_of_the_ledger_from_beginning_to_end(database: Database, clock: MovableClock) -> None:
    query = select(history.c.event)
    with database.read() as connection:
        assert connection.execute(query).all() == []
        say(database, clock, "meanwhile")
        assert connection.execute(query).all() == []
    assert said(database) == ["meanwhile"]


def test_a_reader_does_not_wait_for_a_writer(database: Database, clock: MovableClock) -> None:
    say(database, clock, "before")
    with database.write() as connection:
        note(connection, "gateway", "test", "not yet", now=clock())
        assert said(database) == ["before"]


def test_writers_of_one_process_queue_however_long_one_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: MovableClock
) -> None:
    monkeypatch.setattr(module, "BUSY_SECONDS", 0)  # nobody would wait in SQLite
    database = Database(f"sqlite:///{tmp_path / 'queue.db'}")
    database.migrate()
    going = threading.Barrier(9)

    def write(number: int) -> None:
        going.wait()
        for turn in range(5):
            with (database.note if turn % 2 else database.write)() as connection:
                note(connection, "gateway", str(number), "said", now=clock())

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    going.wait()
    for thread in threads:
        thread.join()
    assert len(said(database)) == 40
    database.close()


def test_a_ledger_that_another_process_keeps_locked_is_busy(
    tmp_path: Path, migrated_ledger: Path, monkeypatch: pytest.MonkeyPatch, clock: MovableClock
) -> None:
    monkeypatch.setattr(module, "BUSY_SECONDS", 0.05)
    path = tmp_path / "locked.db"
    path.write_bytes(migrated_ledger.read_bytes())
    database = Database(f"sqlite:///{path}")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for kind in (database.write, database.note):
        refused = pytest.raises(LedgerBusyError, match=f"{path} cannot be used just now: database is locked")
        with refused, kind() as connection:
            note(connection, "gateway", "test", "never", now=clock())
    assert said(database) == []  # readers go on
    other.execute("ROLLBACK")
    say(database, clock, "at last")
    assert said(database) == ["at last"]
    other.close()
    database.close()


def test_a_busy_ledger_is_worth_trying_again_and_an_unusable_one_is_not() -> None:
    assert issubclass(LedgerBusyError, TemporaryError)
    assert issubclass(LedgerUnusableError, PermanentError)


def test_breaking_a_rule_of_the_tables_is_shown_as_the_bug_it_is(database: Database) -> None:
    with pytest.raises(IntegrityError), database.write() as connection:
        connection.exec_driver_sql("INSERT INTO groups (id) VALUES (1)")


def test_a_ledger_without_the_tables_of_this_version_is_not_waited_for(tmp_path: Path) -> None:
    empty = Database(f"sqlite:///{tmp_path / 'empty.db'}")
    with pytest.raises(LedgerUnusableError, match="does not fit this version of Hilum: no such table: history"):
        said(empty)
    empty.close()


def test_a_ledger_that_is_no_database_is_unusable(tmp_path: Path) -> None:
    path = tmp_path / "text.db"
    path.write_text("this is no database, it is a text that somebody put here\n" * 100)
    database = Database(f"sqlite:///{path}")
    with pytest.raises(LedgerUnusableError, match="is damaged: file is not a database; stop the gateway"):
        database.migrate()
    database.close()
    assert path.read_text().startswith("this is no database")


def test_a_ledger_below_a_file_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    database = Database(f"sqlite:///{tmp_path}/file/hilum.db")
    with pytest.raises(LedgerUnusableError, match="cannot be opened"):
        database.migrate()


def test_only_sqlite_is_there_yet() -> None:
    with pytest.raises(LedgerUnusableError, match=r"ledger.url 'postgresql://db/hilum': .*sqlite:///path"):
        Database("postgresql://db/hilum")


def test_a_second_gateway_is_refused_and_readers_are_not(database: Database, clock: MovableClock) -> None:
    second = Database(f"sqlite:///{database.path}")
    with database.exclusively():
        refused = pytest.raises(LedgerUnusableError, match=r"another gateway is running on the ledger .* stop it first")
        with refused, second.exclusively():
            pass
        say(second, clock, "from a command line")
    assert said(second) == ["from a command line"]
    with second.exclusively():
        pass
    second.close()


def test_a_second_gateway_in_another_process_is_refused_until_the_first_one_is_gone(database: Database) -> None:
    program = (
        "import sys; from hilum.ledger.database import Database\n"
        "with Database(sys.argv[1]).exclusively(): print('mine', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, f"sqlite:///{database.path}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"mine\n"
        with pytest.raises(LedgerUnusableError, match="another gateway is running"), database.exclusively():
            pass
        other.kill()  # a crash leaves no lock
    with database.exclusively():
        pass


def test_the_lock_is_for_the_gateways_user_alone(database: Database) -> None:
    with database.exclusively():
        lock = database.path.with_name("hilum.db.lock")
        assert lock.stat().st_mode & 0o777 == 0o600
