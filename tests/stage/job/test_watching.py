from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from harness.waiting import eventually
from hilum.engine.folder import FolderEngine
from hilum.engine.policy import MAX_PENDING, MAX_SUBMISSIONS, RETRY_AFTER
from hilum.engine.port import Phase
from hilum.errors import TemporaryError
from hilum.ledger.rows import AnyRow
from hilum.ledger.work import ask_cancel, ask_retry
from hilum.model import JobId
from hilum.states import IllegalTransitionError
from stage.job.engines import HangingEngine, ToldEngine, Work
from stage.job.planning import LEASE


@pytest.fixture
def job(work: Work) -> AnyRow:
    """A job that runs, with two attempts."""
    work.queue("local", tries=2)
    work.run_submit()
    return work.jobs()[0]


def cancel(work: Work, job: str) -> str:
    with work.desk.database.write() as connection:
        return str(ask_cancel(connection, JobId(job), now=work.clock()))


def test_a_job_that_runs_is_left_alone_and_costs_no_write(work: Work, engine: ToldEngine, job: AnyRow) -> None:
    before = work.jobs()
    assert work.run_watch() == []
    assert engine.asked == 1
    assert work.jobs() == before


def test_a_job_that_succeeded_is_finished(work: Work, engine: ToldEngine, job: AnyRow) -> None:
    engine.end(job.id, Phase.SUCCEEDED)
    assert work.run_watch() == []
    after = work.jobs()[0]
    assert (after.state, after.finished_at, after.not_before) == ("finished", work.clock(), work.clock())


def test_an_attempt_that_failed_is_followed_by_another_until_the_last(
    work: Work, engine: ToldEngine, job: AnyRow
) -> None:
    engine.end(job.id, Phase.FAILED, "exit code 3")
    work.run_watch()
    after = work.jobs()[0]
    assert (after.state, after.attempt, after.why) == ("queued", 2, "exit code 3")
    assert after.not_before == work.clock() + RETRY_AFTER
    assert work.run_submit() == []
    work.clock.forward(RETRY_AFTER.total_seconds())
    work.run_submit()
    assert [run.attempt for run in engine.submitted] == [1, 2]
    work.run_watch()
    after = work.jobs()[0]
    assert (after.state, after.why) == ("failed", "exit code 3")
    assert after.remove_at == work.clock() + work.keep_failed
    (line,) = work.desk.history(event="failed")
    assert f"hilum jobs show {job.name}" in line.remedy
    assert f"hilum retry {job.name}" in line.remedy


@pytest.mark.parametrize("phase", [Phase.LOST, Phase.FAILED])
def test_an_attempt_of_which_nobody_knows_why_it_ended_gets_a_reason_all_the_same(
    work: Work, engine: ToldEngine, job: AnyRow, phase: Phase
) -> None:
    engine.end(job.id, phase)
    work.run_watch()
    assert work.jobs()[0].state == "queued"
    assert work.jobs()[0].why


def test_a_job_whose_engine_left_the_configuration_is_lost(work: Work, job: AnyRow) -> None:
    work.engines = {}
    work.run_watch()
    assert (work.jobs()[0].state, work.jobs()[0].why) == (
        "queued",
        "engine 'local' is not in the configuration any more",
    )


def test_an_attempt_that_does_not_begin_is_handed_over_again_and_then_given_up(
    work: Work, engine: ToldEngine, job: AnyRow
) -> None:
    engine.end(job.id, Phase.PENDING)
    work.run_watch()
    assert work.jobs()[0].state == "running"
    assert len(engine.submitted) == 1  # it has a while for it
    for times in range(2, 2 + MAX_SUBMISSIONS):
        work.clock.forward(MAX_PENDING.total_seconds())
        work.run_watch()
        assert (work.jobs()[0].state, len(engine.submitted)) == ("running", times)
    assert {run.attempt for run in engine.submitted} == {1}
    work.clock.forward(MAX_PENDING.total_seconds())
    work.run_watch()
    after = work.jobs()[0]
    assert (after.state, after.attempt, len(engine.submitted)) == ("queued", 2, 1 + MAX_SUBMISSIONS)
    assert "it never began" in after.why
    work.clock.forward(RETRY_AFTER.total_seconds())
    assert work.run_submit() == []  # the next attempt begins to count anew
    assert engine.submitted[-1].attempt == 2


def test_each_engine_is_asked_at_its_own_intervals_and_once_for_all_its_jobs(work: Work, engine: ToldEngine) -> None:
    slow = ToldEngine()
    work.engines["slow"] = slow
    work.watch_every = {"local": timedelta(seconds=1), "slow": timedelta(seconds=10)}
    work.queue("local", "local", "slow", "slow")
    work.run_submit()
    for _ in range(11):
        work.run_watch()
    assert (engine.asked, slow.asked) == (11, 2)
    assert work.watch.next_due(work.clock()) == work.clock.in_(1)


def test_an_engine_is_asked_at_once_when_something_has_ended_or_is_new(work: Work, engine: ToldEngine) -> None:
    work.watch_every = {"local": timedelta(seconds=10)}
    first, _ = work.queue("local", "local")
    work.run_submit(1)
    work.run_watch()
    assert engine.asked == 1
    engine.end(first.id, Phase.SUCCEEDED)
    work.run_watch()
    assert engine.asked == 1
    work.watch.look_now()
    work.run_watch()
    assert (engine.asked, work.jobs()[0].state) == (2, "finished")
    work.run_submit(1)  # this one may have ended before it was known to run
    work.run_watch()
    assert engine.asked == 3
    work.run_watch()
    assert engine.asked == 3


def test_an_engine_that_cannot_be_asked_keeps_no_news_of_others_back(work: Work, engine: ToldEngine) -> None:
    for name in ("a", "b", "c"):
        work.engines[name] = ToldEngine()
        work.engines[name].unreachable = TemporaryError("no route to host")
    work.queue("a", "b", "local", "c")
    work.run_submit()
    for job in work.jobs():
        engine.end(job.id, Phase.SUCCEEDED)
    work.run_watch()
    assert {job.engine: job.state for job in work.jobs()} == {
        "a": "running",
        "b": "running",
        "c": "running",
        "local": "finished",
    }


def test_an_engine_that_does_not_answer_keeps_no_news_of_others_back(work: Work, engine: ToldEngine) -> None:
    hanging = work.engines["hanging"] = HangingEngine()
    work.queue("hanging", "local")
    work.run_submit()
    for job in work.jobs():
        engine.end(job.id, Phase.SUCCEEDED)
        hanging.end(job.id, Phase.SUCCEEDED)
    work.watch.patience = 0.01
    eventually(
        lambda: work.run_watch() == [] and [job.state for job in work.jobs()] == ["running", "finished"],
        what="the news of the other",
    )
    assert hanging.asked == 1, "it is not asked again before it has answered"
    hanging.go.set()
    eventually(lambda: work.run_watch() == [] and work.jobs()[0].state == "finished", what="its own news")


def test_an_engine_that_says_until_when_is_not_asked_before(work: Work, engine: ToldEngine, job: AnyRow) -> None:
    work.run_watch()
    asked = engine.asked
    engine.unreachable = TemporaryError("busy", retry_after=timedelta(seconds=60))
    work.run_watch()
    for _ in range(58):
        work.run_watch()
    assert engine.asked == asked + 1
    engine.unreachable = None
    work.run_watch()
    work.run_watch()
    assert engine.asked == asked + 2


def test_results_are_collected_before_a_job_is_finished(work: Work, engine: ToldEngine, job: AnyRow) -> None:
    engine.end(job.id, Phase.SUCCEEDED)
    work.run_watch()
    assert [run.job_id for run in engine.collected] == [job.id]
    assert work.jobs()[0].state == "finished"


def test_a_running_job_is_cancelled_by_its_engine_and_takes_its_time(
    work: Work, engine: ToldEngine, job: AnyRow
) -> None:
    assert cancel(work, job.id) == "cancelling"
    work.run_watch()
    assert [run.job_id for run in engine.cancelled] == [job.id]
    assert work.jobs()[0].state == "cancelling"
    engine.end(job.id, Phase.FAILED)
    work.run_watch()
    after = work.jobs()[0]
    assert (after.state, after.why, after.remove_at) == (
        "cancelled",
        "cancelled by an operator",
        work.clock() + work.keep_failed,
    )


def test_a_job_that_has_not_begun_yet_is_cancelled_without_waiting(work: Work, engine: ToldEngine, job: AnyRow) -> None:
    engine.end(job.id, Phase.PENDING)
    cancel(work, job.id)
    work.run_watch()
    assert len(engine.cancelled) == 1


def test_a_job_of_an_engine_that_is_gone_is_cancelled_all_the_same(work: Work, job: AnyRow) -> None:
    cancel(work, job.id)
    work.engines = {}
    work.run_watch()
    assert work.jobs()[0].state == "cancelled"


def test_a_cancelled_job_can_be_retried(work: Work, engine: ToldEngine, job: AnyRow) -> None:
    cancel(work, job.id)
    engine.end(job.id, Phase.LOST)
    work.run_watch()
    with work.desk.database.write() as connection:
        ask_retry(connection, job.id, tries=1, now=work.clock())
    work.run_submit()
    assert [run.attempt for run in engine.submitted] == [1, 2]


def test_what_is_over_cannot_be_cancelled(work: Work, engine: ToldEngine, job: AnyRow) -> None:
    engine.end(job.id, Phase.SUCCEEDED)
    work.run_watch()
    with pytest.raises(IllegalTransitionError):
        cancel(work, job.id)


def test_a_failure_while_cancelling_is_tried_again(work: Work, engine: ToldEngine, job: AnyRow) -> None:
    cancel(work, job.id)
    (claimed,) = work.watch.claim(work.clock.forward(1), work.clock() + LEASE, 5)
    work.watch.failed(claimed, TemporaryError("not now"), work.clock())
    work.run_watch()
    assert len(engine.cancelled) == 1


def test_no_more_jobs_are_looked_after_at_once_than_asked_for(work: Work, engine: ToldEngine) -> None:
    for job in work.queue(*["local"] * 4):
        engine.end(job.id, Phase.SUCCEEDED)
    work.run_submit()
    work.run_watch(limit=3)
    assert sorted(job.state for job in work.jobs()) == ["finished", "finished", "finished", "running"]
    work.run_watch(limit=3)
    assert {job.state for job in work.jobs()} == {"finished"}


def test_job_done_in_the_folder_finishes_a_job_of_the_folder_engine(work: Work) -> None:
    work.engines = {"folder": FolderEngine()}
    (job,) = work.queue("folder")
    work.run_submit()
    work.run_watch()
    assert work.jobs()[0].state == "running"
    (Path(job.folder) / "output" / "job.done").touch()
    work.run_watch()
    assert work.jobs()[0].state == "finished"
