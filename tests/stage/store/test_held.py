from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from hilum.errors import LocalError
from hilum.ledger.tables import associations
from hilum.model import GroupKind
from hilum.store.worker import HeldStep
from stage.job.planning import Planning
from stage.ledger.clock import MovableClock
from stage.ledger.reception_desk import Reception

LEASE = timedelta(minutes=1)


@pytest.fixture
def spool(desk: Reception) -> Path:
    assert desk.spool is not None
    return desk.spool


@pytest.fixture
def step(desk: Reception, spool: Path) -> HeldStep:
    return HeldStep(
        database=desk.database,
        owner="gateway",
        spool=lambda: spool,
        grouping=desk.grouping,
        keep=lambda: timedelta(days=1),
    )


def run(step: HeldStep, clock: MovableClock) -> list[Exception]:
    """One turn of the loop; what failed."""
    failed = []
    for held in step.claim(clock(), clock() + LEASE, 10):
        try:
            step.record(held, step.act(held), clock())  # type: ignore[func-returns-value]
        except Exception as error:  # noqa: BLE001  as the loop does
            step.failed(held, error, clock())
            failed.append(error)
    return failed


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_what_is_held_stays_until_its_time_is_over(
    step: HeldStep, desk: Reception, clock: MovableClock, spool: Path
) -> None:
    held = desk.associate().receive("1.1").receive("1.2").abort(retention=3600)
    clock.forward(3599)
    assert run(step, clock) == []
    assert files(spool) == [f"held/{held.id}/1.dcm", f"held/{held.id}/2.dcm"]
    assert held.state == "held"


def test_what_nobody_wanted_in_time_is_removed_with_a_line_of_history(
    step: HeldStep, desk: Reception, clock: MovableClock, spool: Path
) -> None:
    held = desk.associate().receive("1.1").abort(retention=3600)
    clock.forward(3600)
    assert run(step, clock) == []
    assert files(spool) == []
    assert held.state == "removed"
    assert not desk.row("associations").spooled
    line = desk.history()[-1]
    assert (line.machine, line.subject, line.event, line.to_state) == ("association", held.id, "expired", "removed")
    assert line.why


def test_with_a_retention_of_zero_it_is_removed_at_once(
    step: HeldStep, desk: Reception, clock: MovableClock, spool: Path
) -> None:
    desk.associate().receive("1.1").abort(retention=0)
    run(step, clock)
    assert files(spool) == []


def test_what_an_operator_accepts_is_grouped_and_becomes_a_job_from_where_it_lies(
    step: HeldStep, desk: Reception, clock: MovableClock, spool: Path, planning: Planning
) -> None:
    held = desk.associate().receive("1.1", content="the bytes").abort(retention=3600)
    clock.forward(1800)
    held.ask_accept()
    assert run(step, clock) == []
    assert held.state == "released"
    assert files(spool) == [f"held/{held.id}/1.dcm"]
    planning.run()
    (folder,) = planning.folders()
    assert (folder / "input" / "1.1.dcm").read_text() == "the bytes"
    clock.forward(86400)
    assert run(step, clock) == []
    assert files(spool) == [f"held/{held.id}/1.dcm"]  # only the sweep removes what was accepted


def test_what_an_operator_wants_is_taken_although_its_time_is_over(
    step: HeldStep, desk: Reception, clock: MovableClock, spool: Path
) -> None:
    held = desk.associate().receive("1.1").abort(retention=60)
    held.ask_accept()
    clock.forward(3600)
    run(step, clock)
    assert held.state == "released"
    assert files(spool) == [f"held/{held.id}/1.dcm"]


def test_the_configuration_of_the_moment_decides_how_it_is_grouped(
    step: HeldStep, desk: Reception, clock: MovableClock
) -> None:
    held = desk.associate().receive("1.1", patient="A").receive("1.2", patient="B").abort()
    desk.rule("SCP", GroupKind.PATIENT)
    held.ask_accept()
    run(step, clock)
    assert {group["key"]: group["uids"] for group in desk.groups()} == {"A": ["1.1"], "B": ["1.2"]}


def test_a_crash_between_removing_and_recording_is_repeated_in_peace(
    step: HeldStep, desk: Reception, clock: MovableClock, spool: Path
) -> None:
    held = desk.associate().receive("1.1").abort(retention=0)
    (claimed,) = step.claim(clock(), clock() + LEASE, 10)
    step.act(claimed)
    assert run(step, clock) == []
    clock.forward(60)
    assert run(step, clock) == []
    assert held.state == "removed"


def test_a_folder_that_leads_out_of_the_spool_is_not_removed(
    step: HeldStep, desk: Reception, clock: MovableClock, spool: Path, tmp_path: Path
) -> None:
    (tmp_path / "precious").mkdir()
    held = desk.associate().receive("1.1").abort(retention=0)
    with desk.database.write() as connection:
        connection.execute(associations.update().values(folder="held/../../precious"))
    (error,) = run(step, clock)
    assert isinstance(error, LocalError)
    assert (tmp_path / "precious").is_dir()
    assert held.state == "held"


def test_a_removal_that_fails_is_tried_again_in_a_minute(
    step: HeldStep, desk: Reception, clock: MovableClock, spool: Path
) -> None:
    held = desk.associate().receive("1.1").abort(retention=0)
    with desk.database.write() as connection:
        connection.execute(associations.update().values(folder=f"held/../../{held.id}"))
    assert len(run(step, clock)) == 1
    assert run(step, clock) == []
    assert desk.row("associations").remove_at == clock.in_(60)
    with desk.database.write() as connection:
        connection.execute(associations.update().values(folder=f"held/{held.id}"))
    clock.forward(60)
    assert run(step, clock) == []
    assert held.state == "removed"


def test_nothing_held_costs_no_write(step: HeldStep, desk: Reception, clock: MovableClock) -> None:
    desk.associate().receive("1.1").abort()
    with desk.database.write():  # whoever else wanted to write would wait here for ever
        assert step.claim(clock(), clock() + LEASE, 10) == ()


def test_the_lease_of_a_large_folder_is_kept(step: HeldStep, desk: Reception, clock: MovableClock) -> None:
    desk.associate().receive("1.1").abort(retention=0)
    claimed = step.claim(clock(), clock() + LEASE, 10)
    clock.forward(50)
    step.renew(claimed, clock() + LEASE)
    clock.forward(50)
    assert step.claim(clock(), clock() + LEASE, 10) == ()
