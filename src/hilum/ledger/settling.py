"""Jobs whose deliveries have all ended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, select

from hilum import states
from hilum.ledger.lease import Lease, claim, give_back, unleased
from hilum.ledger.rows import AnyRow, locked
from hilum.ledger.tables import deliveries, jobs, results
from hilum.ledger.transition import apply
from hilum.model import JobId


def _all_ended(now: datetime) -> ColumnElement[bool]:
    due = select(deliveries.c.id).where(deliveries.c.job_id == jobs.c.id, deliveries.c.state == states.Delivery.DUE)
    return and_(jobs.c.state == states.Job.COLLECTED, jobs.c.not_before <= now, ~due.exists())


def anything_settled(connection: Connection, now: datetime) -> bool:
    """Whether a job waits for its receipt."""
    found = select(jobs.c.id).where(_all_ended(now), unleased(jobs, now))
    return bool(connection.execute(select(found.exists())).scalar())


def claim_settled(
    connection: Connection, *, owner: str, now: datetime, until: datetime, limit: int
) -> Sequence[AnyRow]:
    """Lease jobs whose deliveries have all ended, to write their receipts."""
    order: list[ColumnElement[Any]] = [jobs.c.not_before]
    return claim(connection, jobs, _all_ended(now), owner=owner, now=now, until=until, limit=limit, order_by=order)


def receipt_rows(connection: Connection, job: JobId) -> Sequence[AnyRow]:
    """Results of a job, each with its deliveries (none: ``destination`` is NULL), by path and destination."""
    return connection.execute(
        select(
            results.c.path,
            results.c.sop_class,
            results.c.sop_instance,
            results.c.transfer_syntax,
            results.c.size,
            results.c.sha256,
            deliveries.c.id.label("delivery_id"),
            deliveries.c.destination,
            deliveries.c.state,
            deliveries.c.status,
            deliveries.c.attempts,
            deliveries.c.queued_at,
            deliveries.c.ended_at,
            deliveries.c.why,
        )
        .join_from(results, deliveries, deliveries.c.result_id == results.c.id, isouter=True)
        .where(results.c.job_id == job)
        .order_by(results.c.path, deliveries.c.destination)
    ).all()


def settled(connection: Connection, lease: Lease, *, remove_at: datetime, now: datetime) -> None:
    """The receipt is written; unless an operator wanted a delivery again meanwhile: then it is not the last one."""
    # First the job: who makes one of its deliveries due again waits for this, or this for him.
    connection.execute(locked(select(jobs.c.id).where(jobs.c.id == lease.id)))
    due = select(deliveries.c.id).where(deliveries.c.job_id == lease.id, deliveries.c.state == states.Delivery.DUE)
    if connection.execute(due.limit(1)).first() is not None:
        give_back(connection, jobs, lease)
        return
    values = {"completed_at": now, "remove_at": remove_at, "why": ""}
    apply(connection, jobs, lease.id, states.JobEvent.SETTLED, now=now, fence=lease.fence, values=values)
