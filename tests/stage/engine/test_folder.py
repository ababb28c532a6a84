from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from hilum.engine.folder import FolderEngine
from hilum.engine.port import Engine, Healthy, Phase, Run
from hilum.errors import PermanentError, TemporaryError
from hilum.model import JobId

ENGINE: Engine = FolderEngine()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(job_id=JobId("b2" * 16), job_name="job", folder=tmp_path, workflow="w", workflow_name="ct", attempt=1)


def phase(run: Run) -> Phase:
    return ENGINE.status([run])[run.job_id].phase


def test_a_job_runs_until_job_done_is_there(run: Run) -> None:
    ENGINE.submit(run)
    assert phase(run) is Phase.RUNNING
    (run.folder / "output" / "job.done").touch()
    assert phase(run) is Phase.SUCCEEDED


def test_submitting_again_keeps_what_is_there(run: Run) -> None:
    ENGINE.submit(run)
    (run.folder / "output" / "result.dcm").touch()
    assert ENGINE.submit(run) == str(run.folder)
    assert (run.folder / "output" / "result.dcm").exists()


@pytest.mark.parametrize("kind", ["folder", "link", "fifo"])
def test_only_a_plain_file_ends_a_job_and_the_operator_is_told(run: Run, kind: str) -> None:
    ENGINE.submit(run)
    done = run.folder / "output" / "job.done"
    match kind:
        case "folder":
            done.mkdir()
        case "link":
            (run.folder / "target").touch()
            done.symlink_to(run.folder / "target")
        case "fifo":
            os.mkfifo(done)
    status = ENGINE.status([run])[run.job_id]
    assert status.phase is Phase.RUNNING
    assert "not a plain file" in status.reason


def test_one_answer_for_each_run(run: Run, tmp_path: Path) -> None:
    other = Run(
        job_id=JobId("c3" * 16), job_name="x", folder=tmp_path / "gone", workflow="w", workflow_name="ct", attempt=1
    )
    assert set(ENGINE.status([run, other])) == {run.job_id, other.job_id}


def test_a_job_without_its_folder_can_never_run(run: Run) -> None:
    run.folder.rmdir()
    with pytest.raises(PermanentError, match="gone"):
        ENGINE.submit(run)


def test_an_output_that_is_a_file_is_a_matter_for_later(run: Run) -> None:
    (run.folder / "output").touch()
    with pytest.raises(TemporaryError, match="cannot be prepared"):
        ENGINE.submit(run)


def test_a_cancelled_attempt_is_waited_for_no_longer_and_the_next_one_is(run: Run) -> None:
    engine = FolderEngine()
    engine.submit(run)
    engine.cancel(run)
    again = dataclasses.replace(run, attempt=2)
    assert engine.status([run])[run.job_id].phase is Phase.FAILED
    assert engine.status([again])[run.job_id].phase is Phase.RUNNING


def test_it_has_no_log_and_is_always_healthy(run: Run) -> None:
    assert ENGINE.logs(run, 10) == ""
    assert ENGINE.probe() == Healthy()
