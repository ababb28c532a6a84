"""Groups that become jobs, and jobs on their way through an engine."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, update

from hilum import states
from hilum.errors import PermanentError
from hilum.ledger.grouping import Fate
from hilum.ledger.tables import associations, deliveries, groups, instances, jobs
from hilum.ledger.transition import AnyRow, Lease, NoSuchRowError, apply, born, claim, note, unleased
from hilum.model import AETitle, GroupId, GroupKind, Header, InstanceId, JobId


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMember:
    """One instance of a closed group.

    Attributes:
        spool: Its file, relative to ``storage.temporary``.
    """

    id: InstanceId
    header: Header
    sop_class: str
    sop_instance: str
    transfer_syntax: str
    spool: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedGroup:
    """A group that nothing can join any more.

    Attributes:
        key: What its instances share; may be personal data.
        closed_at: Aware UTC; names of jobs are made from it, so that a repeated attempt makes the same names.
        members: In the order of arrival; each SOP Instance UID once; never empty.
        attempts: How often planning it was tried before.
    """

    id: GroupId
    ae: AETitle
    kind: GroupKind
    key: str
    calling: str
    host: str
    opened_at: datetime
    closed_at: datetime
    members: tuple[GroupMember, ...]
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job whose payload folder exists.

    Attributes:
        id: Derived from group and workflow, so that a repeated attempt makes no second one.
        destinations: Names of destinations; empty = results stay in the folder.
        tries: How many attempts it gets before it counts as failed, at least 1.
    """

    id: JobId
    name: str
    ae: str
    workflow_name: str
    workflow: str
    engine: str
    destinations: tuple[str, ...]
    folder: Path
    instances: int
    bytes: int
    tries: int


def _ready(now: datetime) -> ColumnElement[bool]:
    return and_(groups.c.state == states.Group.CLOSED, or_(groups.c.not_before.is_(None), groups.c.not_before <= now))


def anything_closed(connection: Connection, now: datetime) -> bool:
    """Whether a closed group waits for its jobs."""
    found = select(groups.c.id).where(_ready(now), unleased(groups, now))
    return bool(connection.execute(select(found.exists())).scalar())


def claim_closed(
    connection: Connection, *, owner: str, now: datetime, until: datetime, limit: int
) -> Sequence[tuple[Lease, ClosedGroup]]:
    """Lease closed groups to make their jobs, the oldest first. Counts the attempt before it begins."""
    rows = claim(
        connection, groups, _ready(now), owner=owner, now=now, until=until, limit=limit, order_by=[groups.c.closed_at]
    )
    for row in rows:
        connection.execute(update(groups).where(groups.c.id == row.id).values(attempts=groups.c.attempts + 1))
    return [(Lease(id=row.id, fence=row.fence), _closed(connection, row)) for row in rows]


def _closed(connection: Connection, row: AnyRow) -> ClosedGroup:
    members = connection.execute(
        select(instances, associations.c.folder)
        .join(associations, associations.c.id == instances.c.association_id)
        .where(instances.c.group_id == row.id, instances.c.fate == Fate.GROUPED)
        .order_by(instances.c.id)
    )
    return ClosedGroup(
        id=GroupId(row.id),
        ae=AETitle(row.ae),
        kind=GroupKind(row.kind),
        key=row.key,
        calling=row.calling,
        host=row.host,
        opened_at=row.opened_at,
        closed_at=row.closed_at,
        members=tuple(_member(member) for member in members),
        attempts=row.attempts,
    )


def _member(row: AnyRow) -> GroupMember:
    header = Header(
        sop_class=row.sop_class,
        sop_instance=row.sop_instance,
        modality=row.modality,
        patient_id=row.patient_id,
        study=row.study,
        series=row.series,
    )
    return GroupMember(
        id=InstanceId(row.id),
        header=header,
        sop_class=row.sop_class,
        sop_instance=row.sop_instance,
        transfer_syntax=row.transfer_syntax,
        spool=f"{row.folder}/{row.number}.dcm",
        size=row.size,
    )


def ask_group_retry(connection: Connection, group: GroupId, *, now: datetime) -> None:
    """Command of an operator: make the jobs of a group that was parked, or that no workflow wanted.

    Raises:
        NoSuchRowError, IllegalTransitionError: It does not exist, or has its jobs.
    """
    values = {"attempts": 0, "not_before": None, "remove_at": None, "why": ""}
    event = states.GroupEvent.RETRY_ASKED
    apply(connection, groups, group, event, now=now, why="asked by an operator", values=values)


def planned(connection: Connection, lease: Lease, made: Sequence[NewJob], *, now: datetime) -> None:
    """Record the jobs of a group, in one transaction with the group's own step."""
    apply(connection, groups, lease.id, states.GroupEvent.PLANNED, now=now, fence=lease.fence, values={"why": ""})
    for job in made:
        _insert(connection, job, states.Job.QUEUED, group=lease.id, now=now)


def not_wanted(
    connection: Connection, lease: Lease, why: str, remedy: str, *, remove_at: datetime, now: datetime
) -> None:
    """No processor makes a job of this group: it is kept, and shown, until its retention ends."""
    apply(
        connection,
        groups,
        lease.id,
        states.GroupEvent.NOT_WANTED,
        now=now,
        fence=lease.fence,
        why=why,
        remedy=remedy,
        values={"why": why, "remove_at": remove_at},
    )


def cannot_plan(connection: Connection, lease: Lease, why: str, remedy: str, *, now: datetime) -> None:
    """A processor failed for good on this group: it waits, with all its files, for an operator."""
    apply(
        connection,
        groups,
        lease.id,
        states.GroupEvent.CANNOT_PLAN,
        now=now,
        fence=lease.fence,
        why=why,
        remedy=remedy,
        values={"why": why},
    )


def adopted(connection: Connection, job: NewJob, *, now: datetime) -> None:
    """A job folder that nobody made through Hilum, with ``job.done`` in it: its results are collected next."""
    _insert(connection, job, states.Job.FINISHED, group=None, now=now, finished_at=now)


def _insert(
    connection: Connection,
    job: NewJob,
    state: states.Job,
    *,
    group: object,
    now: datetime,
    finished_at: datetime | None = None,
) -> None:
    connection.execute(
        jobs.insert(),
        {
            "id": job.id,
            "name": job.name,
            "state": state,
            "group_id": group,
            "ae": job.ae,
            "workflow_name": job.workflow_name,
            "workflow": job.workflow,
            "engine": job.engine,
            "destinations": list(job.destinations),
            "folder": str(job.folder),
            "instances": job.instances,
            "bytes": job.bytes,
            "attempt": 1,
            "last_attempt": job.tries,
            "created_at": now,
            "finished_at": finished_at,
            "not_before": now,
        },
    )
    born(connection, jobs, job.id, state, now=now, why=f"workflow {job.workflow_name}")


def known_folders(connection: Connection, names: Collection[str]) -> set[str]:
    """Which of these job names are in the ledger."""
    found: set[str] = set()
    pending = list(names)
    while pending:
        chunk, pending = pending[:500], pending[500:]
        found |= set(connection.execute(select(jobs.c.name).where(jobs.c.name.in_(chunk))).scalars())
    return found


def jobs_in_the_making(connection: Connection) -> bool:
    """Whether there is a group whose jobs are not in the ledger yet: their folders may be there already."""
    unplanned = groups.c.state.in_([states.Group.CLOSED, states.Group.PARKED])
    return connection.execute(select(groups.c.id).where(unplanned).limit(1)).first() is not None


def queued_engines(connection: Connection, now: datetime) -> Sequence[str]:
    """Engines that a queued job waits for."""
    ready = (jobs.c.state == states.Job.QUEUED, jobs.c.not_before <= now, unleased(jobs, now))
    return connection.execute(select(jobs.c.engine).where(*ready).distinct()).scalars().all()


def claim_queued(
    connection: Connection, free: Mapping[str, int], *, owner: str, now: datetime, until: datetime
) -> Sequence[AnyRow]:
    """Lease queued jobs for submission, the oldest first, at most so many per engine.

    The submission is counted here, before it begins, so that a job that crashes the gateway is seen to do so.

    Args:
        free: How many jobs each engine may take now.
    """
    rows: list[AnyRow] = []
    for engine, limit in free.items():
        if limit > 0:
            ready = and_(jobs.c.state == states.Job.QUEUED, jobs.c.engine == engine, jobs.c.not_before <= now)
            order: list[ColumnElement[Any]] = [jobs.c.not_before, jobs.c.created_at]
            rows += claim(connection, jobs, ready, owner=owner, now=now, until=until, limit=limit, order_by=order)
    for row in rows:
        connection.execute(update(jobs).where(jobs.c.id == row.id).values(submissions=jobs.c.submissions + 1))
    return rows


def busy(connection: Connection, now: datetime) -> Mapping[str, int]:
    """How many jobs each engine is running or being handed, by its name."""
    states_of_work = (states.Job.RUNNING, states.Job.CANCELLING)
    rows = connection.execute(
        select(jobs.c.engine, func.count())
        .where(
            or_(
                jobs.c.state.in_(states_of_work),
                and_(jobs.c.state == states.Job.QUEUED, jobs.c.lease_until > now),
            )
        )
        .group_by(jobs.c.engine)
    )
    return {row[0]: row[1] for row in rows}


def running(connection: Connection) -> Sequence[AnyRow]:
    """Jobs that an engine has, whatever it says of them."""
    return connection.execute(
        select(jobs).where(jobs.c.state.in_((states.Job.RUNNING, states.Job.CANCELLING))).order_by(jobs.c.started_at)
    ).all()


def claim_job(
    connection: Connection, job: JobId, state: states.Job, *, owner: str, now: datetime, until: datetime
) -> AnyRow | None:
    """Lease one job if it still is in that state and nobody has it."""
    wanted = and_(jobs.c.id == job, jobs.c.state == state)
    rows = claim(connection, jobs, wanted, owner=owner, now=now, until=until, limit=1, order_by=[jobs.c.id])
    return rows[0] if rows else None


def claim_in_state(
    connection: Connection, state: states.Job, *, owner: str, now: datetime, until: datetime, limit: int
) -> Sequence[AnyRow]:
    """Lease jobs in a state whose time has come, the longest waiting first."""
    ready = and_(jobs.c.state == state, jobs.c.not_before <= now)
    order: list[ColumnElement[Any]] = [jobs.c.not_before]
    return claim(connection, jobs, ready, owner=owner, now=now, until=until, limit=limit, order_by=order)


def next_in_state(connection: Connection, state: states.Job, now: datetime) -> datetime | None:
    """When the next job in a state that nobody works on is due; ``None``: there is none."""
    found: datetime | None = connection.execute(
        select(func.min(jobs.c.not_before)).where(jobs.c.state == state, unleased(jobs, now))
    ).scalar_one_or_none()
    return found


def started(connection: Connection, lease: Lease, *, now: datetime) -> None:
    """The engine has taken the job."""
    apply(
        connection,
        jobs,
        lease.id,
        states.JobEvent.STARTED,
        now=now,
        fence=lease.fence,
        values={"started_at": now, "submissions": 0, "why": ""},
    )


def succeeded(connection: Connection, lease: Lease, *, now: datetime) -> None:
    """``job.done`` is there."""
    values = {"finished_at": now, "not_before": now, "why": ""}
    apply(connection, jobs, lease.id, states.JobEvent.SUCCEEDED, now=now, fence=lease.fence, values=values)


def attempt_failed(connection: Connection, lease: Lease, why: str, *, not_before: datetime, now: datetime) -> None:
    """This attempt failed and another one is due."""
    apply(
        connection,
        jobs,
        lease.id,
        states.JobEvent.ATTEMPT_FAILED,
        now=now,
        fence=lease.fence,
        why=why,
        values={
            "why": why,
            "attempt": jobs.c.attempt + 1,
            "submissions": 0,
            "not_before": not_before,
        },
    )


def failed(connection: Connection, lease: Lease, why: str, remedy: str, *, remove_at: datetime, now: datetime) -> None:
    """The last attempt failed."""
    apply(
        connection,
        jobs,
        lease.id,
        states.JobEvent.FAILED,
        now=now,
        fence=lease.fence,
        why=why,
        remedy=remedy,
        values={"why": why, "finished_at": now, "remove_at": remove_at},
    )


def cancelled(connection: Connection, lease: Lease, *, remove_at: datetime, now: datetime) -> None:
    """The engine has stopped the job."""
    values = {"why": "cancelled by an operator", "finished_at": now, "remove_at": remove_at}
    apply(connection, jobs, lease.id, states.JobEvent.CANCELLED, now=now, fence=lease.fence, values=values)


def find(connection: Connection, job: str) -> AnyRow:
    """A job by its id, its name, or the beginning of either if that is unambiguous.

    Raises:
        NoSuchRowError: None, or more than one.
    """
    exact = connection.execute(select(jobs).where(or_(jobs.c.id == job, jobs.c.name == job))).all()
    found = (
        exact
        or connection.execute(
            select(jobs)
            .where(or_(jobs.c.id.startswith(job, autoescape=True), jobs.c.name.startswith(job, autoescape=True)))
            .order_by(jobs.c.created_at.desc())
            .limit(3)
        ).all()
    )
    if len(found) > 1:
        raise NoSuchRowError(f"{job!r} is the beginning of more than one job: {', '.join(row.name for row in found)}")
    if not found:
        raise NoSuchRowError(f"there is no job {job!r}; `hilum jobs` lists them")
    return found[0]


def ask_retry(connection: Connection, job: JobId, *, tries: int, now: datetime) -> None:
    """Command of an operator: run a failed or cancelled job again.

    Raises:
        NoSuchRowError, IllegalTransitionError: It does not exist, or has not ended that way.
        PermanentError: Its folder is being removed.
    """
    refuse_if_expiring(connection, job)
    # An attempt's number is part of its key at the engine, so no number is ever used twice.
    apply(
        connection,
        jobs,
        job,
        states.JobEvent.RETRY_ASKED,
        now=now,
        why="asked by an operator",
        values={
            "attempt": jobs.c.attempt + 1,
            "last_attempt": jobs.c.attempt + tries,
            "submissions": 0,
            "not_before": now,
            "finished_at": None,
            "remove_at": None,
            "why": "",
        },
    )


def refuse_if_expiring(connection: Connection, job: JobId) -> None:
    """A job that ended is only ever leased to be removed: from then on there is nothing to go on with.

    Raises:
        PermanentError: Its folder is being removed, or half of it is gone.
    """
    row = connection.execute(
        select(jobs.c.name, jobs.c.state, jobs.c.lease_until).where(jobs.c.id == job)
    ).one_or_none()
    if row is not None and row.state in _OVER and row.lease_until is not None:
        raise PermanentError(f"the folder of job {row.name} is being removed: storage.retention-days are over")


def ask_cancel(connection: Connection, job: JobId, *, now: datetime, remove_at: datetime | None = None) -> states.Job:
    """Command of an operator: stop a queued or running job; or, of a finished one, the deliveries still due.

    Args:
        remove_at: When the folder of a job that was queued may go; ``None`` = it is kept until somebody removes it.

    Returns:
        The state it has now; ``CANCELLING`` until the engine has stopped it.

    Raises:
        NoSuchRowError, IllegalTransitionError: It does not exist, or there is nothing left to cancel.
    """
    state = connection.execute(select(jobs.c.state).where(jobs.c.id == job)).scalar_one_or_none()
    if state == states.Job.COLLECTED:
        due = select(deliveries.c.id).where(deliveries.c.job_id == job, deliveries.c.state == states.Delivery.DUE)
        for delivery in connection.execute(due).scalars().all():
            event = states.DeliveryEvent.CANCEL_ASKED
            values = {"ended_at": now, "why": "cancelled by an operator"}
            apply(connection, deliveries, delivery, event, now=now, why="cancelled by an operator", values=values)
        return states.Job.COLLECTED
    ended: Mapping[str, Any] = {}
    if state == states.Job.QUEUED:
        ended = {"why": "cancelled by an operator", "finished_at": now, "remove_at": remove_at}
    asked = states.JobEvent.CANCEL_ASKED
    return states.Job(apply(connection, jobs, job, asked, now=now, why="asked by an operator", values=ended))


_OVER = (states.Job.COMPLETE, states.Job.FAILED, states.Job.CANCELLED)


def anything_expired(connection: Connection, now: datetime) -> bool:
    """Whether there is a job or a stored-only group whose retention is over."""
    old_jobs = select(jobs.c.id).where(jobs.c.state.in_(_OVER), jobs.c.remove_at <= now, unleased(jobs, now))
    old_groups = select(groups.c.id).where(groups.c.state == states.Group.STORED_ONLY, groups.c.remove_at <= now)
    return bool(connection.execute(select(or_(old_jobs.exists(), old_groups.exists()))).scalar())


def claim_expired(
    connection: Connection, *, owner: str, now: datetime, until: datetime, limit: int
) -> Sequence[AnyRow]:
    """Lease jobs that ended so long ago that their folders may go."""
    old = and_(jobs.c.state.in_(_OVER), jobs.c.remove_at <= now)
    return claim(connection, jobs, old, owner=owner, now=now, until=until, limit=limit, order_by=[jobs.c.remove_at])


def expired(connection: Connection, lease: Lease, *, now: datetime) -> None:
    """A job's folder is gone."""
    why = "storage.retention-days are over; its folder was removed"
    event = states.JobEvent.EXPIRED
    apply(connection, jobs, lease.id, event, now=now, fence=lease.fence, why=why, values={"remove_at": None})


def expire_groups(connection: Connection, now: datetime, limit: int) -> Sequence[GroupId]:
    """Let go of groups that no workflow wanted; their spool folders are swept afterwards."""
    rows = connection.execute(
        select(groups.c.id).where(groups.c.state == states.Group.STORED_ONLY, groups.c.remove_at <= now).limit(limit)
    )
    expired = [GroupId(row.id) for row in rows]
    for group in expired:
        why = "storage.retention-days are over; its files are removed"
        apply(connection, groups, group, states.GroupEvent.EXPIRED, now=now, why=why, values={"remove_at": None})
    return expired


def note_folder(connection: Connection, folder: str, event: str, *, why: str, remedy: str, now: datetime) -> None:
    """A line of history on a job folder that is not in the ledger."""
    note(connection, "folder", folder, event, now=now, why=why, remedy=remedy)
