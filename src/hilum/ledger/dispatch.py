"""Due deliveries, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, func, or_, select, true, update

from hilum import states
from hilum.errors import PermanentError, TemporaryError
from hilum.ledger import destinations
from hilum.ledger.lease import ENDED, Lease, claim, is_tried_again, unleased
from hilum.ledger.prepared import Prepared
from hilum.ledger.rows import AnyRow, locked
from hilum.ledger.tables import IS_DUE, by_no_index, deliveries, jobs, results
from hilum.ledger.transition import NoSuchRowError, apply
from hilum.ledger.work import refuse_if_expiring
from hilum.model import DeliveryId, JobId, ResultId

#: Files that go together at most: a statement can only name so many rows, and one association should come to an end.
PARCEL: Final = 10_000
#: Rows that one transaction gives up: each writes history, and other writers wait meanwhile.
_BATCH: Final = 500
_ONE_MORE: Final = deliveries.c.attempts + 1
_BEGINS: Final = Prepared(
    update(deliveries)
    .where(
        deliveries.c.id == bindparam("row_id"),
        deliveries.c.fence == bindparam("its_fence"),
        deliveries.c.lease_until.is_not(None),
    )
    .values(begun=1)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DueFile:
    """One leased delivery with what is needed to send its file.

    Attributes:
        sha256: Of the file, hexadecimal.
        attempts: How many failed before.
    """

    lease: Lease
    id: DeliveryId
    result_id: ResultId
    path: str
    sop_class: str
    sop_instance: str
    transfer_syntax: str
    offset: int
    size: int
    sha256: str
    attempts: int
    queued_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """What goes together: due files of one job for one destination, in the order of their paths; never empty."""

    job_id: JobId
    job_name: str
    folder: str
    destination: str
    files: tuple[DueFile, ...]


def claim_parcel(
    connection: Connection,
    *,
    owner: str,
    now: datetime,
    until: datetime,
    avoid: Collection[str],
    newest_first: Callable[[str], bool] = lambda _destination: False,
) -> Parcel | None:
    """Lease due files of one job and destination, at most ``PARCEL`` of them.

    The destination is the one for which something has waited longest. A file that was on its way when the gateway
    died goes by itself, and only if no other such file is under way: it is known then which of them did it, and no
    other is blamed.

    Returns:
        ``None``: nothing is due, or another gateway was quicker.

    Args:
        avoid: Destinations that are not to be used now; those that are down or paused never are.
        newest_first: For a destination, whether it gets the newest of what was never tried instead of the oldest.
    """
    ready = and_(_ready(now, avoid), _no_second_suspect(connection, now))
    longest = select(deliveries.c.id, deliveries.c.job_id, deliveries.c.destination, deliveries.c.begun)
    foremost = deliveries.c.id.in_(_first_of_each(deliveries.c.id, ready, avoid))
    first = connection.execute(
        longest.where(foremost).order_by(deliveries.c.not_before, deliveries.c.id).limit(1)
    ).one_or_none()
    if first is None:
        return None
    if newest_first(first.destination):
        fresh = and_(ready, deliveries.c.destination == first.destination, *_NEVER_TRIED)
        order = (deliveries.c.not_before.desc(), deliveries.c.id.desc())
        first = connection.execute(longest.where(fresh).order_by(*order).limit(1)).one_or_none() or first
    # Through what the job has, not through all that is due for this destination.
    same = and_(ready, deliveries.c.job_id == first.job_id, by_no_index(deliveries.c.destination) == first.destination)
    wanted = deliveries.c.id == first.id if first.begun else and_(same, deliveries.c.begun == 0)
    leased = claim(
        connection, deliveries, wanted, owner=owner, now=now, until=until, limit=PARCEL, order_by=[deliveries.c.id]
    )
    if not leased:
        return None
    if not first.begun:
        # Only what is on its way has been begun (``begins``): a crash must not throw suspicion on a whole parcel.
        connection.execute(update(deliveries).where(deliveries.c.id.in_([row.id for row in leased])).values(begun=0))
    return _parcel(connection, leased, suspect=bool(first.begun))


#: Nothing speaks against it: neither has it failed nor was it on its way when the gateway died.
_NEVER_TRIED: Final = (deliveries.c.attempts == 0, deliveries.c.begun == 0)


def _ready(now: datetime, avoid: Collection[str]) -> ColumnElement[bool]:
    return and_(_sendable(now, avoid), deliveries.c.not_before <= now)


def _sendable(now: datetime, avoid: Collection[str]) -> ColumnElement[bool]:
    return and_(
        IS_DUE,
        unleased(deliveries, now),
        deliveries.c.destination.not_in(sorted(avoid)),
        deliveries.c.destination.not_in(destinations.not_up()),
    )


def _first_of_each(what: ColumnElement[Any], where: ColumnElement[bool], avoid: Collection[str]) -> Select[Any]:
    """A column of the first delivery to each destination that can be sent to now.

    One destination after the other, since thousands may be due for one that is down, before all others.
    """
    names = destinations.waited_for()
    there = select(what).where(where, deliveries.c.destination == names.c.name).correlate(names)
    first = there.order_by(deliveries.c.not_before, deliveries.c.id).limit(1).scalar_subquery()
    up = and_(names.c.name.not_in(sorted(avoid)), names.c.name.not_in(destinations.not_up()))
    return select(first.label("first")).where(names.c.name.is_not(None), up)


def _no_second_suspect(connection: Connection, now: datetime) -> ColumnElement[bool]:
    under_way = select(deliveries.c.id).where(is_tried_again(deliveries, now))
    alone = connection.execute(under_way.limit(1)).first() is None
    return true() if alone else deliveries.c.begun == 0


def _parcel(connection: Connection, leased: Sequence[AnyRow], *, suspect: bool) -> Parcel:
    job_id, destination = leased[0].job_id, leased[0].destination
    by_result = {row.result_id: row for row in leased}
    rows = connection.execute(
        select(results)
        .join(deliveries, deliveries.c.result_id == results.c.id)
        .where(deliveries.c.job_id == job_id, deliveries.c.destination == destination)
        .order_by(results.c.path)
    ).all()
    job = connection.execute(select(jobs.c.name, jobs.c.folder).where(jobs.c.id == job_id)).one()
    files = tuple(_due_file(row, by_result[row.id], suspect=suspect) for row in rows if row.id in by_result)
    return Parcel(job_id=job_id, job_name=job.name, folder=job.folder, destination=destination, files=files)


def _due_file(result: AnyRow, delivery: AnyRow, *, suspect: bool) -> DueFile:
    return DueFile(
        lease=Lease(id=delivery.id, fence=delivery.fence, begun=delivery.begun if suspect else 0),
        id=DeliveryId(delivery.id),
        result_id=ResultId(result.id),
        path=result.path,
        sop_class=result.sop_class,
        sop_instance=result.sop_instance,
        transfer_syntax=result.transfer_syntax,
        offset=result.offset,
        size=result.size,
        sha256=result.sha256,
        attempts=delivery.attempts,
        queued_at=delivery.queued_at,
    )


def begins(connection: Connection, lease: Lease) -> None:
    """This file is on its way now; one that was leased by itself counts as such from its claim on."""
    if lease.begun == 0:
        _BEGINS.run(connection, {"row_id": lease.id, "its_fence": lease.fence})


def give_back_all(connection: Connection, leases: Sequence[Lease], **values: Any) -> None:  # noqa: ANN401
    """End leases without an event, in one statement; those that are lost or over are left alone.

    Args:
        values: Other columns that change with them.
    """
    for part in _parts(leases):
        connection.execute(update(deliveries).where(_held(part)).values(**ENDED, **values))


def renew_all(connection: Connection, leases: Sequence[Lease], *, until: datetime) -> None:
    """Keep leases alive, in one statement."""
    for part in _parts(leases):
        connection.execute(update(deliveries).where(_held(part)).values(lease_until=until))


def _held(leases: Sequence[Lease]) -> ColumnElement[bool]:
    # Nearly all have the same fence; and thousands of pairs are more than PostgreSQL can read at once.
    by_fence: dict[int, list[Any]] = {}
    for lease in leases:
        by_fence.setdefault(lease.fence, []).append(lease.id)
    same = (and_(deliveries.c.fence == fence, deliveries.c.id.in_(ids)) for fence, ids in by_fence.items())
    return and_(or_(*same), deliveries.c.lease_until.is_not(None))


def _parts(leases: Sequence[Lease]) -> Iterator[Sequence[Lease]]:
    for start in range(0, len(leases), PARCEL):
        yield leases[start : start + PARCEL]


def next_due(connection: Connection, now: datetime, avoid: Collection[str]) -> datetime | None:
    """When the next delivery may be tried, those to destinations in ``avoid``, down or paused not counted."""
    firsts = _first_of_each(deliveries.c.not_before, _sendable(now, avoid), avoid).subquery()
    found: datetime | None = connection.execute(select(func.min(firsts.c.first))).scalar_one_or_none()
    return found


def delivered(connection: Connection, lease: Lease, *, status: int, why: str, now: datetime) -> None:
    """The peer has it: it is never sent there again."""
    values = {"status": status, "ended_at": now, "attempts": _ONE_MORE, "why": why}
    apply(
        connection,
        deliveries,
        lease.id,
        states.DeliveryEvent.ACCEPTED,
        now=now,
        fence=lease.fence,
        why=why,
        values=values,
    )


def postponed(
    connection: Connection, lease: Lease, *, status: int | None, why: str, not_before: datetime, now: datetime
) -> None:
    """This attempt failed; the next one has its time."""
    values = {"status": status, "not_before": not_before, "attempts": _ONE_MORE, "why": why}
    event = states.DeliveryEvent.FAILED_FOR_NOW
    apply(connection, deliveries, lease.id, event, now=now, fence=lease.fence, why=why, values=values)


def given_up(connection: Connection, lease: Lease, *, status: int | None, why: str, remedy: str, now: datetime) -> None:
    """It will not be tried again unless an operator asks."""
    values = {"status": status, "ended_at": now, "attempts": _ONE_MORE, "why": why}
    event = states.DeliveryEvent.FAILED_FOR_GOOD
    apply(connection, deliveries, lease.id, event, now=now, fence=lease.fence, why=why, remedy=remedy, values=values)


def give_up_overdue(
    connection: Connection, destination: str, *, queued_before: datetime, why: str, remedy: str, now: datetime
) -> bool:
    """Give up what was queued too long ago for a destination that does not answer, a batch of it.

    Returns:
        Whether there may be more.
    """
    found = select(deliveries.c.id, deliveries.c.fence).where(
        IS_DUE,
        unleased(deliveries, now),
        deliveries.c.destination == destination,
        deliveries.c.queued_at < queued_before,
    )
    rows = connection.execute(locked(found.limit(_BATCH), skip=True)).all()
    values = {"ended_at": now, "why": why}
    event = states.DeliveryEvent.FAILED_FOR_GOOD
    for row in rows:
        apply(connection, deliveries, row.id, event, now=now, fence=row.fence, why=why, remedy=remedy, values=values)
    return len(rows) == _BATCH


def ask_retry(connection: Connection, delivery: int, *, now: datetime) -> None:
    """Command of an operator: try a delivery now, whether it waits or was given up; its job is open again.

    A destination that is down is asked now, too.

    Raises:
        NoSuchRowError, IllegalTransitionError: It does not exist, or was delivered.
        TemporaryError: It is being tried: a second try beside the first would only send everything twice.
        PermanentError: The folder with its file is gone, or on its way.
    """
    query = (
        select(jobs.c.id, jobs.c.name, jobs.c.state, deliveries.c.lease_until, deliveries.c.destination)
        .join(deliveries, deliveries.c.job_id == jobs.c.id)
        .where(deliveries.c.id == delivery)
    )
    job = connection.execute(locked(query)).one_or_none()
    if job is None:
        raise NoSuchRowError(f"there is no delivery {delivery}")
    if job.lease_until is not None and job.lease_until > now:
        raise TemporaryError(f"delivery {delivery} is being tried just now; see what comes of it")
    if job.state == states.Job.REMOVED:
        raise PermanentError(f"the folder of job {job.name} was removed: there is nothing to send any more")
    refuse_if_expiring(connection, job.id)
    values = {"not_before": now, "queued_at": now, "attempts": 0, "ended_at": None}
    event = states.DeliveryEvent.RETRY_ASKED
    apply(connection, deliveries, delivery, event, now=now, why="asked by an operator", values=values)
    destinations.ask_at_once(connection, job.destination, now=now)
    if job.state == states.Job.COMPLETE:
        reopened: Mapping[str, Any] = {"completed_at": None, "remove_at": None, "not_before": now}
        apply(connection, jobs, job.id, states.JobEvent.REOPENED, now=now, values=reopened)
