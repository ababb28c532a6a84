"""A job can be retried until its folder begins to be removed, and never runs on a part of its inputs."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from hilum.errors import PermanentError, TemporaryError
from hilum.job import payload
from hilum.job.retention import RetentionStep
from hilum.ledger import work
from hilum.ledger.lease import Lease
from hilum.model import JobId
from stage.job.planning import LEASE, Planning
from stage.ledger.clock import MovableClock
from stage.ledger.reception_desk import Reception


@pytest.fixture
def job(planning: Planning, desk: Reception) -> JobId:
    """One that failed and whose time is over."""
    desk.send("1.1")
    planning.run()
    job = JobId(desk.row("jobs").id)
    with desk.database.write() as connection:
        lease = Lease(id=job, fence=0)
        work.failed(connection, lease, "why", "remedy", remove_at=desk.clock(), now=desk.clock())
    return job


@pytest.fixture
def step(planning: Planning) -> RetentionStep:
    return RetentionStep(database=planning.desk.database, owner="gateway", roots=lambda: [planning.payloads])


def ask_retry(desk: Reception, job: JobId) -> None:
    with desk.database.write() as connection:
        work.ask_retry(connection, job, tries=1, now=desk.clock())


def test_a_job_whose_folder_is_being_removed_is_not_retried(
    job: JobId, step: RetentionStep, desk: Reception, clock: MovableClock
) -> None:
    (expired,) = step.claim(clock(), clock() + LEASE, 1)
    with pytest.raises(PermanentError, match="is being removed"):
        ask_retry(desk, job)
    step.record(expired, step.act(expired), clock())  # type: ignore[func-returns-value]
    assert desk.row("jobs").state == "removed"


def test_a_job_whose_removal_was_cut_off_by_a_crash_is_not_retried(
    job: JobId, step: RetentionStep, desk: Reception, clock: MovableClock
) -> None:
    step.claim(clock(), clock() + LEASE, 1)
    clock.forward(timedelta(days=1).total_seconds())
    with pytest.raises(PermanentError, match="is being removed"):
        ask_retry(desk, job)


def test_a_job_whose_time_is_over_can_be_retried_as_long_as_it_is_whole(
    job: JobId, step: RetentionStep, desk: Reception, clock: MovableClock
) -> None:
    ask_retry(desk, job)
    assert not step.claim(clock(), clock() + LEASE, 1)
    assert desk.row("jobs").state == "queued"


def test_a_folder_that_cannot_be_removed_whole_is_not_left_in_part(tmp_path: Path) -> None:
    folder = tmp_path / "job"
    (folder / "input").mkdir(parents=True)
    (tmp_path / ".removing-job").touch()  # in the way
    with pytest.raises(TemporaryError):
        payload.remove(tmp_path, folder)
    assert (folder / "input").is_dir()
    (tmp_path / ".removing-job").unlink()
    payload.remove(tmp_path, folder)
    assert list(tmp_path.iterdir()) == []
