"""Whatever goes wrong between the gateway and a platform, in whatever order: no attempt starts twice, each job ends."""

from __future__ import annotations

import tempfile
from collections import deque
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.platform import Fault, Job, Platform
from hilum.engine import http, policy
from hilum.engine.http import Files, HttpEngine
from hilum.engine.port import Phase, Run
from hilum.errors import TemporaryError
from hilum.exchange import Server
from hilum.model import JobId

ATTEMPTS = 3
#: Longer than any run of faults that is made up.
TURNS = 80
#: A dripping platform costs a time-out, and is tried elsewhere.
FAULTS = st.sampled_from([fault for fault in Fault if fault is not Fault.SLOW])


class _CrashError(Exception):
    """The gateway ends between two requests."""


class Crashing(http.Platform):
    """Ends the gateway before some of its requests."""

    points: ClassVar[deque[bool]] = deque()

    def _signed(self, method: str, below: str, body: Any) -> dict[str, str]:
        if self.points and self.points.popleft():
            raise _CrashError
        return super()._signed(method, below, body)


def _run(folder: Path) -> Run:
    (folder / "input").mkdir()
    (folder / "input" / "1.2.dcm").write_bytes(b"input")
    (folder / "output").mkdir()
    return Run(job_id=JobId("b2" * 16), job_name="job", folder=folder, workflow="w", workflow_name="ct", attempt=1)


def _work(job: Job) -> None:
    """Ends at the second look."""
    job.log += "looked at\n"
    if job.log.count("\n") > 1:
        job.outputs["result.dcm"] = b"result"
        job.stage = "succeeded"


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    faults=st.lists(FAULTS, max_size=25),
    crashes=st.lists(st.booleans(), max_size=25),
    files=st.sampled_from(Files),
)
def test_no_attempt_starts_twice_and_the_job_comes_to_its_end(
    faults: list[Fault], crashes: list[bool], files: Files
) -> None:
    with tempfile.TemporaryDirectory() as folder, Platform(faults=deque(faults), work=_work) as platform:
        Crashing.points = deque(crashes)
        run = _run(Path(folder))
        end = _through(platform, run, files)
        assert end in {Phase.SUCCEEDED, Phase.FAILED, Phase.LOST}
        assert len(platform.started) == len(set(platform.started))
        if Fault.RESTART not in faults:
            assert end is Phase.SUCCEEDED
            assert platform.started == [f"{run.job_id}-1"]
        if end is Phase.SUCCEEDED:
            assert (run.folder / "output" / "job.done").is_file()


def _through(platform: Platform, run: Run, files: Files) -> Phase:
    """As the steps do it: submit until it is taken, look until it ends, the next attempt if it failed."""
    state = "queued"
    for _ in range(TURNS):
        client = Crashing(name="gpu", server=Server(url=platform.url, timeout=60))
        engine = HttpEngine(platform=client, files=files)  # whatever was in memory is gone
        try:
            if state == "queued":
                engine.submit(run)
                state = "running"
                continue
            status = engine.status([run])[run.job_id]
            if status.phase is Phase.SUCCEEDED:
                status = engine.collect(run)
            if status.phase is Phase.PENDING:
                engine.submit(run)
        except (TemporaryError, _CrashError):
            continue
        match policy.after_run(status, attempt=run.attempt, attempts=ATTEMPTS):
            case policy.Finish() | policy.Fail():
                return status.phase
            case policy.Retry():
                run = Run(
                    job_id=run.job_id,
                    job_name=run.job_name,
                    folder=run.folder,
                    workflow=run.workflow,
                    workflow_name=run.workflow_name,
                    attempt=run.attempt + 1,
                )
                state = "queued"
            case policy.Wait():
                pass
    raise AssertionError(f"it did not end: {platform.jobs}")
