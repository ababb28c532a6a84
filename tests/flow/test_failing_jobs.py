"""A workflow that crashes, hangs or comes to nothing: tried again, then shown with its log, then retried by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from flow.workflows import one_workflow
from harness.clock import Hands
from harness.data import make_series
from harness.pacs import Pacs
from harness.sending import send
from harness.site import Site, data_set_digest
from harness.waiting import eventually
from hilum.assembly import engine_of
from hilum.engine.attempt import process_stat
from hilum.engine.worker import run_of
from hilum.ledger import work
from hilum.ledger.rows import AnyRow

MakeSite = Callable[..., Site]


def shell(script: str, **keys: Any) -> dict[str, Any]:
    """An engine that runs a script of the shell."""
    return {"type": "process", "command": ["sh", "-c", script]} | keys


def log_of(site: Site, job: AnyRow, lines: int = 3) -> list[str]:
    """The end of the log of a job's latest attempt."""
    engine = engine_of(site.settings, job.engine)
    return engine.logs(run_of(job), lines).splitlines()


def retry(site: Site, job: AnyRow, *, tries: int = 1) -> None:
    """As ``hilum retry`` does."""
    with site.database.write() as connection:
        work.ask_retry(connection, job.id, tries=tries, now=site.clock())


def wait_for_failure(site: Site, clock: Hands) -> AnyRow:
    """The one job once it has failed, with the waits between its attempts made short."""

    def look() -> list[AnyRow]:
        clock.move(0.5)
        return list(site.rows("jobs", state="failed"))

    [job] = eventually(look, what="a failed job")
    return job


def test_a_job_that_fails_twice_succeeds_with_its_third_attempt(
    make_site: MakeSite, pacs: Pacs, tmp_path: Path
) -> None:
    clock = Hands()
    files = make_series(tmp_path / "ct", 2)
    # What an attempt wrote before it failed must not be taken for a result.
    script = (
        f'echo x >> {tmp_path}/runs; cp "$HILUM_INPUT"/* "$HILUM_OUTPUT"/; [ $(wc -l < {tmp_path}/runs) = 3 ] || exit 4'
    )
    with make_site(one_workflow(shell(script, attempts=3), to=[pacs]), clock=clock) as site:
        send(site.port, *files)

        def complete() -> bool:
            clock.move(0.5)
            return bool(site.rows("jobs", state="complete"))

        eventually(complete, what="the third attempt")
        [job] = site.rows("jobs")
        assert job.attempt == 3
        failures = site.history(machine="job", subject=job.id, event="attempt failed")
        assert ["exit code 4" in line.why for line in failures] == [True, True]
        assert sorted(one.digest for one in pacs.arrived) == sorted(map(data_set_digest, files))


def test_a_job_that_has_used_its_attempts_is_failed_with_a_reason_and_its_log(
    make_site: MakeSite, pacs: Pacs, tmp_path: Path
) -> None:
    clock = Hands()
    script = 'echo "loading the model"; echo "CUDA: out of memory" >&2; cp "$HILUM_INPUT"/* "$HILUM_OUTPUT"/; exit 3'
    with make_site(one_workflow(shell(script, attempts=2), to=[pacs]), clock=clock) as site:
        send(site.port, *make_series(tmp_path / "ct", 1))
        job = wait_for_failure(site, clock)
        assert job.attempt == 2
        assert "exit code 3" in job.why
        assert log_of(site, job) == ["loading the model", "CUDA: out of memory"]
        [last] = site.history(machine="job", subject=job.id, event="failed")
        assert f"hilum retry {job.name}" in last.remedy
        assert pacs.arrived == [], "a failed job has no results"


def test_a_failed_job_that_is_retried_by_hand_runs_with_fresh_attempts(
    make_site: MakeSite, pacs: Pacs, tmp_path: Path
) -> None:
    clock = Hands()
    files = make_series(tmp_path / "ct", 2)
    script = f'[ -e {tmp_path}/licence ] || {{ echo "no licence"; exit 1; }}; cp "$HILUM_INPUT"/* "$HILUM_OUTPUT"/'
    with make_site(one_workflow(shell(script, attempts=1), to=[pacs]), clock=clock) as site:
        send(site.port, *files)
        job = wait_for_failure(site, clock)
        (tmp_path / "licence").touch()
        retry(site, job)
        [job] = site.wait_for_jobs(1)
        assert (job.attempt, job.last_attempt) == (2, 2)
        assert sorted(one.digest for one in pacs.accepted) == sorted(map(data_set_digest, files))


def test_a_workflow_that_runs_too_long_is_stopped_with_everything_it_started(
    make_site: MakeSite, tmp_path: Path
) -> None:
    clock = Hands()
    script = f"sleep 1000 & echo $! > {tmp_path}/child; echo begun; wait"
    with make_site(one_workflow(shell(script, timeout=1, attempts=1)), clock=clock) as site:
        send(site.port, *make_series(tmp_path / "ct", 1))
        job = wait_for_failure(site, clock)
        assert "time limit of 1 s" in job.why
        assert log_of(site, job) == ["begun"]
        assert process_stat(int((tmp_path / "child").read_text())) is None


def test_a_workflow_that_writes_nothing_ends_with_a_job_without_results(
    make_site: MakeSite, pacs: Pacs, tmp_path: Path
) -> None:
    with make_site(one_workflow(shell("true"), to=[pacs])) as site:
        send(site.port, *make_series(tmp_path / "ct", 1))
        [job] = site.wait_for_jobs(1)
        [line] = site.history(machine="job", subject=job.id, event="collected")
        assert line.why == "no DICOM file in output/: nothing to deliver"
        assert pacs.arrived == []
