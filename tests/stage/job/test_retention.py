from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from hilum import states
from hilum.job.retention import RetentionStep
from hilum.ledger import tables, work
from hilum.ledger.lease import Lease
from hilum.ledger.tables import jobs
from hilum.ledger.transition import apply
from hilum.model import JobId
from stage.job.planning import LEASE, Planning
from stage.ledger.clock import MovableClock
from stage.ledger.reception_desk import Reception

DAY = timedelta(days=1)


@pytest.fixture
def step(planning: Planning) -> RetentionStep:
    roots = [planning.payloads, planning.payloads.with_name("output")]
    return RetentionStep(database=planning.desk.database, owner="gateway", roots=lambda: roots)


@pytest.fixture
def failed_job(planning: Planning, desk: Reception) -> Path:
    """The folder of a job that failed and is kept for one day."""
    desk.send("1.1")
    planning.run()
    job = desk.row("jobs")
    with desk.database.write() as connection:
        work.failed(
            connection, Lease(id=job.id, fence=0), "why", "remedy", remove_at=desk.clock() + DAY, now=desk.clock()
        )
    return Path(job.folder)


def run(step: RetentionStep, clock: MovableClock) -> list[Exception]:
    """One turn of the loop; what failed."""
    failed = []
    for expired in step.claim(clock(), clock() + LEASE, 10):
        try:
            step.record(expired, step.act(expired), clock())  # type: ignore[func-returns-value]
        except Exception as error:  # noqa: BLE001  as the loop does
            step.failed(expired, error, clock())
            failed.append(error)
    return failed


def test_a_job_is_kept_until_its_time_is_over_and_then_removed(
    step: RetentionStep, desk: Reception, clock: MovableClock, failed_job: Path
) -> None:
    clock.forward(86399)
    assert run(step, clock) == []
    assert failed_job.is_dir()
    clock.forward(1)
    assert run(step, clock) == []
    assert not failed_job.exists()
    assert desk.row("jobs").state == "removed"
    line = desk.history()[-1]
    assert (line.machine, line.event, line.to_state) == ("job", "expired", "removed")
    assert "retention-days" in line.why


@pytest.mark.parametrize("state", ["queued", "running", "finished", "collected", "cancelling"])
def test_a_job_that_is_not_over_is_never_removed(
    step: RetentionStep, desk: Reception, clock: MovableClock, failed_job: Path, state: str
) -> None:
    with desk.database.write() as connection:
        connection.execute(jobs.update().values(state=state))
    clock.forward(10**8)
    assert step.claim(clock(), clock() + LEASE, 10) in ((), [])
    assert failed_job.is_dir()


@pytest.mark.parametrize("state", ["complete", "cancelled"])
def test_other_ends_of_jobs_are_removed_too(
    step: RetentionStep, desk: Reception, clock: MovableClock, failed_job: Path, state: str
) -> None:
    with desk.database.write() as connection:
        connection.execute(jobs.update().values(state=state))
    clock.forward(86400)
    assert run(step, clock) == []
    assert not failed_job.exists()
    assert desk.row("jobs").state == "removed"


def test_a_job_that_is_tried_again_is_not_removed(
    step: RetentionStep, desk: Reception, clock: MovableClock, failed_job: Path
) -> None:
    with desk.database.write() as connection:
        work.ask_retry(connection, JobId(desk.row("jobs").id), tries=1, now=clock())
    clock.forward(10**8)
    assert run(step, clock) == []
    assert failed_job.is_dir()


def test_a_folder_that_is_gone_already_is_as_good_as_removed(
    step: RetentionStep, desk: Reception, clock: MovableClock, failed_job: Path
) -> None:
    clock.forward(86400)
    (expired,) = step.claim(clock(), clock() + LEASE, 10)
    step.act(expired)  # and then the gateway dies
    clock.forward(60)
    assert run(step, clock) == []
    assert desk.row("jobs").state == "removed"


def test_a_folder_outside_the_roots_is_left_alone_and_looked_at_again_in_an_hour(
    step: RetentionStep, desk: Reception, clock: MovableClock, failed_job: Path, tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    failed_job.rename(precious)
    with desk.database.write() as connection:
        connection.execute(jobs.update().values(folder=str(precious)))
    clock.forward(86400)
    (error,) = run(step, clock)
    assert "is not below" in str(error)
    assert "it is left alone" in desk.row("jobs").why
    assert precious.is_dir()
    assert run(step, clock) == []
    clock.forward(3600)
    assert len(run(step, clock)) == 1


def test_a_stored_only_group_is_let_go_when_its_time_is_over(
    step: RetentionStep, planning: Planning, desk: Reception, clock: MovableClock
) -> None:
    planning.workflows = []
    desk.send("1.1")
    planning.run()
    clock.forward(30 * 86400 - 1)
    run(step, clock)
    assert desk.row("groups").state == "stored only"
    clock.forward(1)
    run(step, clock)
    assert desk.row("groups").state == "removed"
    assert "retention-days" in desk.history(event="expired")[0].why


@pytest.mark.parametrize("state", [states.Group.CLOSED, states.Group.PARKED])
def test_a_group_that_still_has_to_become_jobs_is_never_let_go(
    step: RetentionStep, desk: Reception, clock: MovableClock, state: states.Group
) -> None:
    desk.send("1.1")
    with desk.database.write() as connection:
        connection.execute(update(tables.groups).values(state=state))
    clock.forward(10**8)
    run(step, clock)
    assert desk.row("groups").state == state


def test_a_lost_lease_removes_nothing_from_the_ledger(
    step: RetentionStep, desk: Reception, clock: MovableClock, failed_job: Path
) -> None:
    clock.forward(86400)
    (slow,) = step.claim(clock(), clock() + LEASE, 10)
    clock.forward(60)
    assert run(step, clock) == []
    with pytest.raises(Exception, match="lease"):
        step.record(slow, None, clock())


def test_an_operator_who_retries_while_the_folder_goes_is_told_so_by_the_next_step(
    step: RetentionStep, desk: Reception, clock: MovableClock, failed_job: Path
) -> None:
    clock.forward(86400)
    (expired,) = step.claim(clock(), clock() + LEASE, 10)
    step.act(expired)
    with desk.database.write() as connection:
        apply(connection, jobs, desk.row("jobs").id, states.JobEvent.RETRY_ASKED, now=clock())
    with pytest.raises(states.IllegalTransitionError):
        step.record(expired, None, clock())
    assert desk.row("jobs").state == "queued"
