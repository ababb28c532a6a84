"""Groups that become jobs, and job folders that are taken on."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, or_, select, update

from hilum import states
from hilum.ledger.grouping import Fate, header_of
from hilum.ledger.lease import Lease, claim, lease_of, unleased
from hilum.ledger.rows import AnyRow, chunks, locked
from hilum.ledger.tables import IS_GROUPED, associations, groups, instances, jobs
from hilum.ledger.transition import apply, born, note
from hilum.model import AETitle, GroupId, GroupKind, Header, InstanceId, JobId


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMember:
    """One instance of a closed group.

    Attributes:
        spool: Its file, relative to ``storage.temporary``.
        digest: Of its data set as it came in: see ``hilum.store.digest``; empty if it is not known.
    """

    id: InstanceId
    header: Header
    sop_class: str
    sop_instance: str
    transfer_syntax: str
    spool: str
    size: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedGroup:
    """A group that nothing can join any more.

    Attributes:
        key: What its instances share; may be personal data.
        closed_at: Aware UTC; names of jobs are made from it, so that a repeated attempt makes the same names.
        members: In the order of arrival; each SOP Instance UID once; empty only if all were damaged.
        attempts: How often planning it failed.
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
    """Lease closed groups to make their jobs, the oldest first."""
    rows = claim(
        connection, groups, _ready(now), owner=owner, now=now, until=until, limit=limit, order_by=[groups.c.closed_at]
    )
    return [(lease_of(row), _closed(connection, row)) for row in rows]


#: Nothing else: a claim reads all members of its groups while nobody else can write.
_OF_MEMBERS: Final = (
    instances.c.id,
    instances.c.number,
    instances.c.sop_class,
    instances.c.sop_instance,
    instances.c.transfer_syntax,
    instances.c.modality,
    instances.c.patient_id,
    instances.c.study,
    instances.c.series,
    instances.c.size,
    instances.c.digest,
    associations.c.folder,
)


def _closed(connection: Connection, row: AnyRow) -> ClosedGroup:
    members = connection.execute(
        select(*_OF_MEMBERS)
        .join(associations, associations.c.id == instances.c.association_id)
        .where(instances.c.group_id == row.id, IS_GROUPED)
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
    return GroupMember(
        id=InstanceId(row.id),
        header=header_of(row),
        sop_class=row.sop_class,
        sop_instance=row.sop_instance,
        transfer_syntax=row.transfer_syntax,
        spool=f"{row.folder}/{row.number}.dcm",
        size=row.size,
        digest=row.digest,
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


@dataclass(frozen=True, slots=True, kw_only=True)
class DamagedMember:
    """An instance whose file is not what was received.

    Attributes:
        kept: Where the file is now.
    """

    member: GroupMember
    why: str
    kept: Path


def damaged(
    connection: Connection, lease: Lease, found: Sequence[DamagedMember], why: str, remedy: str, *, now: datetime
) -> None:
    """Take damaged instances out of a group, which waits for an operator: its jobs would get less than was sent."""
    for chunk in chunks([one.member.id for one in found]):
        connection.execute(update(instances).where(instances.c.id.in_(chunk)).values(fate=Fate.DAMAGED))
    for one in found:
        note(
            connection,
            "instance",
            one.member.sop_instance,
            "quarantined",
            now=now,
            why=f"damaged on disk: {one.why}",
            remedy=f"send the study again; the damaged file is kept as {one.kept}",
        )
    left = {
        "instances": groups.c.instances - len(found),
        "bytes": groups.c.bytes - sum(one.member.size for one in found),
    }
    connection.execute(update(groups).where(groups.c.id == lease.id).values(**left))
    cannot_plan(connection, lease, why, remedy, now=now)


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
    row = {
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
    }
    connection.execute(jobs.insert(), row)
    born(connection, jobs, job.id, row, now=now, why=f"workflow {job.workflow_name}")


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


def expire_groups(connection: Connection, now: datetime, limit: int) -> Sequence[GroupId]:
    """Let go of groups that no workflow wanted; their spool folders are swept afterwards."""
    over = (groups.c.state == states.Group.STORED_ONLY, groups.c.remove_at <= now)
    rows = connection.execute(locked(select(groups.c.id).where(*over).limit(limit), skip=True))
    expired = [GroupId(row.id) for row in rows]
    for group in expired:
        why = "storage.retention-days are over; its files are removed"
        apply(connection, groups, group, states.GroupEvent.EXPIRED, now=now, why=why, values={"remove_at": None})
    return expired


def note_folder(connection: Connection, folder: str, event: str, *, why: str, remedy: str, now: datetime) -> None:
    """A line of history on a job folder that is not in the ledger."""
    note(connection, "folder", folder, event, now=now, why=why, remedy=remedy)
