"""What waits for each step and since when, and how fast destinations take. For people, as ``views``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from hilum import states
from hilum.ledger import tables
from hilum.ledger.tables import deliveries, groups, jobs


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
