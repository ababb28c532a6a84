"""Associations that ended without a release: grouped only if an operator accepts them."""

from __future__ import annotations

import pytest

from hilum.errors import LeaseLostError, PermanentError
from hilum.ledger import holding, reception
from hilum.ledger.database import Database
from hilum.ledger.transition import NoSuchRowError
from hilum.model import GroupKind
from hilum.states import IllegalTransitionError
from stage.ledger.clock import MovableClock
from stage.ledger.reception_desk import Incoming, Reception


def accept(desk: Reception, held: Incoming) -> None:
    """What the step does about an association that an operator wants."""
    clock = desk.clock
    with desk.database.write() as connection:
        (row,) = holding.claim_held(connection, owner="me", now=clock(), until=clock.in_(60), limit=1)
    assert row.id == held.id
    with desk.database.write() as connection:
        grouping = desk.grouping(held.info.called)
        holding.accepted(connection, reception.info_of(row), grouping, fence=row.fence, now=clock())


def test_an_abort_starts_nothing_and_holds_what_was_stored(desk: Reception, clock: MovableClock) -> None:
    aborted = desk.associate().receive("1.1").receive("1.2").abort(retention=3600)
    assert desk.groups() == []
    assert desk.fates() == [("1.1", "held"), ("1.2", "held")]
    row = desk.row("associations")
    assert (row.state, row.instances, row.why) == ("held", 2, "aborted: the peer sent A-ABORT")
    assert (row.folder, row.remove_at) == (f"held/{aborted.id}", clock.in_(3600))
    line = desk.history(event="broken")[0]
    assert (line.from_state, line.to_state, line.why) == ("open", "held", "aborted: the peer sent A-ABORT")
    assert f"hilum accept {aborted.id}" in line.remedy


def test_what_an_operator_accepts_is_grouped_as_if_it_had_been_released(desk: Reception, clock: MovableClock) -> None:
    aborted = desk.associate().receive("1.1").receive("1.2").receive("1.1").abort()
    clock.forward(3600)
    aborted.ask_accept()
    assert aborted.state == "accepting"
    assert desk.groups() == []
    accept(desk, aborted)
    assert aborted.state == "released"
    assert desk.groups() == [{"ae": "SCP", "key": "", "state": "closed", "uids": ["1.1", "1.2"]}]
    assert desk.fates() == [("1.1", "grouped"), ("1.2", "grouped"), ("1.1", "duplicate")]
    assert desk.row("associations").remove_at is None
    assert [line.event for line in desk.history(machine="association")][-2:] == ["accept asked", "released"]


def test_what_an_operator_accepts_joins_the_window_of_its_key(desk: Reception, clock: MovableClock) -> None:
    desk.rule("SCP", GroupKind.PATIENT, 60)
    aborted = desk.associate().receive("1.1", patient="A").receive("1.2", patient="B").abort()
    clock.forward(30)
    desk.send("1.3", patient="B")
    aborted.ask_accept()
    accept(desk, aborted)
    found = {group["key"]: group["uids"] for group in desk.groups(state="open")}
    assert found == {"A": ["1.1"], "B": ["1.2", "1.3"]}
    assert desk.row("groups", key="B").closes_at == clock.in_(60)


def test_held_instances_keep_no_window_open(desk: Reception, clock: MovableClock) -> None:
    desk.rule("SCP", GroupKind.PATIENT, 60)
    desk.associate().receive("1.1").abort()
    assert desk.rows("groups") == []
    with desk.database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM contributions").scalar() == 0


def test_only_what_is_held_can_be_accepted(desk: Reception, database: Database) -> None:
    released = desk.send("1.1")
    with pytest.raises(IllegalTransitionError):
        released.ask_accept()
    open_one = desk.associate().receive("1.2")
    with pytest.raises(IllegalTransitionError):
        open_one.ask_accept()
    with pytest.raises(NoSuchRowError, match="there is no association 2026"), database.write() as connection:
        holding.ask_accept(connection, "2026", now=desk.clock())


def test_accepting_twice_groups_once(desk: Reception) -> None:
    aborted = desk.associate().receive("1.1").abort()
    aborted.ask_accept()
    accept(desk, aborted)
    with pytest.raises(IllegalTransitionError):
        aborted.ask_accept()
    assert [group["uids"] for group in desk.groups()] == [["1.1"]]


def test_accepting_with_a_lost_lease_groups_nothing(desk: Reception, clock: MovableClock) -> None:
    aborted = desk.associate().receive("1.1").abort()
    aborted.ask_accept()
    with desk.database.write() as connection:
        (slow,) = holding.claim_held(connection, owner="slow", now=clock(), until=clock.in_(60), limit=1)
    clock.forward(60)
    with desk.database.write() as connection:
        holding.claim_held(connection, owner="quick", now=clock(), until=clock.in_(60), limit=1)
    with pytest.raises(LeaseLostError), desk.database.write() as connection:
        holding.accepted(connection, aborted.info, desk.grouping("SCP"), fence=slow.fence, now=clock())
    assert desk.groups() == []
    assert desk.fates() == [("1.1", "held")]


def test_what_nobody_accepts_is_due_for_removal_at_its_time(desk: Reception, clock: MovableClock) -> None:
    aborted = desk.associate().receive("1.1").abort(retention=60)
    clock.forward(59)
    with desk.database.read() as connection:
        assert not holding.held_due(connection, clock())
    clock.forward(1)
    with desk.database.write() as connection:
        assert holding.held_due(connection, clock())
        (row,) = holding.claim_held(connection, owner="me", now=clock(), until=clock.in_(60), limit=5)
        holding.expired(connection, aborted.id, fence=row.fence, now=clock())
    row = desk.row("associations")
    assert (row.state, row.spooled) == ("removed", False)
    assert "aborted-retention" in desk.history(event="expired")[0].why


def test_what_was_removed_cannot_be_accepted(desk: Reception, clock: MovableClock) -> None:
    aborted = desk.associate().receive("1.1").abort(retention=0)
    with desk.database.write() as connection:
        (row,) = holding.claim_held(connection, owner="me", now=clock(), until=clock.in_(60), limit=5)
        holding.expired(connection, aborted.id, fence=row.fence, now=clock())
    with pytest.raises(IllegalTransitionError):
        aborted.ask_accept()


def test_what_is_about_to_be_removed_cannot_be_accepted_any_more(desk: Reception, clock: MovableClock) -> None:
    """The step that removes it may be at it already: accepting would promise files that are going."""
    over = desk.associate().receive("1.1").abort(retention=60)
    clock.forward(60)
    with pytest.raises(PermanentError, match="it is gone"):
        over.ask_accept()
    assert over.state == "held"


def test_what_an_operator_wants_is_not_removed_although_its_time_is_over(desk: Reception, clock: MovableClock) -> None:
    aborted = desk.associate().receive("1.1").abort(retention=60)
    aborted.ask_accept()
    clock.forward(3600)
    accept(desk, aborted)
    assert aborted.state == "released"
