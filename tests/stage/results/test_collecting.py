from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from harness.data import make_instance
from hilum.errors import LeaseLostError
from hilum.ledger.lease import MAX_BEGUN, PoisonError
from hilum.results.worker import CollectStep
from stage.ledger.clock import MovableClock
from stage.ledger.reception_desk import Reception

LEASE = timedelta(minutes=1)
Finished = Callable[..., Path]


def run(step: CollectStep, clock: MovableClock) -> list[Exception]:
    """One turn of the loop; what failed."""
    failed = []
    for job in step.claim(clock(), clock() + LEASE, 10):
        try:
            step.record(job, step.act(job), clock())
        except Exception as error:  # noqa: BLE001  as the loop does
            step.failed(job, error, clock())
            failed.append(error)
    return failed


def test_results_are_recorded_and_a_delivery_to_each_destination_falls_due(
    step: CollectStep, finished: Finished, desk: Reception, clock: MovableClock
) -> None:
    output = finished(destinations=("PACS", "ARCHIVE"))
    for uid in ("1.1", "1.2"):
        make_instance(output, sop_instance=uid)
    assert run(step, clock) == []
    assert desk.row("jobs").state == "collected"
    assert [result.path for result in desk.rows("results")] == ["1.1.dcm", "1.2.dcm"]
    due = [(row.result_id, row.destination, row.state, row.not_before) for row in desk.rows("deliveries")]
    assert due == [
        (1, "PACS", "due", clock()),
        (1, "ARCHIVE", "due", clock()),
        (2, "PACS", "due", clock()),
        (2, "ARCHIVE", "due", clock()),
    ]
    assert desk.history(event="collected")[0].why == "2 DICOM files"


def test_a_destination_that_is_named_twice_gets_a_result_once(
    step: CollectStep, finished: Finished, desk: Reception, clock: MovableClock
) -> None:
    make_instance(finished(destinations=("PACS", "PACS")), sop_instance="1.1")
    assert run(step, clock) == []
    assert [row.destination for row in desk.rows("deliveries")] == ["PACS"]


def test_a_job_without_destination_keeps_its_results_in_the_folder(
    step: CollectStep, finished: Finished, desk: Reception, clock: MovableClock
) -> None:
    make_instance(finished(destinations=()), sop_instance="1.1")
    run(step, clock)
    assert len(desk.rows("results")) == 1
    assert desk.rows("deliveries") == []


def test_a_job_without_results_says_so(
    step: CollectStep, finished: Finished, desk: Reception, clock: MovableClock
) -> None:
    finished()
    run(step, clock)
    assert desk.row("jobs").state == "collected"
    assert "no DICOM file in output/" in desk.history(event="collected")[0].why


def test_what_is_not_sent_has_a_line_of_history_with_the_reason(
    step: CollectStep, finished: Finished, desk: Reception, clock: MovableClock
) -> None:
    output = finished()
    (output / "report.json").write_text("{}")
    (output / "link.dcm").symlink_to("/etc/shadow")
    make_instance(output, sop_instance="1.1")
    run(step, clock)
    lines = {line.subject: line for line in desk.history(event="not sent")}
    assert sorted(lines) == ["job:link.dcm", "job:report.json"]
    assert lines["job:link.dcm"].machine == "result"
    assert lines["job:link.dcm"].why == "it is a symbolic link, not a regular file"
    assert all(line.remedy for line in lines.values())
    assert len(desk.rows("deliveries")) == 1


def test_where_others_may_still_write_the_files_must_lie_unchanged_for_one_scan(
    step: CollectStep, finished: Finished, desk: Reception, clock: MovableClock
) -> None:
    output = finished(engine="folder")
    make_instance(output, sop_instance="1.1")
    assert run(step, clock) == []
    assert desk.row("jobs").state == "finished"
    assert desk.row("jobs").not_before == clock.in_(5)
    assert step.next_due(clock()) == clock.in_(5)
    clock.forward(4.9)
    assert step.claim(clock(), clock() + LEASE, 10) == ()
    make_instance(output, sop_instance="1.2")  # job.done came before the last result
    clock.forward(0.1)
    run(step, clock)
    assert desk.row("jobs").state == "finished"
    clock.forward(5)
    run(step, clock)
    assert desk.row("jobs").state == "collected"
    assert len(desk.rows("results")) == 2


def test_a_restart_begins_to_watch_anew_and_collects_all_the_same(
    step: CollectStep, finished: Finished, desk: Reception, clock: MovableClock
) -> None:
    make_instance(finished(engine="folder"), sop_instance="1.1")
    run(step, clock)
    clock.forward(5)
    restarted = CollectStep(database=step.database, owner="other", settings=step.settings)
    run(restarted, clock)
    assert desk.row("jobs").state == "finished"
    clock.forward(5)
    run(restarted, clock)
    assert desk.row("jobs").state == "collected"


def test_where_nobody_writes_any_more_results_are_read_at_once(
    step: CollectStep, finished: Finished, desk: Reception, clock: MovableClock
) -> None:
    make_instance(finished(engine="local"), sop_instance="1.1")
    run(step, clock)
    assert desk.row("jobs").state == "collected"


def test_a_folder_that_cannot_be_read_is_tried_again_and_the_job_says_why(
    step: CollectStep, finished: Finished, desk: Reception, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_instance(finished(), sop_instance="1.1")

    def fails(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr("hilum.results.output.os.fwalk", fails)
        assert len(run(step, clock)) == 1
    job = desk.row("jobs")
    assert (job.state, job.not_before, job.lease_owner) == ("finished", clock.in_(10), None)
    assert "Input/output error" in job.why
    clock.forward(10)
    assert run(step, clock) == []
    assert (desk.row("jobs").state, desk.row("jobs").why) == ("collected", "")


def test_results_are_recorded_once_whoever_was_slow(
    step: CollectStep, finished: Finished, desk: Reception, clock: MovableClock
) -> None:
    make_instance(finished(), sop_instance="1.1")
    (slow,) = step.claim(clock(), clock() + LEASE, 10)
    found = step.act(slow)
    clock.forward(60)
    assert run(step, clock) == []
    with pytest.raises(LeaseLostError):
        step.record(slow, found, clock())
    assert len(desk.rows("results")) == len(desk.rows("deliveries")) == 1


def test_other_jobs_are_not_touched(
    step: CollectStep, finished: Finished, desk: Reception, clock: MovableClock
) -> None:
    for name in ("one", "two", "three"):
        make_instance(finished(name), sop_instance="1.1")
    assert len(step.claim(clock(), clock() + LEASE, 2)) == 2
    assert len(step.claim(clock(), clock() + LEASE, 2)) == 1
    assert step.claim(clock(), clock() + LEASE, 2) == ()
    assert step.next_due(clock()) is None


def test_the_lease_of_large_results_is_kept(
    step: CollectStep, finished: Finished, desk: Reception, clock: MovableClock
) -> None:
    finished()
    claimed = step.claim(clock(), clock() + LEASE, 1)
    clock.forward(50)
    step.renew(claimed, clock() + LEASE)
    clock.forward(50)
    assert step.claim(clock(), clock() + LEASE, 1) == ()


def test_results_that_end_the_gateway_whenever_they_are_read_fail_the_job(
    step: CollectStep, finished: Finished, desk: Reception, clock: MovableClock
) -> None:
    finished()
    for _ in range(MAX_BEGUN):
        assert len(step.claim(clock(), clock() + LEASE, 5)) == 1  # and then the process is killed
        clock.forward(LEASE.total_seconds())
    assert [type(error) for error in run(step, clock)] == [PoisonError]
    job = desk.row("jobs")
    assert (job.state, job.remove_at) == ("failed", clock.in_(30 * 86400))
    assert job.why == "the gateway ended 3 times in a row in the middle of reading its results"
