"""Transitions and history, on rows of real groups."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from hilum import states
from hilum.ledger.database import Database
from hilum.ledger.tables import groups
from hilum.ledger.transition import NoSuchRowError, apply
from hilum.model import GroupKind
from hilum.states import Group, GroupEvent, IllegalTransitionError
from stage.ledger.clock import MovableClock
from stage.ledger.reception_desk import Reception


@pytest.fixture
def group(desk: Reception) -> int:
    """An open group."""
    desk.rule("SCP", GroupKind.PATIENT, 60)
    desk.send("1.1")
    return int(desk.row("groups").id)


def test_a_transition_changes_the_state_and_the_values_and_tells_history(
    database: Database, desk: Reception, clock: MovableClock, group: int
) -> None:
    clock.forward(60)
    with database.write() as connection:
        after = apply(
            connection,
            groups,
            group,
            GroupEvent.WINDOW_ENDED,
            now=clock(),
            why="quiet",
            remedy="nothing",
            values={"closed_at": clock()},
        )
    assert after is Group.CLOSED
    row, line = desk.row("groups"), desk.history(machine="group")[-1]
    assert (row.state, row.closed_at) == ("closed", clock())
    assert (line.subject, line.at, line.from_state, line.event, line.to_state, line.why, line.remedy) == (
        str(group),
        clock(),
        "open",
        "window ended",
        "closed",
        "quiet",
        "nothing",
    )


def test_an_exception_takes_back_the_state_and_its_line_of_history(
    database: Database, desk: Reception, clock: MovableClock, group: int
) -> None:
    before = desk.history()

    def halfway() -> None:
        with database.write() as connection:
            apply(connection, groups, group, GroupEvent.CLOSE_ASKED, now=clock())
            raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"):
        halfway()
    assert desk.row("groups").state == "open"
    assert desk.history() == before


def test_an_event_that_the_state_does_not_know_changes_nothing(
    database: Database, desk: Reception, clock: MovableClock, group: int
) -> None:
    before = desk.row("groups"), desk.history()
    with pytest.raises(IllegalTransitionError), database.write() as connection:
        apply(connection, groups, group, GroupEvent.PLANNED, now=clock(), values={"why": "x"})
    assert (desk.row("groups"), desk.history()) == before


def test_a_row_that_does_not_exist_is_told(database: Database, clock: MovableClock) -> None:
    with pytest.raises(NoSuchRowError, match="there is no group 12345"), database.write() as connection:
        apply(connection, groups, 12345, GroupEvent.CLOSE_ASKED, now=clock())


def test_every_table_with_leases_has_a_machine_and_history_has_its_name(
    database: Database, desk: Reception, clock: MovableClock
) -> None:
    desk.send("1.1")
    assert {line.machine for line in desk.history()} == {"association", "group"}
    assert {line.event for line in desk.history() if line.from_state == ""} == {"made"}


def test_a_state_that_no_table_knows_is_not_silently_accepted(
    database: Database, desk: Reception, clock: MovableClock, group: int
) -> None:
    with database.write() as connection:
        connection.execute(update(groups).values(state="enchanted"))
    with pytest.raises(ValueError, match="enchanted"), database.write() as connection:
        apply(connection, groups, group, GroupEvent.CLOSE_ASKED, now=clock())
    with database.read() as connection:
        assert connection.execute(select(groups.c.state)).scalar_one() == "enchanted"
    assert "enchanted" not in set(states.Group)
