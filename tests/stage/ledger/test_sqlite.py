"""What only a ledger in a file has: pragmas, a lock beside it, one gateway."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from hilum.ledger import sqlite as module
from hilum.ledger.database import Database
from hilum.ledger.port import LedgerBusyError, LedgerUnusableError
from hilum.ledger.transition import note
from stage.ledger.clock import MovableClock
from stage.ledger.test_database import said, say

pytestmark = pytest.mark.sqlite


def pragma(connection: object, name: str) -> object:
    return connection.exec_driver_sql(f"PRAGMA {name}").scalar()  # type: ignore[attr-defined]


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
    tmp_path: Path, ledger_url: str, monkeypatch: pytest.MonkeyPatch, clock: MovableClock
) -> None:
    monkeypatch.setattr(module, "BUSY_SECONDS", 0.05)
    path = tmp_path / "hilum.db"
    database = Database(ledger_url)
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
