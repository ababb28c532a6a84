"""A group whose jobs cannot be made without the gateway's dying does not kill every gateway that starts."""

from __future__ import annotations

from hilum.errors import TemporaryError
from hilum.ledger.lease import MAX_BEGUN
from stage.job.planning import LEASE, Broken, Planning
from stage.ledger.reception_desk import Reception


def crash(planning: Planning) -> None:
    """The gateway ends while it makes the jobs, and the next one starts."""
    clock = planning.desk.clock
    assert len(planning.step.claim(clock(), clock() + LEASE, 10)) == 1
    clock.forward(LEASE.total_seconds())


def test_a_group_that_was_begun_too_often_waits_for_an_operator(planning: Planning, desk: Reception) -> None:
    desk.send("1.1")
    for _ in range(MAX_BEGUN):
        crash(planning)
    assert len(planning.run()) == 1
    group = desk.row("groups")
    assert group.state == "parked"
    assert f"ended {MAX_BEGUN} times in a row" in group.why


def test_a_group_survives_some_crashes_and_any_number_of_bad_moments(planning: Planning, desk: Reception) -> None:
    desk.send("1.1")
    planning.processors = {"SCP": [Broken(*[TemporaryError("the disk is full")] * 2 * MAX_BEGUN)]}
    for _ in range(2 * MAX_BEGUN):
        assert len(planning.run()) == 1
        desk.clock.forward(30)
    for _ in range(MAX_BEGUN - 1):
        crash(planning)
    assert planning.run() == []
    assert desk.row("groups").state == "planned"
