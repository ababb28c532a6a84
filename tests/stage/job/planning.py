"""What the step that makes jobs needs to know, and a way through it without its loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from hilum.job import policy
from hilum.job.processors import JobProcessor, Processor
from hilum.job.worker import PlanSettings, PlanStep
from stage.ledger.reception_desk import Reception

LEASE = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class Workflow:
    """An entry of ``workflows``."""

    name: str = "lung"
    clara_ae_title: str = "SCP"
    workflow: str = "0fcdcdea-89c6"
    engine: str = "folder"
    destinations: tuple[str, ...] = ("PACS",)


@dataclass
class Planning:
    """A step with settings that may be changed between its works."""

    desk: Reception
    payloads: Path
    workflows: Sequence[Workflow] = (Workflow(),)
    processors: dict[str, Sequence[Processor]] = field(default_factory=lambda: {"SCP": [JobProcessor()]})
    tries: dict[str, int] = field(default_factory=dict)
    keep: timedelta = timedelta(days=30)

    def __post_init__(self) -> None:
        self.payloads.mkdir(exist_ok=True)
        self.step = PlanStep(database=self.desk.database, owner="gateway", settings=self.settings)

    def settings(self) -> PlanSettings:
        assert self.desk.spool is not None
        return PlanSettings(
            processors=self.processors,
            workflows=self.workflows,
            tries=self.tries,
            spool=self.desk.spool,
            payloads=self.payloads,
            keep=self.keep,
        )

    def run(self) -> list[Exception]:
        """One turn of the loop; what failed."""
        clock, failed = self.desk.clock, []
        for claimed in self.step.claim(clock(), clock() + LEASE, 10):
            try:
                self.step.record(claimed, self.step.act(claimed), clock())
            except Exception as error:  # noqa: BLE001  as the loop does
                self.step.failed(claimed, error, clock())
                failed.append(error)
        return failed

    def folders(self) -> list[Path]:
        return sorted(self.payloads.iterdir())


class Broken:
    """A processor that raises as long as it has something to raise."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    def plan(self, group: policy.Group, workflows: Sequence[policy.Workflow]) -> Sequence[policy.JobPlan]:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return policy.plan(group, workflows)
