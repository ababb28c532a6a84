"""An engine in memory that does what a test tells it, and a ledger with jobs for it."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from hilum.engine.port import Engine, Healthy, Phase, Run, Status
from hilum.engine.worker import EngineSettings, SubmitStep, WatchStep
from hilum.ledger.rows import AnyRow
from hilum.model import JobId
from stage.job.planning import LEASE, Planning, Workflow

SECOND = timedelta(seconds=1)


class ToldEngine:
    """Runs what it gets until it is told how that ended."""

    def __init__(self) -> None:
        self.submitted: list[Run] = []
        self.cancelled: list[Run] = []
        self.collected: list[Run] = []
        self.asked = 0
        self.phases: dict[JobId, Status] = {}
        self.errors: list[Exception] = []
        self.unreachable: Exception | None = None

    def submit(self, run: Run) -> str:
        self.submitted.append(run)
        if self.errors:
            raise self.errors.pop(0)
        self.phases.setdefault(run.job_id, Status(phase=Phase.RUNNING))
        return f"told-{run.job_id}"

    def status(self, runs: Sequence[Run]) -> Mapping[JobId, Status]:
        self.asked += 1
        if self.unreachable:
            raise self.unreachable
        return {run.job_id: self.phases.get(run.job_id, Status(phase=Phase.LOST)) for run in runs}

    def collect(self, run: Run) -> Status:
        self.collected.append(run)
        return self.phases[run.job_id]

    def cancel(self, run: Run) -> None:
        self.cancelled.append(run)

    def logs(self, run: Run, tail: int) -> str:  # noqa: ARG002
        return ""

    def probe(self) -> Healthy:
        return Healthy()

    def end(self, job: str, phase: Phase, reason: str = "") -> None:
        self.phases[JobId(job)] = Status(phase=phase, reason=reason)


class HangingEngine(ToldEngine):
    """Does not answer a question before it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def status(self, runs: Sequence[Run]) -> Mapping[JobId, Status]:
        self.asked += 1
        self.go.wait()
        self.asked -= 1
        return super().status(runs)


@dataclass
class Work:
    """Both steps that deal with engines."""

    planning: Planning
    engines: dict[str, Engine] = field(default_factory=dict)
    max_jobs: dict[str, int] = field(default_factory=dict)
    watch_every: dict[str, timedelta] = field(default_factory=dict)
    keep_failed: timedelta = timedelta(days=30)

    def __post_init__(self) -> None:
        self.desk = self.planning.desk
        self.clock = self.desk.clock
        self.submit = SubmitStep(database=self.desk.database, owner="gateway", settings=self.settings)
        self.watch = WatchStep(database=self.desk.database, owner="gateway", settings=self.settings, patience=60)

    def settings(self) -> EngineSettings:
        return EngineSettings(
            engines=self.engines,
            max_jobs=self.max_jobs,
            watch_every=self.watch_every,
            keep_failed=self.keep_failed,
        )

    def queue(self, *engines: str, tries: int = 1) -> list[AnyRow]:
        """One queued job for each of these engines; the rows of all jobs, oldest first."""
        for engine in engines:
            self.planning.workflows = [Workflow(engine=engine)]
            self.planning.tries = {engine: tries}
            self.desk.send("1.1")
            self.planning.run()
            self.clock.forward(1)
        return self.jobs()

    def jobs(self) -> list[AnyRow]:
        return sorted(self.desk.rows("jobs"), key=lambda row: row.created_at)

    def run_submit(self, limit: int = 100) -> list[Exception]:
        """One turn of the loop; what failed."""
        return self._run(self.submit, limit)

    def run_watch(self, limit: int = 100) -> list[Exception]:
        """One turn of the loop, after the next look is due; what failed."""
        self.clock.forward(1)
        return self._run(self.watch, limit)

    def _run(self, step: SubmitStep | WatchStep, limit: int) -> list[Exception]:
        failed = []
        for claimed in step.claim(self.clock(), self.clock() + LEASE, limit):
            try:
                step.record(claimed, step.act(claimed), self.clock())  # type: ignore[arg-type,func-returns-value]
            except Exception as error:  # noqa: BLE001  as the loop does
                step.failed(claimed, error, self.clock())
                failed.append(error)
        return failed
