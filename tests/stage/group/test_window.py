"""``timeout`` greater than 0: instances of several associations meet until none comes for so long."""

from __future__ import annotations

import sqlite3
from datetime import timedelta

import pytest
from sqlalchemy import event

from hilum.group.worker import CloseStep
from hilum.ledger import grouping
from hilum.ledger.database import Database
from hilum.model import GroupId, GroupKind
from hilum.states import GroupEvent, IllegalTransitionError
from stage.ledger.clock import MovableClock
from stage.ledger.reception_desk import Reception

LATER = timedelta(minutes=1)
each_kind = pytest.mark.parametrize("kind", list(GroupKind))


@pytest.fixture
def step(database: Database) -> CloseStep:
    return CloseStep(database=database)


def close_due(step: CloseStep, clock: MovableClock) -> int:
    """One look of the step; how many groups it closed."""
    return len(step.claim(clock(), clock() + LATER, 100))


@each_kind
def test_associations_within_the_window_are_one_group(
    desk: Reception, step: CloseStep, clock: MovableClock, kind: GroupKind
) -> None:
    desk.rule("SCP", kind, 60)
    desk.send("1.1", "1.2")
    clock.forward(59)
    assert close_due(step, clock) == 0
    desk.send("1.3")
    (group,) = desk.groups()
    assert (group["state"], group["uids"]) == ("open", ["1.1", "1.2", "1.3"])
    assert desk.row("groups").instances == 3


@each_kind
def test_a_group_closes_when_nothing_came_for_the_length_of_the_window(
    desk: Reception, step: CloseStep, clock: MovableClock, kind: GroupKind
) -> None:
    desk.rule("SCP", kind, 60)
    desk.send("1.1")
    clock.forward(30)
    desk.send("1.2")
    clock.forward(59.999)
    assert close_due(step, clock) == 0
    closed_at = clock.forward(0.001)
    assert close_due(step, clock) == 1
    row = desk.row("groups")
    assert (row.state, row.closed_at) == ("closed", closed_at)
    assert desk.history(event="window ended")[0].why


@pytest.mark.parametrize(
    ("kind", "differs"),
    [
        (GroupKind.PATIENT, {"patient": "P2"}),
        (GroupKind.STUDY, {"study": "1.2"}),
        (GroupKind.SERIES, {"series": "1.1.2"}),
    ],
)
def test_different_values_have_windows_of_their_own(
    desk: Reception, step: CloseStep, clock: MovableClock, kind: GroupKind, differs: dict[str, str]
) -> None:
    desk.rule("SCP", kind, 60)
    desk.send("1.1")
    clock.forward(30)
    desk.send("1.2", **differs)
    clock.forward(30)
    close_due(step, clock)
    assert [(group["state"], group["uids"]) for group in desk.groups()] == [("closed", ["1.1"]), ("open", ["1.2"])]


def test_two_ae_titles_never_meet(desk: Reception, step: CloseStep, clock: MovableClock) -> None:
    for ae in ("ONE", "TWO"):
        desk.rule(ae, GroupKind.PATIENT, 60)
        desk.send("1.1", ae=ae)
    assert [(group["ae"], group["uids"]) for group in desk.groups()] == [("ONE", ["1.1"]), ("TWO", ["1.1"])]


@pytest.mark.parametrize("kind", [GroupKind.PATIENT, GroupKind.STUDY, GroupKind.SERIES])
def test_instances_without_the_attribute_never_meet_those_of_another_association(
    desk: Reception, step: CloseStep, clock: MovableClock, kind: GroupKind
) -> None:
    desk.rule("SCP", kind, 60)
    nobody = {"patient": "", "study": "", "series": ""}
    desk.send("1.1", "1.2", **nobody)
    desk.send("1.3", **nobody)
    assert [(group["key"], group["uids"]) for group in desk.groups()] == [("", ["1.1", "1.2"]), ("", ["1.3"])]
    assert [line.why.split(" instances")[0] for line in desk.history(event="without key")] == ["2", "1"]
    clock.forward(60)
    assert close_due(step, clock) == 2


@each_kind
def test_a_late_instance_opens_the_next_group(
    desk: Reception, step: CloseStep, clock: MovableClock, kind: GroupKind
) -> None:
    desk.rule("SCP", kind, 60)
    desk.send("1.1")
    clock.forward(60)
    close_due(step, clock)
    desk.send("1.2")
    assert [(group["state"], group["uids"]) for group in desk.groups()] == [("closed", ["1.1"]), ("open", ["1.2"])]


@each_kind
def test_a_late_instance_opens_the_next_group_even_before_the_step_has_looked(
    desk: Reception, clock: MovableClock, kind: GroupKind
) -> None:
    desk.rule("SCP", kind, 60)
    desk.send("1.1")
    clock.forward(60)
    desk.send("1.2")
    assert [(group["state"], group["uids"]) for group in desk.groups()] == [("closed", ["1.1"]), ("open", ["1.2"])]


@each_kind
def test_a_window_stays_open_under_an_association_that_contributes(
    desk: Reception, step: CloseStep, clock: MovableClock, kind: GroupKind
) -> None:
    desk.rule("SCP", kind, 60)
    desk.send("1.1")
    clock.forward(50)
    slow = desk.associate().receive("1.2")
    clock.forward(3600)
    assert close_due(step, clock) == 0
    assert step.next_due(clock()) is None  # only the end of that association can change it
    slow.receive("1.3")
    clock.forward(30)
    slow.release()
    assert close_due(step, clock) == 0
    assert step.next_due(clock()) == clock.in_(30)
    clock.forward(30)
    assert close_due(step, clock) == 1
    assert desk.groups()[0]["uids"] == ["1.1", "1.2", "1.3"]


def test_a_window_that_is_kept_open_is_not_closed_by_another_instance_either(
    desk: Reception, step: CloseStep, clock: MovableClock
) -> None:
    desk.rule("SCP", GroupKind.PATIENT, 60)
    desk.send("1.1")
    slow = desk.associate().receive("1.2")
    clock.forward(3600)
    desk.send("1.3")
    slow.release()
    assert [(group["state"], group["uids"]) for group in desk.groups()] == [("open", ["1.1", "1.3", "1.2"])]


def test_the_time_since_the_last_instance_counts_and_not_since_the_release(
    desk: Reception, step: CloseStep, clock: MovableClock
) -> None:
    desk.rule("SCP", GroupKind.PATIENT, 60)
    slow = desk.associate().receive("1.1")
    clock.forward(100)
    slow.release()
    assert close_due(step, clock) == 1


def test_an_association_that_contributes_to_one_window_keeps_no_other_open(
    desk: Reception, step: CloseStep, clock: MovableClock
) -> None:
    desk.rule("SCP", GroupKind.PATIENT, 60)
    desk.send("1.1", patient="A")
    desk.send("1.2", patient="B")
    desk.associate().receive("1.3", patient="B")
    clock.forward(60)
    assert close_due(step, clock) == 1
    assert {group["key"]: group["state"] for group in desk.groups()} == {"A": "closed", "B": "open"}


def test_an_association_that_contributes_to_another_ae_keeps_no_window_open(
    desk: Reception, step: CloseStep, clock: MovableClock
) -> None:
    for ae in ("ONE", "TWO"):
        desk.rule(ae, GroupKind.PATIENT, 60)
    desk.send("1.1", ae="ONE")
    desk.associate("TWO").receive("1.2")
    clock.forward(60)
    assert close_due(step, clock) == 1


def test_an_association_that_contributes_and_is_aborted_lets_go(
    desk: Reception, step: CloseStep, clock: MovableClock
) -> None:
    desk.rule("SCP", GroupKind.PATIENT, 60)
    desk.send("1.1")
    clock.forward(50)
    bad = desk.associate().receive("1.2")
    clock.forward(3600)
    assert close_due(step, clock) == 0
    bad.abort()
    assert close_due(step, clock) == 1
    assert desk.groups()[0]["uids"] == ["1.1"]


def test_associations_that_overlap_are_one_group_whoever_ends_first(
    desk: Reception, step: CloseStep, clock: MovableClock
) -> None:
    desk.rule("SCP", GroupKind.STUDY, 10)
    first = desk.associate().receive("1.1")
    clock.forward(100)
    second = desk.associate().receive("1.2")
    clock.forward(100)
    second.release()
    clock.forward(100)
    assert close_due(step, clock) == 0
    first.receive("1.3")
    first.release()
    assert desk.groups()[0]["uids"] == ["1.2", "1.1", "1.3"]
    clock.forward(10)
    assert close_due(step, clock) == 1


def test_an_older_association_that_ends_later_moves_no_time_back(
    desk: Reception, step: CloseStep, clock: MovableClock
) -> None:
    desk.rule("SCP", GroupKind.PATIENT, 60)
    old = desk.associate().receive("1.1")
    newest = clock.forward(30)
    desk.send("1.2")
    old.release()
    row = desk.row("groups")
    assert (row.last_received_at, row.closes_at) == (newest, newest + timedelta(seconds=60))


def test_a_uid_that_comes_again_in_a_later_association_counts_once_and_the_first_stays(desk: Reception) -> None:
    desk.rule("SCP", GroupKind.PATIENT, 60)
    desk.associate().receive("1.1", content="first").release()
    desk.associate().receive("1.1", content="the second").receive("1.2", content="other").release()
    assert desk.fates() == [("1.1", "grouped"), ("1.1", "duplicate"), ("1.2", "grouped")]
    row = desk.row("groups")
    assert (row.instances, row.bytes) == (2, len("firstother"))
    assert [line.subject for line in desk.history(event="duplicate")] == ["1.1"]


def test_a_uid_that_comes_again_in_a_later_association_counts_once_and_the_last_wins_if_overwriting(
    desk: Reception,
) -> None:
    desk.rule("SCP", GroupKind.PATIENT, 60, overwrite=True)
    desk.associate().receive("1.1", content="first").release()
    later = desk.associate().receive("1.1", content="second").receive("1.2", content="other")
    later.receive("1.1", content="the third").release()
    assert desk.fates() == [("1.1", "replaced"), ("1.1", "replaced"), ("1.2", "grouped"), ("1.1", "grouped")]
    row = desk.row("groups")
    assert (row.instances, row.bytes) == (2, len("otherthe third"))
    assert [line.subject for line in desk.history(event="replaced")] == ["1.1", "1.1"]


def test_a_uid_that_comes_again_after_the_group_closed_counts_in_the_next_one(
    desk: Reception, step: CloseStep, clock: MovableClock
) -> None:
    for overwrite in (False, True):
        desk.rule("SCP", GroupKind.PATIENT, 60, overwrite=overwrite)
        desk.send("1.1")
        clock.forward(60)
        close_due(step, clock)
    assert [group["uids"] for group in desk.groups()] == [["1.1"], ["1.1"]]


@pytest.mark.sqlite
def test_many_repeated_uids_are_settled_however_few_parameters_sqlite_takes(
    desk: Reception, database: Database
) -> None:
    desk.spool = None  # a thousand files tell no more than none
    for engine in database.engines:
        event.listen(engine, "checkout", lambda raw, *_: raw.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 999))
    desk.rule("SCP", GroupKind.PATIENT, 60, overwrite=True)
    uids = [f"1.{number}" for number in range(1001)]
    desk.send(*uids)
    desk.send(*uids)
    assert desk.row("groups").instances == 1001
    assert len(desk.rows("instances", fate="replaced")) == 1001


def test_an_operator_can_close_a_group_now(
    desk: Reception, database: Database, step: CloseStep, clock: MovableClock
) -> None:
    desk.rule("SCP", GroupKind.PATIENT, 3600)
    desk.send("1.1")
    group = GroupId(desk.row("groups").id)
    clock.forward(1)
    with database.write() as connection:
        grouping.close(connection, group, GroupEvent.CLOSE_ASKED, now=clock(), why="asked by an operator")
    row = desk.row("groups")
    assert (row.state, row.closed_at) == ("closed", clock())
    assert [line.why for line in desk.history(event="close asked")] == ["asked by an operator"]
    desk.send("1.2")
    assert [group["uids"] for group in desk.groups()] == [["1.1"], ["1.2"]]


def test_a_group_that_an_operator_closed_gets_nothing_of_an_association_that_had_contributed(
    desk: Reception, database: Database, step: CloseStep, clock: MovableClock
) -> None:
    desk.rule("SCP", GroupKind.PATIENT, 60)
    desk.send("1.1")
    slow = desk.associate().receive("1.2")
    with database.write() as connection:
        grouping.close(connection, GroupId(1), GroupEvent.CLOSE_ASKED, now=clock())
    slow.release()
    assert [(group["state"], group["uids"]) for group in desk.groups()] == [("closed", ["1.1"]), ("open", ["1.2"])]


def test_a_group_cannot_be_closed_twice(desk: Reception, database: Database, clock: MovableClock) -> None:
    desk.send("1.1")
    with pytest.raises(IllegalTransitionError), database.write() as connection:
        grouping.close(connection, GroupId(1), GroupEvent.CLOSE_ASKED, now=clock())


def test_the_step_knows_when_it_is_needed_next(desk: Reception, step: CloseStep, clock: MovableClock) -> None:
    desk.rule("SCP", GroupKind.PATIENT, 60)
    assert step.next_due(clock()) is None
    desk.send("1.1", patient="A")
    clock.forward(10)
    desk.send("1.2", patient="B")
    assert step.next_due(clock()) == clock.in_(50)
    clock.forward(50)
    close_due(step, clock)
    assert step.next_due(clock()) == clock.in_(10)


def test_a_look_closes_everything_that_is_due_and_works_on_no_more_than_its_limit(
    desk: Reception, step: CloseStep, clock: MovableClock
) -> None:
    desk.rule("SCP", GroupKind.PATIENT, 60)
    for number in range(5):
        desk.send(f"1.{number}", patient=str(number))
    clock.forward(60)
    assert len(step.claim(clock(), clock() + LATER, 1)) == 1
    assert len(desk.groups(state="closed")) == 5
    assert step.claim(clock(), clock() + LATER, 1) == ()
