"""How much goes on: what has come in and gone out lately, and what has waited longest. For people, as ``views``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, func, select

from hilum import states
from hilum.ledger import tables
from hilum.ledger.tables import associations, deliveries, groups, jobs


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What one association has brought, so far.

    Attributes:
        until: When it ended, or now.
        bytes: Of the data sets.
    """

    since: datetime
    until: datetime
    instances: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Minute:
    """What came in during one minute.

    Attributes:
        at: Its beginning.
        instances: An association that lasted longer counts in each minute by its share.
        bytes: Of them.
    """

    at: datetime
    instances: float
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What waits for a step.

    Attributes:
        queue: closed groups, or jobs or deliveries in a state.
        count: How many.
        oldest: Since when the first of them waits; ``None``: nothing waits.
    """

    queue: str
    count: int
    oldest: datetime | None


_MINUTE: Final = timedelta(minutes=1)


def arrivals(connection: Connection, *, since: datetime) -> Sequence[Arrival]:
    """Associations that ended at this time or later."""
    query = select(associations).where(associations.c.ended_at >= since)
    return [
        Arrival(since=row.opened_at, until=row.ended_at, instances=row.instances, bytes=row.bytes)
        for row in connection.execute(query)
    ]


def by_minute(found: Sequence[Arrival], *, now: datetime, minutes: int) -> Sequence[Minute]:
    """The last minutes, the present one being the last; pure.

    What an association brought counts as spread evenly over its time.
    """
    first = now.replace(second=0, microsecond=0) - (minutes - 1) * _MINUTE
    amounts = [0.0] * minutes
    sizes = [0.0] * minutes
    for one in found:
        length = max((one.until - one.since).total_seconds(), 1e-6)
        begin = max(0, int((one.since - first) / _MINUTE)) if one.since > first else 0
        for place in range(begin, minutes):
            start = first + place * _MINUTE
            if start > one.until:
                break
            inside = (min(one.until, start + _MINUTE) - max(one.since, start)).total_seconds()
            share = min(1.0, max(inside, 1e-6 if one.until == one.since else 0.0) / length)
            amounts[place] += one.instances * share
            sizes[place] += one.bytes * share
    return [
        Minute(at=first + place * _MINUTE, instances=round(amounts[place], 3), bytes=round(sizes[place]))
        for place in range(minutes)
    ]


def waiting(connection: Connection) -> Sequence[Waiting]:
    """What waits for each step, in the order of the flow."""
    queues: Sequence[tuple[str, Any, Any, Any]] = (
        ("groups closed", groups.c.state, states.Group.CLOSED, groups.c.closed_at),
        ("jobs queued", jobs.c.state, states.Job.QUEUED, jobs.c.created_at),
        ("jobs running", jobs.c.state, states.Job.RUNNING, jobs.c.started_at),
        ("jobs finished", jobs.c.state, states.Job.FINISHED, jobs.c.finished_at),
        ("deliveries due", deliveries.c.state, states.Delivery.DUE, deliveries.c.queued_at),
    )
    found = []
    for name, column, state, time in queues:
        count, oldest = connection.execute(select(func.count(), func.min(time)).where(column == state)).one()
        found.append(Waiting(queue=name, count=count, oldest=oldest))
    return found


def delivered(connection: Connection, *, since: datetime) -> Mapping[str, int]:
    """How many results each destination has taken since then; those that took none are left out."""
    query = (
        select(deliveries.c.destination, func.count().label("number"))
        .where(tables.IS_DELIVERED, deliveries.c.ended_at >= since)
        .group_by(deliveries.c.destination)
    )
    return {row.destination: row.number for row in connection.execute(query)}
