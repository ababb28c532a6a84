"""Jobs on their way through an engine, and out again when their time is over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, update

from hilum import states
from hilum.errors import PermanentError
from hilum.ledger.lease import Lease, claim, claim_listed, unleased
from hilum.ledger.rows import AnyRow, RowId, locked
from hilum.ledger.tables import deliveries, groups, jobs
from hilum.ledger.transition import NoSuchRowError, apply
from hilum.model import JobId

#: The reason that rows carry whose work an operator stopped; who counts what needs attention leaves them out.
CANCELLED: Final = "cancelled by an operator"


def _waits_for(owner: str, now: datetime) -> ColumnElement[bool]:
    """True for queued jobs that a gateway may hand over: nobody's, and those that it had begun with."""
    anyone = or_(jobs.c.gateway.is_(None), jobs.c.gateway == owner)
    return and_(jobs.c.state == states.Job.QUEUED, jobs.c.not_before <= now, anyone)


def queued_engines(connection: Connection, owner: str, now: datetime) -> Sequence[str]:
    """Engines that a queued job waits for."""
    ready = (_waits_for(owner, now), unleased(jobs, now))
    return connection.execute(select(jobs.c.engine).where(*ready).distinct()).scalars().all()


def claim_queued(
    connection: Connection, free: Mapping[str, int], *, owner: str, now: datetime, until: datetime
) -> Sequence[AnyRow]:
    """Lease queued jobs for submission, the oldest first, at most so many per engine.

    From then on they belong to ``owner``: what it may have begun with, nobody else begins with before it is gone.

    Args:
        free: How many jobs each engine may take now.
    """
    rows: list[AnyRow] = []
    for engine, limit in free.items():
        if limit > 0:
            ready = and_(_waits_for(owner, now), jobs.c.engine == engine)
            order: list[ColumnElement[Any]] = [jobs.c.not_before, jobs.c.created_at]
            rows += claim(connection, jobs, ready, owner=owner, now=now, until=until, limit=limit, order_by=order)
    if rows:
        connection.execute(update(jobs).where(jobs.c.id.in_([row.id for row in rows])).values(gateway=owner))
    return rows


def busy(connection: Connection, owner: str, now: datetime) -> Mapping[str, int]:
    """How many jobs a gateway has at each engine, or is handing over just now, by the engine's name."""
    states_of_work = (states.Job.RUNNING, states.Job.CANCELLING)
    rows = connection.execute(
        select(jobs.c.engine, func.count())
        .where(
            jobs.c.gateway == owner,
            or_(
                jobs.c.state.in_(states_of_work),
                and_(jobs.c.state == states.Job.QUEUED, jobs.c.lease_until > now),
            ),
        )
        .group_by(jobs.c.engine)
    )
    return {row[0]: row[1] for row in rows}


def running(connection: Connection, owner: str) -> Sequence[AnyRow]:
    """Jobs of a gateway that an engine has, whatever it says of them."""
    at_engine = jobs.c.state.in_((states.Job.RUNNING, states.Job.CANCELLING))
    return connection.execute(select(jobs).where(at_engine, jobs.c.gateway == owner).order_by(jobs.c.started_at)).all()


def claim_job(
    connection: Connection, job: JobId, state: states.Job, *, owner: str, now: datetime, until: datetime
) -> AnyRow | None:
    """Lease one job if it still is in that state and nobody has it."""
    wanted = and_(jobs.c.id == job, jobs.c.state == state)
    rows = claim(connection, jobs, wanted, owner=owner, now=now, until=until, limit=1, order_by=[jobs.c.id])
    return rows[0] if rows else None


def claim_jobs(
    connection: Connection,
    wanted: Mapping[RowId, states.Job],
    *,
    owner: str,
    now: datetime,
    until: datetime,
    limit: int,
) -> Sequence[AnyRow]:
    """Lease the first of these jobs that still are in that state and that nobody has."""
    return claim_listed(connection, jobs, dict(wanted), owner=owner, now=now, until=until, limit=limit)


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
            "gateway": None,
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
    values = {"why": CANCELLED, "finished_at": now, "remove_at": remove_at}
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
            "gateway": None,
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
    query = select(jobs.c.name, jobs.c.state, jobs.c.lease_until).where(jobs.c.id == job)
    row = connection.execute(locked(query)).one_or_none()
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
    state = connection.execute(locked(select(jobs.c.state).where(jobs.c.id == job))).scalar_one_or_none()
    if state == states.Job.COLLECTED:
        due = select(deliveries.c.id).where(deliveries.c.job_id == job, deliveries.c.state == states.Delivery.DUE)
        for delivery in connection.execute(due).scalars().all():
            event = states.DeliveryEvent.CANCEL_ASKED
            values = {"ended_at": now, "why": CANCELLED}
            apply(connection, deliveries, delivery, event, now=now, why=CANCELLED, values=values)
        return states.Job.COLLECTED
    ended: Mapping[str, Any] = {}
    if state == states.Job.QUEUED:
        ended = {"why": CANCELLED, "finished_at": now, "remove_at": remove_at}
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
    """Lease jobs that ended so long ago that their folders may go, in each state the oldest first."""
    leased: list[AnyRow] = []
    for state in _OVER:  # one by one: within a state there is an index in this order
        if len(leased) < limit:
            old = and_(jobs.c.state == state, jobs.c.remove_at <= now)
            order: list[ColumnElement[Any]] = [jobs.c.remove_at]
            room = limit - len(leased)
            leased += claim(connection, jobs, old, owner=owner, now=now, until=until, limit=room, order_by=order)
    return leased


def expired(connection: Connection, lease: Lease, *, now: datetime) -> None:
    """A job's folder is gone."""
    why = "storage.retention-days are over; its folder was removed"
    event = states.JobEvent.EXPIRED
    apply(connection, jobs, lease.id, event, now=now, fence=lease.fence, why=why, values={"remove_at": None})
