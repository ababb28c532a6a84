"""Waits for somebody else to do the work: the manual way of the specification.

A person, a script or a platform that watches the payload folders takes ``input/``, fills ``output/`` and puts
``job.done`` there. Hilum sets no time limit, and an attempt never fails here.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping, Sequence

from hilum.engine.port import Healthy, Phase, Run, Status
from hilum.errors import PermanentError, TemporaryError
from hilum.model import JobId


class FolderEngine:
    """Prepares the folder and looks for ``output/job.done``."""

    def __init__(self) -> None:
        # Kept in memory only: while a job is being cancelled the ledger says so, and cancel is called again.
        self._cancelled: set[tuple[JobId, int]] = set()

    def submit(self, run: Run) -> str:
        """Make sure that there is a folder to put results in; see ``Engine.submit``."""
        try:
            (run.folder / "output").mkdir(exist_ok=True)
        except FileNotFoundError:
            raise PermanentError(f"the job's folder {run.folder} is gone, with the input in it") from None
        except OSError as error:
            raise TemporaryError(f"the job's folder cannot be prepared: {error}") from error
        return str(run.folder)

    def status(self, runs: Sequence[Run]) -> Mapping[JobId, Status]:
        """Succeeded when ``job.done`` is there as a plain file, running until then; see ``Engine.status``."""
        return {run.job_id: self._status(run) for run in runs}

    def _status(self, run: Run) -> Status:
        if (run.job_id, run.attempt) in self._cancelled:
            return Status(phase=Phase.FAILED, reason="cancelled")
        done = run.folder / "output" / "job.done"
        try:
            mode = done.lstat().st_mode
        except FileNotFoundError:
            return Status(phase=Phase.RUNNING)
        except OSError as error:
            return Status(phase=Phase.RUNNING, reason=f"job.done cannot be looked for: {error}")
        if stat.S_ISREG(mode):
            return Status(phase=Phase.SUCCEEDED)
        return Status(phase=Phase.RUNNING, reason=f"{done} is not a plain file: remove it and put an empty file there")

    def collect(self, run: Run) -> Status:  # noqa: ARG002
        """Nothing to do: whoever wrote ``job.done`` had put the results there."""
        return Status(phase=Phase.SUCCEEDED)

    def cancel(self, run: Run) -> None:
        """Wait for it no longer. Whoever works in the folder is not known here and cannot be stopped."""
        self._cancelled.add((run.job_id, run.attempt))

    def logs(self, run: Run, tail: int) -> str:  # noqa: ARG002
        """Nothing: whoever works in the folder keeps a log elsewhere."""
        return ""

    def probe(self) -> Healthy:
        """Always healthy."""
        return Healthy()
