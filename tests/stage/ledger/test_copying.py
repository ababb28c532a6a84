"""A ledger moves from a file to a server, or back, with everything in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from harness.ledgers import Files, Ledgers
from hilum.errors import PermanentError
from hilum.ledger import account, holding
from hilum.ledger.copying import copy
from hilum.ledger.database import Database
from hilum.ledger.port import LedgerUnusableError
from hilum.ledger.tables import cursors, history, metadata
from hilum.ledger.transition import note
from hilum.model import GroupKind
from stage.ledger.clock import MovableClock
from stage.ledger.reception_desk import Reception


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Database]:
    """A ledger in a file, whatever this run keeps its ledgers in."""
    (tmp_path / "made").mkdir()
    (tmp_path / "old").mkdir()
    database = Database(Files(tmp_path / "made").new(tmp_path / "old"))
    yield database
    database.close()


@pytest.fixture
def target(ledgers: Ledgers, tmp_path: Path) -> Iterator[Database]:
    database = Database(ledgers.url(tmp_path))
    yield database
    database.close()


def work(database: Database, clock: MovableClock) -> Reception:
    desk = Reception(database, clock, None)
    desk.rule("SCP", GroupKind.PATIENT, 60)
    desk.send("1.1", "1.2", patient="P1")
    desk.send("1.1", "1.3", patient="P1")
    desk.associate().receive("1.9", patient="P\u00e9\U0001f9ea").abort()
    desk.associate().receive("1.4", patient="P2")
    return desk


def everything(database: Database) -> dict[str, list[tuple[object, ...]]]:
    with database.read() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
            for table in metadata.sorted_tables
        }


def test_all_of_it_is_there_with_its_numbers_and_the_account_is_the_same(
    file: Database, target: Database, clock: MovableClock
) -> None:
    work(file, clock)
    found = copy(file, target)
    assert everything(target) == everything(file)
    assert found.rows["instances"] == 5
    assert found.rows["history"] > 4
    with target.read() as connection:
        assert account.sums(connection) == found.sums
    assert found.sums.received == 5


def test_the_new_ledger_goes_on_counting_where_the_old_one_ended(
    file: Database, target: Database, clock: MovableClock
) -> None:
    work(file, clock)
    copy(file, target)
    last = max(row.id for row in Reception(file, clock, None).rows("history"))
    desk = Reception(target, clock, None)
    with target.write() as connection:
        note(connection, "gateway", "test", "new", now=clock())
    assert max(row.id for row in desk.rows("history")) == last + 1
    [held] = desk.rows("associations", state="held")
    with target.write() as connection:
        holding.ask_accept(connection, held.id, now=clock())
    with target.read() as connection:
        line = connection.execute(select(cursors.c.line)).scalar_one()
        assert connection.execute(select(history.c.id).where(history.c.id > line)).first() is not None


def test_and_back(file: Database, target: Database, clock: MovableClock, tmp_path: Path) -> None:
    work(file, clock)
    copy(file, target)
    (tmp_path / "again").mkdir()
    again = Database(f"sqlite:///{tmp_path / 'again' / 'hilum.db'}")
    copy(target, again)
    assert everything(again) == everything(file)
    again.close()


def test_nothing_is_copied_onto_something(file: Database, target: Database, clock: MovableClock) -> None:
    work(file, clock)
    copy(file, target)
    before = everything(target)
    with pytest.raises(PermanentError, match=r"is not empty: its table .* has rows"):
        copy(file, target)
    assert everything(target) == before


def test_nothing_is_copied_while_a_gateway_runs_on_either(
    file: Database, target: Database, clock: MovableClock
) -> None:
    work(file, clock)
    with file.attend(), pytest.raises(LedgerUnusableError, match="gateway is running"):
        copy(file, target)
    with target.attend(), pytest.raises(LedgerUnusableError, match="gateway is running"):
        copy(file, target)
    assert not target.exists()


def test_a_copy_that_breaks_off_leaves_nothing(file: Database, target: Database, clock: MovableClock) -> None:
    work(file, clock)

    def full(table: str, _rows: int) -> None:
        if table == "history":
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        copy(file, target, full)
    assert not any(rows for name, rows in everything(target).items() if name != "cursors")
    copy(file, target)
    assert everything(target) == everything(file)


def test_a_ledger_of_another_version_is_left_alone(file: Database, target: Database, clock: MovableClock) -> None:
    with file.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    with pytest.raises(PermanentError, match="another version than this Hilum"):
        copy(file, target)


def test_a_ledger_is_not_copied_into_itself(file: Database) -> None:
    with pytest.raises(PermanentError, match="into itself"):
        copy(file, file)
