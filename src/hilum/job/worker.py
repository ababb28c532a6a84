"""Makes the jobs of closed groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, assert_never

from structlog.contextvars import bind_contextvars

from hilum.errors import PermanentError, TemporaryError
from hilum.job import inspection, payload, policy
from hilum.job.processors import Processor
from hilum.ledger import planning
from hilum.ledger.database import Database
from hilum.ledger.lease import Lease, PoisonError, give_back, renew
from hilum.ledger.tables import groups
from hilum.model import AETitle


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSettings:
    """What the present configuration says about making jobs.

    Attributes:
        processors: Of each AE, by its title, in their order.
        tries: Attempts of a job, by the name of its engine.
        keep: How long a group that no workflow wants is kept.
    """

    processors: Mapping[str, Sequence[Processor]]
    workflows: Sequence[policy.Workflow]
    tries: Mapping[str, int]
    spool: Path
    payloads: Path
    keep: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """The jobs of a group; their folders exist."""

    jobs: tuple[planning.NewJob, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Damaged:
    """Files of the group are not what was received; they are in quarantine, and no job was made."""

    members: tuple[planning.DamagedMember, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotWanted:
    """No processor made a job of the group."""

    why: str
    remedy: str


Claimed = tuple[Lease, planning.ClosedGroup]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanStep:
    """Closed groups in, queued jobs out."""

    database: Database
    owner: str
    settings: Callable[[], PlanSettings]
    name: ClassVar[str] = "job"
    concurrency: ClassVar[int] = 2

    def claim(self, now: datetime, until: datetime, limit: int) -> Sequence[Claimed]:
        """Closed groups whose time has come."""
        with self.database.read() as connection:
            if not planning.anything_closed(connection, now):
                return ()
        with self.database.write() as connection:
            return planning.claim_closed(connection, owner=self.owner, now=now, until=until, limit=limit)

    def act(self, claimed: Claimed) -> Made | NotWanted | Damaged:
        """Ask the processors and build the folders. Idempotent by group: names and ids come out the same."""
        lease, group = claimed
        bind_contextvars(group=str(lease.id))
        lease.refuse_poison("making its jobs")
        settings = self.settings()
        processors = settings.processors.get(group.ae)
        if processors is None:
            return NotWanted(
                why=f"AE title {group.ae} is not in the configuration any more",
                remedy="add it again, then: hilum retry " + _name(group),
            )
        if not group.members:
            return NotWanted(
                why="none of its instances is left: their files were damaged",
                remedy="have the study sent again; the damaged files are in quarantine",
            )
        plans = [plan for processor in processors for plan in processor.plan(group, settings.workflows)]
        if not plans:
            return NotWanted(
                why=f"no workflow for AE title {group.ae}: stored only",
                remedy="add an entry to workflows, then: hilum retry " + _name(group),
            )
        _check_labels(plans)
        damaged = inspection.quarantine_damaged(group.members, settings.spool)
        if damaged:
            return Damaged(members=damaged)
        return Made(jobs=tuple(_make(group, plan, settings) for plan in plans))

    def record(self, claimed: Claimed, outcome: Made | NotWanted | Damaged, now: datetime) -> None:
        """The group's step and its jobs, in one transaction."""
        lease, group = claimed
        with self.database.write() as connection:
            match outcome:
                case Made():
                    planning.planned(connection, lease, outcome.jobs, now=now)
                case NotWanted():
                    until = now + self.settings().keep
                    planning.not_wanted(connection, lease, outcome.why, outcome.remedy, remove_at=until, now=now)
                case Damaged(members=members):
                    why = f"{len(members)} of its {len(group.members)} instances were damaged on disk: in quarantine"
                    remedy = "have the study sent again; or, to go on without them: hilum retry " + _name(group)
                    planning.damaged(connection, lease, members, why, remedy, now=now)
                case never:
                    assert_never(never)

    def failed(self, claimed: Claimed, error: Exception, now: datetime) -> None:
        """Later again; after the third time an operator must look, unless the world is merely unwell."""
        lease, group = claimed
        attempts = 0 if isinstance(error, TemporaryError) else group.attempts + 1
        wait = policy.planning_retry(attempts) if attempts else timedelta(seconds=30)
        if isinstance(error, TemporaryError):
            wait = error.retry_after or wait
        values: dict[str, Any] = {"why": str(error), "attempts": attempts}
        with self.database.write() as connection:
            if wait is None or isinstance(error, PoisonError):
                failed = f"making its jobs failed {policy.MAX_ATTEMPTS} times: {type(error).__name__}: {error}"
                why = str(error) if isinstance(error, PoisonError) else failed
                remedy = "mend the cause, then: hilum retry " + _name(group)
                planning.cannot_plan(connection, lease, why, remedy, now=now)
            else:
                give_back(connection, groups, lease, values=values | {"not_before": now + wait})

    def renew(self, works: Sequence[Claimed], until: datetime) -> None:
        """Copying across file systems can take long."""
        with self.database.note() as connection:
            renew(connection, groups, [lease for lease, _ in works], until=until)

    def next_due(self, now: datetime) -> datetime | None:  # noqa: ARG002
        """Groups that wait after a failure are rare: the poll finds them."""
        return None


def _name(group: planning.ClosedGroup) -> str:
    return f"group:{group.id}"


def _check_labels(plans: Sequence[policy.JobPlan]) -> None:
    for label, count in Counter(plan.label for plan in plans).items():
        if count > 1:
            raise PermanentError(
                f"its processors made {count} jobs with the label {label!r}, which must tell its jobs apart; "
                "is the same processor named twice in processors?"
            )


def _make(group: planning.ClosedGroup, plan: policy.JobPlan, settings: PlanSettings) -> planning.NewJob:
    job = policy.job_id(group.id, group.closed_at, plan.label)
    name = policy.job_name(AETitle(group.ae), plan.workflow_name, group.closed_at, job)
    chosen = [member for member in group.members if plan.instances is None or member.id in plan.instances]
    folder, size = payload.build(
        settings.payloads,
        name,
        workflow=plan.workflow,
        description=_description(group, plan, job, name, chosen),
        inputs=[payload.Input(spool=settings.spool / one.spool, sop_instance=one.sop_instance) for one in chosen],
    )
    return planning.NewJob(
        id=job,
        name=name,
        ae=group.ae,
        workflow_name=plan.workflow_name,
        workflow=plan.workflow,
        engine=plan.engine,
        destinations=plan.destinations,
        folder=folder,
        instances=len(chosen),
        bytes=size,
        tries=settings.tries.get(plan.engine, 1),
    )


def _description(
    group: planning.ClosedGroup, plan: policy.JobPlan, job: str, name: str, chosen: Sequence[planning.GroupMember]
) -> dict[str, Any]:
    return {
        "job": job,
        "name": name,
        "workflow": plan.workflow,
        "workflow-name": plan.workflow_name,
        "called-ae-title": group.ae,
        "calling-ae-title": group.calling,
        "source-address": group.host,
        "grouped-by": group.kind.value,
        "instances": len(chosen),
        "bytes": sum(one.size for one in chosen),
        "first-received": group.opened_at.isoformat(),
        "closed": group.closed_at.isoformat(),
        "destinations": list(plan.destinations),
    }
