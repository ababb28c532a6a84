from __future__ import annotations

import pytest
from sqlalchemy import select

from hilum.errors import PermanentError, TemporaryError
from hilum.ledger.database import Database
from hilum.ledger.port import LedgerBusyError, LedgerUnusableError
from hilum.ledger.tables import history
from hilum.ledger.transition import note
from stage.ledger.clock import MovableClock


def say(database: Database, clock: MovableClock, what: str) -> None:
    with database.write() as connection:
        note(connection, "gateway", "test", what, now=clock())


def said(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.execute(select(history.c.event).order_by(history.c.id)).scalars())


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


def test_a_busy_ledger_is_worth_trying_again_and_an_unusable_one_is_not() -> None:
    assert issubclass(LedgerBusyError, TemporaryError)
    assert issubclass(LedgerUnusableError, PermanentError)


def test_a_kind_of_database_that_is_not_known_is_refused_without_its_password() -> None:
    with pytest.raises(LedgerUnusableError, match=r"^ledger.url of the kind 'mysql': .*sqlite:///path.*postgresql"):
        Database("mysql://hilum:secret@db/hilum")
