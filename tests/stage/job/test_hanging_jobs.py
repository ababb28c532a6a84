"""Jobs that hang, and clocks that are put back, keep no other job from coming to its end."""

from __future__ import annotations

import pytest

from hilum.engine.port import Phase
from hilum.ledger import work as ledger
from hilum.model import JobId
from stage.job.engines import SECOND, ToldEngine, Work
from stage.job.planning import LEASE


def run(work: Work) -> list[str]:
    """All queued jobs are started; their ids, oldest first."""
    assert work.run_submit() == []
    return [job.id for job in work.jobs()]


def ask_cancel(work: Work, job: str) -> None:
    with work.desk.database.write() as connection:
        ledger.ask_cancel(connection, JobId(job), now=work.clock())


@pytest.mark.parametrize("phase", [Phase.RUNNING, Phase.PENDING])
def test_jobs_that_cannot_be_stopped_take_no_place_from_those_that_ended(
    work: Work, engine: ToldEngine, phase: Phase
) -> None:
    work.queue(*["local"] * 6)
    *hanging, last = run(work)
    for job in hanging:
        ask_cancel(work, job)
        engine.end(job, phase)
    engine.end(last, Phase.SUCCEEDED)
    for _ in range(2):
        work.run_watch(limit=4)
    assert work.desk.row("jobs", id=last).state == "finished"
    assert {run.job_id for run in engine.cancelled} <= set(hanging)


def test_jobs_that_end_at_the_same_time_do_not_wait_for_the_next_look(work: Work, engine: ToldEngine) -> None:
    work.watch_every = {"local": 3600 * SECOND}
    work.queue(*["local"] * 6)
    for job in run(work):
        engine.end(job, Phase.SUCCEEDED)
    for _ in range(3):
        for claimed in work.watch.claim(work.clock(), work.clock() + LEASE, 2):
            work.watch.record(claimed, work.watch.act(claimed), work.clock())
    assert {job.state for job in work.jobs()} == {"finished"}


def test_a_clock_that_is_put_back_makes_no_engine_wait_for_its_next_look(work: Work, engine: ToldEngine) -> None:
    work.queue("local")
    (job,) = run(work)
    work.run_watch()
    work.clock.forward(-3600)
    engine.end(job, Phase.SUCCEEDED)
    work.run_watch()
    assert work.desk.row("jobs").state == "finished"
