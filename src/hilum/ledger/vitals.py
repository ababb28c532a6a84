"""How much waits where, and since when: a few numbers that cost next to nothing however old the ledger is.

Each is read from an index of what is not over yet; nothing here counts what has been done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Select, bindparam, case, func, literal, null, select

from hilum import states
from hilum.ledger import tables
from hilum.ledger.tables import IS_DUE, associations, deliveries, groups, jobs

State = TypeVar("State", states.Job, states.Group)

#: What somebody or something still has to do with. Failed jobs and groups that no workflow wanted are kept for a while.
_JOBS: Final = (
    states.Job.QUEUED,
    states.Job.RUNNING,
    states.Job.FINISHED,
    states.Job.COLLECTED,
    states.Job.CANCELLING,
)
_WITH_FILES: Final = (states.Association.RELEASED, states.Association.HELD, states.Association.ACCEPTING)
_GROUPS: Final = (states.Group.OPEN, states.Group.CLOSED, states.Group.PARKED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """What waits in one place.

    Attributes:
        oldest: Since when the one waits that has waited longest; ``None``: nothing does, or it is not known.
    """

    number: int = 0
    oldest: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationVitals:
    """How a destination answers.

    Attributes:
        failures: In a row.
    """

    state: states.Destination
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """Of one moment.

    Attributes:
        jobs: By state, all but those that are over; failed ones as long as their folders are kept.
        groups: By state, all but those that are over; ``stored only`` as long as they are kept.
        deliveries: Due ones, by destination.
        held: Associations that ended without a release.
        held_instances: What these stored.
        spooled: Instances of associations that have ended, with files in the spool.
        destinations: Those that have ever failed or been paused, by name.
        timers: When what waits for a time is due next, by what it is; only those that wait.
    """

    jobs: Mapping[states.Job, Queue]
    groups: Mapping[states.Group, Queue]
    deliveries: Mapping[str, Queue]
    held: Queue
    held_instances: int
    spooled: int
    destinations: Mapping[str, DestinationVitals]
    timers: Mapping[str, datetime]


def vitals(connection: Connection) -> Vitals:
    """Look at all of it, in one transaction."""
    number, instances, oldest, first_expiry = connection.execute(_HELD).one()
    next_close, next_job, next_probe = connection.execute(_TIMERS).one()
    waiting = {row.destination: row for row in connection.execute(_DELIVERIES)}
    timers = {
        "group closes": next_close,
        "job is tried": next_job,
        "delivery is tried": min((_next_try(connection, name) for name in waiting), default=None),
        "destination is asked": next_probe,
        "held association expires": first_expiry,
    }
    return Vitals(
        jobs=_queues(connection, states.Job, _JOBS_WAITING, _JOBS_FAILED),
        groups=_queues(connection, states.Group, _GROUPS_WAITING, _GROUPS_UNWANTED),
        deliveries={name: Queue(number=row.number, oldest=row.oldest) for name, row in waiting.items()},
        held=Queue(number=number, oldest=oldest),
        held_instances=instances or 0,
        spooled=connection.execute(_SPOOLED).scalar_one() or 0,
        destinations={
            row.id: DestinationVitals(state=states.Destination(row.state), failures=row.failures)
            for row in connection.execute(select(tables.destinations))
        },
        timers={name: when for name, when in timers.items() if when is not None},
    )


def _next_try(connection: Connection, destination: str) -> datetime:
    found: datetime = connection.execute(_NEXT_TRY, {"name": destination}).scalar_one()
    return found


def _queues(connection: Connection, kind: type[State], *queries: Select[*tuple[Any, ...]]) -> Mapping[State, Queue]:
    rows = [row for query in queries for row in connection.execute(query)]
    return {kind(row.state): Queue(number=row.number, oldest=row.oldest) for row in rows}


#: Compared with a time so that the index with that time in it is the one to take.
_EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER: Final = func.count().label("number")
_NOT_KNOWN: Final = null().label("oldest")

_JOBS_WAITING: Final = (
    select(jobs.c.state, _NUMBER, func.min(jobs.c.created_at).label("oldest"))
    .where(jobs.c.state.in_(_JOBS), jobs.c.created_at > _EVER)
    .group_by(jobs.c.state)
)
#: By the index of what will be removed, which has no more of them than a month leaves.
_JOBS_FAILED: Final[Select[*tuple[Any, ...]]] = select(
    literal(states.Job.FAILED).label("state"), _NUMBER, _NOT_KNOWN
).where(jobs.c.state == states.Job.FAILED, jobs.c.remove_at.is_not(None), jobs.c.remove_at > _EVER)
_GROUPS_WAITING: Final = (
    select(
        groups.c.state,
        _NUMBER,
        func.min(case((groups.c.state == states.Group.OPEN, groups.c.opened_at), else_=groups.c.closed_at)).label(
            "oldest"
        ),
    )
    .where(groups.c.state.in_(_GROUPS))
    .group_by(groups.c.state)
)
_GROUPS_UNWANTED: Final[Select[*tuple[Any, ...]]] = select(
    literal(states.Group.STORED_ONLY).label("state"), _NUMBER, _NOT_KNOWN
).where(groups.c.state == states.Group.STORED_ONLY, groups.c.remove_at.is_not(None), groups.c.remove_at > _EVER)
#: From one index, from which also those of a destination that was dead for a month are counted at once.
_DELIVERIES: Final = (
    select(deliveries.c.destination, _NUMBER, func.min(deliveries.c.queued_at).label("oldest"))
    .where(deliveries.c.state == states.Delivery.DUE)
    .group_by(deliveries.c.destination)
)
_NEXT_TRY: Final = select(func.min(deliveries.c.not_before)).where(
    IS_DUE, deliveries.c.destination == bindparam("name")
)
_HELD: Final = select(
    _NUMBER,
    func.sum(associations.c.instances),
    func.min(associations.c.ended_at),
    func.min(associations.c.remove_at),
).where(associations.c.state == states.Association.HELD)
_SPOOLED: Final = select(func.sum(associations.c.instances)).where(
    associations.c.spooled, associations.c.state.in_(_WITH_FILES)
)
_TIMERS: Final = select(
    select(func.min(groups.c.closes_at)).where(groups.c.state == states.Group.OPEN).scalar_subquery(),
    select(func.min(jobs.c.not_before)).where(jobs.c.state == states.Job.QUEUED).scalar_subquery(),
    select(func.min(tables.destinations.c.not_before))
    .where(tables.destinations.c.state == states.Destination.DOWN)
    .scalar_subquery(),
)
