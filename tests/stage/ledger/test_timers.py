"""Timers after the clock was set."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from hilum import states
from hilum.errors import TemporaryError
from hilum.ledger import timers
from hilum.ledger.database import Database
from hilum.ledger.tables import metadata
from hilum.ledger.transition import note
from hilum.model import GroupKind
from stage.ledger.clock import MovableClock
from stage.ledger.reception_desk import Reception

YEAR = timedelta(days=365)


def catch_up(database: Database, now: datetime) -> timedelta:
    with database.write() as connection:
        return timers.catch_up(connection, now)


def test_a_clock_that_goes_on_moves_nothing(desk: Reception, clock: MovableClock) -> None:
    desk.rule("SCP", GroupKind.PATIENT, 60)
    desk.send("1.1")
    before = desk.row("groups")
    assert catch_up(desk.database, clock()) == timedelta()
    assert catch_up(desk.database, clock() - timedelta(milliseconds=900)) == timedelta()
    assert catch_up(desk.database, clock() + YEAR) == timedelta()
    assert desk.row("groups") == before


def test_a_clock_that_was_put_back_takes_all_timers_with_it(desk: Reception, clock: MovableClock) -> None:
    desk.rule("SCP", GroupKind.PATIENT, 60)
    desk.send("1.1")
    desk.associate().receive("2.1").abort(retention=3600)
    window, held = desk.row("groups").closes_at - clock(), timedelta(seconds=3600)
    now = clock() - YEAR
    with desk.database.write() as connection:  # what was written while the clock was wrong
        note(connection, "gateway", "dead", "stopped", now=clock())
    assert catch_up(desk.database, now) == YEAR
    assert desk.row("groups").closes_at == now + window
    (kept,) = [row for row in desk.rows("associations") if row.state == states.Association.HELD]
    assert kept.remove_at == now + held


def test_a_clock_that_nobody_has_set_is_refused(desk: Reception) -> None:
    with pytest.raises(TemporaryError, match="says 1970-01-01 00:00 UTC, which cannot be; set it"):
        catch_up(desk.database, datetime(1970, 1, 1, tzinfo=UTC))


def test_every_timer_that_a_step_waits_for_is_moved() -> None:
    """A new table with a timer has to be named here, and in what moves it."""
    waited_for = {"closes_at", "not_before", "remove_at"}
    found = {
        (table.name, column.name)
        for table in metadata.tables.values()
        for column in table.columns
        if column.name in waited_for
    }
    moved = {(table.name, name) for table, (names, _) in timers._TIMERS.items() for name in names}
    assert found <= moved
    with pytest.raises(KeyError):
        metadata.tables["history"].columns["not_before"]


def test_an_empty_ledger_takes_the_clock_as_it_is(database: Database, clock: MovableClock) -> None:
    with database.write() as connection:
        connection.execute(metadata.tables["history"].delete())
        assert connection.execute(select(metadata.tables["history"])).all() == []
        assert timers.catch_up(connection, clock()) == timedelta()
