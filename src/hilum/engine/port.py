"""What Hilum asks of whatever runs jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from hilum.errors import TemporaryError
from hilum.model import JobId


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One attempt at one job.

    Attributes:
        job_id: With ``attempt`` the idempotency key.
        job_name: For people, and for platforms that want names; valid as a Kubernetes name.
        folder: The job's folder, absolute, with ``input/`` and ``output/`` in it.
        workflow: The workflow's id, as in ``job.meta``.
        workflow_name: Its name in ``app.yaml``.
        attempt: From 1; only ever grows over the life of a job, also when it is retried by hand.
    """

    job_id: JobId
    job_name: str
    folder: Path
    workflow: str
    workflow_name: str
    attempt: int


class Phase(StrEnum):
    """How far an attempt is."""

    PENDING = "pending"  # nothing of it runs yet
    RUNNING = "running"
    SUCCEEDED = "succeeded"  # its results can be collected
    FAILED = "failed"  # it ended otherwise, or was cancelled
    LOST = "lost"  # it had started, does not run any more, and nobody knows how it ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What an engine knows about one attempt.

    Attributes:
        reason: One sentence for the operator; empty when the phase says it all.
        exit_code: Of the command, where there is one and it ended by itself.
    """

    phase: Phase
    reason: str = ""
    exit_code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Healthy:
    """The engine can take jobs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unhealthy:
    """The engine cannot take jobs.

    Attributes:
        why: What was found and what to do about it, for the operator.
    """

    why: str


class UnwellError(TemporaryError):
    """The engine as a whole cannot do it now: it would not fare better with another job."""


class Engine(Protocol):
    """Runs jobs. Callable from any thread; no call waits for a job."""

    def submit(self, run: Run) -> str:
        """Have the attempt run; idempotent, so to be repeated after a crash and when it stays pending.

        Returns:
            What the engine calls the attempt, for people.

        Raises:
            TemporaryError: Not now.
            PermanentError: This attempt can never run here.
        """

    def status(self, runs: Sequence[Run]) -> Mapping[JobId, Status]:
        """How far each of the attempts is; an answer for every one of them, at most one attempt per job.

        Raises:
            TemporaryError: The engine cannot be asked just now.
        """

    def collect(self, run: Run) -> Status:
        """Bring what an attempt that succeeded has left into ``output/``, with ``job.done``, durably; idempotent.

        Returns:
            Succeeded; or why its results cannot be had.

        Raises:
            TemporaryError: Not now.
        """

    def cancel(self, run: Run) -> None:
        """Have the attempt end; idempotent. An attempt that was never submitted will not start any more.

        Returns before the end: ask for the status, which becomes failed (or succeeded, if that came first).

        Raises:
            TemporaryError: Not now.
        """

    def logs(self, run: Run, tail: int) -> str:
        """The last ``tail`` lines that the attempt wrote, safe to print on a terminal; empty when there are none."""

    def probe(self) -> Healthy | Unhealthy:
        """Whether the engine could take a job now."""
