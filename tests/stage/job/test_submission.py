from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from hilum import ledger
from hilum.engine.policy import MAX_SUBMISSIONS
from hilum.engine.port import UnwellError
from hilum.errors import LeaseLostError, PermanentError, TemporaryError
from hilum.ledger.lease import MAX_BEGUN
from hilum.ledger.work import ask_cancel, ask_retry
from hilum.model import JobId
from hilum.states import IllegalTransitionError
from stage.job.engines import ToldEngine, Work
from stage.job.planning import LEASE


def test_a_queued_job_is_handed_to_its_engine(work: Work, engine: ToldEngine) -> None:
    (job,) = work.queue("local")
    assert work.run_submit() == []
    (run,) = engine.submitted
    assert (run.job_id, run.job_name, run.folder) == (job.id, job.name, Path(job.folder))
    assert (run.workflow, run.workflow_name, run.attempt) == ("0fcdcdea-89c6", "lung", 1)
    after = work.jobs()[0]
    assert (after.state, after.started_at, after.submissions, after.lease_owner) == (
        "running",
        work.clock(),
        0,
        None,
    )
    assert work.run_submit() == []
    assert len(engine.submitted) == 1


def test_the_oldest_job_is_handed_over_first(work: Work, engine: ToldEngine) -> None:
    jobs = work.queue("local", "local", "local")
    assert len(work.submit.claim(work.clock(), work.clock() + LEASE, 2)) == 2
    leased = [job.id for job in work.jobs() if job.lease_owner]
    assert leased == [jobs[0].id, jobs[1].id]


def test_an_engine_gets_no_more_jobs_than_it_may_have(work: Work, engine: ToldEngine) -> None:
    work.max_jobs = {"local": 2}
    work.queue("local", "local", "local", "local")
    work.run_submit()
    assert [job.state for job in work.jobs()] == ["running", "running", "queued", "queued"]
    work.run_submit()
    assert len(engine.submitted) == 2


def test_a_job_that_is_just_being_handed_over_counts_as_one_of_the_engine(work: Work, engine: ToldEngine) -> None:
    work.max_jobs = {"local": 1}
    work.queue("local", "local")
    assert len(work.submit.claim(work.clock(), work.clock() + LEASE, 5)) == 1
    assert len(work.submit.claim(work.clock(), work.clock() + LEASE, 5)) == 0


def test_a_job_that_is_being_cancelled_still_counts_as_one_of_the_engine(work: Work, engine: ToldEngine) -> None:
    work.max_jobs = {"local": 1}
    first, _ = work.queue("local", "local")
    work.run_submit()
    with work.desk.database.write() as connection:
        assert ask_cancel(connection, first.id, now=work.clock()) == "cancelling"
    work.run_submit()
    assert len(engine.submitted) == 1


def test_an_engine_that_is_full_keeps_no_job_of_another_waiting(work: Work, engine: ToldEngine) -> None:
    other = ToldEngine()
    work.engines["other"] = other
    work.max_jobs = {"local": 1}
    work.queue("local", "local", "local", "other")
    work.run_submit()
    work.run_submit(limit=1)
    assert len(other.submitted) == 1


def test_an_engine_that_cannot_take_it_now_gets_it_later(work: Work, engine: ToldEngine) -> None:
    work.queue("local")
    engine.errors = [TemporaryError("no slot", retry_after=timedelta(seconds=20)), TemporaryError("no slot")]
    assert len(work.run_submit()) == 1
    job = work.jobs()[0]
    assert (job.state, job.not_before, job.why, job.submissions) == ("queued", work.clock.in_(20), "no slot", 0)
    assert work.run_submit() == []
    work.clock.forward(20)
    assert len(work.run_submit()) == 1
    assert work.jobs()[0].not_before == work.clock.in_(10)
    work.clock.forward(10)
    work.run_submit()
    assert work.jobs()[0].state == "running"
    assert [run.attempt for run in engine.submitted] == [1, 1, 1]


def test_an_engine_that_is_unwell_is_tried_with_one_job_while_others_get_theirs(work: Work, engine: ToldEngine) -> None:
    other = work.engines["other"] = ToldEngine()
    work.queue("local", "local", "local", "other")
    engine.errors = [UnwellError("no route to host")] * 2
    assert len(work.run_submit(limit=1)) == 1
    assert len(other.submitted) == 1
    work.run_submit()
    assert len(engine.submitted) == 1, "it rests, although two of its jobs were never tried"
    work.clock.forward(10)
    assert len(work.run_submit()) == 1
    work.clock.forward(10)
    work.run_submit()
    assert len(engine.submitted) == 3, "the trial that shows that it is well"
    work.run_submit()
    assert {job.state for job in work.jobs()} == {"running"}


def test_an_engine_that_says_until_when_is_left_alone_until_then(work: Work, engine: ToldEngine) -> None:
    work.queue("local", "local")
    engine.errors = [UnwellError("busy", retry_after=timedelta(seconds=300))]
    work.run_submit(limit=1)
    work.clock.forward(299)
    work.run_submit()
    assert len(engine.submitted) == 1
    work.clock.forward(1)
    work.run_submit()
    work.run_submit()
    assert {job.state for job in work.jobs()} == {"running"}


def test_a_job_that_an_engine_refuses_for_good_has_failed(work: Work, engine: ToldEngine) -> None:
    (job,) = work.queue("local")
    engine.errors = [PermanentError("no such model")]
    assert len(work.run_submit()) == 1
    after = work.jobs()[0]
    assert (after.state, after.why, after.remove_at) == ("failed", "no such model", work.clock() + work.keep_failed)
    (line,) = work.desk.history(event="failed")
    assert line.remedy == f"mend the cause, then: hilum retry {job.name}"


@pytest.mark.parametrize("gone", ["engine", "folder"])
def test_a_job_that_cannot_run_any_more_has_failed_with_the_reason(work: Work, gone: str) -> None:
    (job,) = work.queue("local")
    if gone == "engine":
        work.engines = {}
    else:
        shutil.rmtree(job.folder)
    assert len(work.run_submit()) == 1
    expected = {"engine": "engine 'local' is not in the configuration any more", "folder": "is gone"}
    assert expected[gone] in work.jobs()[0].why
    assert work.jobs()[0].state == "failed"


def test_a_bug_in_an_engine_is_tried_a_few_times_and_then_fails_the_job(work: Work, engine: ToldEngine) -> None:
    work.queue("local")
    engine.errors = [KeyError("x")] * 99  # type: ignore[list-item]
    for turn in range(MAX_SUBMISSIONS):
        assert len(work.run_submit()) == 1, turn
        work.clock.forward(5)
    assert len(engine.submitted) == MAX_SUBMISSIONS
    assert work.jobs()[0].state == "failed"
    assert work.jobs()[0].why == "KeyError: 'x'"


def test_a_job_that_takes_the_gateway_down_with_it_is_not_tried_for_ever(work: Work, engine: ToldEngine) -> None:
    work.queue("local")
    for _ in range(MAX_BEGUN):
        assert len(work.submit.claim(work.clock(), work.clock() + LEASE, 5)) == 1  # and then the process dies
        work.clock.forward(60)
    assert len(work.run_submit()) == 1
    assert engine.submitted == []
    assert work.jobs()[0].state == "failed"
    assert work.jobs()[0].why == "the gateway ended 3 times in a row in the middle of handing it to engine local"


def test_a_crash_after_handing_over_hands_the_same_attempt_over_again(work: Work, engine: ToldEngine) -> None:
    work.queue("local")
    (claimed,) = work.submit.claim(work.clock(), work.clock() + LEASE, 5)
    work.submit.act(claimed)
    work.clock.forward(60)
    work.run_submit()
    keys = [(run.job_id, run.attempt) for run in engine.submitted]
    assert keys[0] == keys[1]
    with pytest.raises(LeaseLostError):
        work.submit.record(claimed, None, work.clock())
    assert work.jobs()[0].state == "running"


def test_a_queued_job_that_is_cancelled_is_never_handed_over_and_its_folder_goes_in_time(
    work: Work, engine: ToldEngine
) -> None:
    (job,) = work.queue("local")
    with work.desk.database.write() as connection:
        until = work.clock() + work.keep_failed
        assert ask_cancel(connection, job.id, now=work.clock(), remove_at=until) == "cancelled"
    after = work.jobs()[0]
    assert (after.state, after.why, after.finished_at, after.remove_at) == (
        "cancelled",
        "cancelled by an operator",
        work.clock(),
        until,
    )
    assert work.run_submit() == []
    assert engine.submitted == []


def test_a_job_that_is_cancelled_while_it_is_handed_over_does_not_run_on_unseen(work: Work, engine: ToldEngine) -> None:
    (job,) = work.queue("local")
    (claimed,) = work.submit.claim(work.clock(), work.clock() + LEASE, 5)
    work.submit.act(claimed)
    with work.desk.database.write() as connection:
        ask_cancel(connection, job.id, now=work.clock())
    with pytest.raises(IllegalTransitionError) as raised:
        work.submit.record(claimed, None, work.clock())
    work.submit.failed(claimed, raised.value, work.clock())
    assert [run.job_id for run in engine.cancelled] == [job.id]
    assert (work.jobs()[0].state, work.jobs()[0].why) == ("cancelled", "cancelled by an operator")


def test_an_operator_retries_a_failed_job_under_a_number_never_used(work: Work, engine: ToldEngine) -> None:
    (job,) = work.queue("local", tries=2)
    engine.errors = [PermanentError("no such model")]
    work.run_submit()
    with work.desk.database.write() as connection:
        ask_retry(connection, job.id, tries=2, now=work.clock())
    after = work.jobs()[0]
    assert (after.state, after.attempt, after.last_attempt) == ("queued", 2, 3)
    assert (after.remove_at, after.finished_at, after.why) == (None, None, "")
    work.run_submit()
    assert [run.attempt for run in engine.submitted] == [1, 2]


def test_only_jobs_that_failed_or_were_cancelled_are_retried(work: Work) -> None:
    (job,) = work.queue("local")
    with pytest.raises(IllegalTransitionError), work.desk.database.write() as connection:
        ask_retry(connection, job.id, tries=1, now=work.clock())
    with pytest.raises(ledger.transition.NoSuchRowError), work.desk.database.write() as connection:
        ask_retry(connection, JobId("nothing"), tries=1, now=work.clock())


def test_jobs_are_found_by_name_or_id_or_their_beginning(work: Work) -> None:
    first, second = work.queue("local", "local")
    with work.desk.database.read() as connection:
        for text in (first.id, first.name, first.id[:12]):
            assert ledger.work.find(connection, text).id == first.id
        with pytest.raises(ledger.transition.NoSuchRowError, match="the beginning of more than one job") as raised:
            ledger.work.find(connection, "scp-lung")
        assert first.name in str(raised.value)
        assert second.name in str(raised.value)
        for text in ("nothing", "%", "_", "scp_lung", first.name[1:]):
            with pytest.raises(ledger.transition.NoSuchRowError, match="there is no job"):
                ledger.work.find(connection, text)
