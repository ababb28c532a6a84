from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from hilum.ledger.tables import associations
from hilum.model import GroupKind
from hilum.store.worker import SweepStep
from stage.job.planning import Planning
from stage.ledger.clock import MovableClock
from stage.ledger.reception_desk import Reception

LEASE = timedelta(minutes=1)


@pytest.fixture
def spool(desk: Reception) -> Path:
    assert desk.spool is not None
    return desk.spool


@pytest.fixture
def step(desk: Reception, spool: Path) -> SweepStep:
    return SweepStep(database=desk.database, spool=lambda: spool)


def run(step: SweepStep, clock: MovableClock, limit: int = 10) -> list[Exception]:
    """One turn of the loop; what failed."""
    failed = []
    for swept in step.claim(clock(), clock() + LEASE, limit):
        try:
            step.record(swept, step.act(swept), clock())  # type: ignore[func-returns-value]
        except Exception as error:  # noqa: BLE001  as the loop does
            step.failed(swept, error, clock())
            failed.append(error)
    return failed


def folders(spool: Path) -> list[str]:
    return sorted(path.name for path in spool.iterdir() if path.is_dir())


def test_a_folder_goes_once_its_instances_are_in_jobs_and_the_jobs_keep_them(
    step: SweepStep, desk: Reception, clock: MovableClock, spool: Path, planning: Planning
) -> None:
    association = desk.associate().receive("1.1", content="the bytes").release()
    run(step, clock)
    assert folders(spool) == [association.id]  # its group is closed and has no job yet
    planning.run()
    assert run(step, clock) == []
    assert folders(spool) == []
    assert not desk.row("associations").spooled
    (folder,) = planning.folders()
    assert (folder / "input" / "1.1.dcm").read_text() == "the bytes"
    assert step.claim(clock(), clock() + LEASE, 10) == []


def test_a_folder_stays_while_a_window_of_its_instances_is_open(
    step: SweepStep, desk: Reception, clock: MovableClock, spool: Path
) -> None:
    desk.rule("SCP", GroupKind.PATIENT, 60)
    association = desk.send("1.1")
    clock.forward(10**6)
    run(step, clock)
    assert folders(spool) == [association.id]


def test_a_folder_stays_until_the_last_of_its_groups_is_planned(
    step: SweepStep, desk: Reception, clock: MovableClock, spool: Path, planning: Planning
) -> None:
    desk.rule("SCP", GroupKind.PATIENT)
    association = desk.associate().receive("1.1", patient="A").receive("1.2", patient="B").release()
    (first, _) = planning.step.claim(clock(), clock() + LEASE, 10)
    planning.step.record(first, planning.step.act(first), clock())
    run(step, clock)
    assert folders(spool) == [association.id]
    clock.forward(60)
    planning.run()
    run(step, clock)
    assert folders(spool) == []


def test_duplicates_and_replaced_instances_go_with_their_group(
    step: SweepStep, desk: Reception, clock: MovableClock, spool: Path, planning: Planning
) -> None:
    desk.rule("SCP", GroupKind.PATIENT, 60, overwrite=True)
    desk.send("1.1")
    desk.send("1.1")
    run(step, clock)
    assert len(folders(spool)) == 2
    with desk.database.write() as connection:
        connection.exec_driver_sql("UPDATE groups SET state = 'planned'")
    run(step, clock)
    assert folders(spool) == []


def test_what_nobody_wanted_stays_until_its_retention_is_over(
    step: SweepStep, desk: Reception, clock: MovableClock, spool: Path, planning: Planning
) -> None:
    planning.workflows = []
    association = desk.send("1.1")
    planning.run()
    run(step, clock)
    assert folders(spool) == [association.id]
    with desk.database.write() as connection:
        connection.exec_driver_sql("UPDATE groups SET state = 'removed'")
    run(step, clock)
    assert folders(spool) == []


def test_open_and_held_associations_are_never_swept(
    step: SweepStep, desk: Reception, clock: MovableClock, spool: Path
) -> None:
    open_one = desk.associate().receive("1.1")
    desk.associate().receive("1.2").abort()
    run(step, clock)
    assert folders(spool) == [open_one.id, "held"]
    assert len(folders(spool / "held")) == 1


def test_an_accepted_association_is_swept_from_where_it_was_held(
    step: SweepStep, desk: Reception, clock: MovableClock, spool: Path
) -> None:
    desk.associate().receive("1.1").abort()
    with desk.database.write() as connection:
        connection.execute(associations.update().values(state="released"))
    run(step, clock)
    assert folders(spool / "held") == []


def test_a_removal_that_a_power_cut_made_the_ledger_forget_is_repeated_in_peace(
    step: SweepStep, desk: Reception, clock: MovableClock, spool: Path, planning: Planning
) -> None:
    desk.send("1.1")
    planning.run()
    (swept,) = step.claim(clock(), clock() + LEASE, 10)
    step.act(swept)
    assert run(step, clock) == []
    assert not desk.row("associations").spooled


def test_a_folder_that_cannot_be_removed_keeps_no_other_back_and_is_tried_again(
    step: SweepStep, desk: Reception, clock: MovableClock, spool: Path, planning: Planning
) -> None:
    bad, good = desk.send("1.1"), desk.send("1.2")
    planning.run()
    with desk.database.write() as connection:
        connection.execute(associations.update().where(associations.c.id == bad.id).values(folder="../elsewhere"))
    while run(step, clock, limit=1):
        pass
    assert run(step, clock, limit=1) == []
    assert folders(spool) == [bad.id]
    assert not desk.row("associations", id=good.id).spooled
    with desk.database.write() as connection:
        connection.execute(associations.update().where(associations.c.id == bad.id).values(folder=bad.id))
    clock.forward(59)
    assert run(step, clock) == []
    assert folders(spool) == [bad.id]
    clock.forward(1)
    assert run(step, clock) == []
    assert folders(spool) == []
