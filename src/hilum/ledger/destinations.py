"""How destinations answer: which are down or paused, since when, and when each is asked again.

A destination without a row has never failed and was never paused. History gets a line when one goes down and when it
comes back; that it is still down is written into its row alone, since a week of silence would be hundreds of lines that
say the same.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import CTE, ColumnElement, Connection, Select, and_, func, or_, select, update

from hilum import states
from hilum.ledger.lease import Lease, claim, give_back, lease_of, unleased
from hilum.ledger.rows import locked
from hilum.ledger.tables import IS_DUE, deliveries, destinations, results
from hilum.ledger.transition import add, apply

#: Presentation contexts of one association at most. Source: PS3.8 9.3.2.2.
_PAIRS: Final = 128
#: Of how many files these are taken: after a long silence more are due than a claim can look at.
_LOOKED_AT: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Silent:
    """A leased destination that is down, to be asked whether it is back.

    Attributes:
        failures: In a row.
        pairs: SOP class and transfer syntax of what is due for it, as many as one association can ask for.
    """

    lease: Lease
    name: str
    failures: int
    pairs: tuple[tuple[str, str], ...]


def not_up() -> Select[Any]:
    """The names of destinations to which nothing is sent now: they are down, or paused."""
    return select(destinations.c.id).where(destinations.c.state != states.Destination.UP)


def waited_for() -> CTE:
    """The names of destinations that something is due for, and a NULL: one step in an index for each of them."""
    first = select(func.min(deliveries.c.destination).label("name")).where(IS_DUE)
    names = first.cte("waited_for", recursive=True)
    following = select(func.min(deliveries.c.destination)).where(IS_DUE, deliveries.c.destination > names.c.name)
    return names.union_all(select(following.correlate(names).scalar_subquery()).where(names.c.name.is_not(None)))


def names_not_up(connection: Connection) -> frozenset[str]:
    """The same, as they are at this moment."""
    return frozenset(connection.execute(not_up()).scalars().all())


def failures(connection: Connection, name: str) -> int:
    """How often a destination has failed since it last took something."""
    found = select(destinations.c.failures).where(destinations.c.id == name)
    return connection.execute(found).scalar_one_or_none() or 0


def went_down(
    connection: Connection, name: str, *, failures: int, not_before: datetime, why: str, remedy: str, now: datetime
) -> None:
    """Nothing more is sent there until it has been asked and has answered.

    No news if another association has told it; and of one that was paused meanwhile it is seen when that is over.
    """
    if _state(connection, name, now=now) is not states.Destination.UP:
        return
    values = {"since": now, "failures": failures, "not_before": not_before, "why": why}
    event = states.DestinationEvent.FAILED
    apply(connection, destinations, name, event, now=now, why=why, remedy=remedy, values=values)


def _state(connection: Connection, name: str, *, now: datetime) -> states.Destination:
    """How it stands, and stands until the transaction ends unless that changes it; from now on it has a row."""
    query = locked(select(destinations.c.state).where(destinations.c.id == name))
    state = connection.execute(query).scalar_one_or_none()
    if state is None:
        new = {"id": name, "state": states.Destination.UP, "since": now, "failures": 0, "not_before": now}
        add(connection, destinations, new)
        state = connection.execute(query).scalar_one()
    return states.Destination(state)


def took_something(connection: Connection, name: str) -> None:
    """It is well: the next failure is the first one again. That it opens an association does not tell as much."""
    connection.execute(
        update(destinations)
        .where(destinations.c.id == name, destinations.c.state == states.Destination.UP, destinations.c.failures > 0)
        .values(failures=0)
    )


def _askable(now: datetime, at_once: Collection[str]) -> ColumnElement[bool]:
    waiting = select(deliveries.c.id).where(_due_there(), deliveries.c.not_before <= now)
    return and_(
        destinations.c.state == states.Destination.DOWN,
        or_(destinations.c.not_before <= now, destinations.c.id.in_(sorted(at_once))),
        waiting.exists(),
    )


def _due_there() -> ColumnElement[bool]:
    return and_(deliveries.c.destination == destinations.c.id, IS_DUE)


def anything_to_ask(connection: Connection, now: datetime, at_once: Collection[str]) -> bool:
    """Whether ``claim_silent`` would find something."""
    found = select(destinations.c.id).where(_askable(now, at_once), unleased(destinations, now))
    return bool(connection.execute(select(found.exists())).scalar())


def claim_silent(
    connection: Connection, *, owner: str, now: datetime, until: datetime, limit: int, at_once: Collection[str]
) -> Sequence[Silent]:
    """Lease destinations that are down, have something due and whose time to be asked again has come.

    Args:
        at_once: Those whose time does not matter.
    """
    order: list[ColumnElement[Any]] = [destinations.c.not_before]
    rows = claim(
        connection,
        destinations,
        _askable(now, at_once),
        owner=owner,
        now=now,
        until=until,
        limit=limit,
        order_by=order,
    )
    return [
        Silent(lease=lease_of(row), name=row.id, failures=row.failures, pairs=_pairs(connection, row.id, now))
        for row in rows
    ]


def _pairs(connection: Connection, name: str, now: datetime) -> tuple[tuple[str, str], ...]:
    waiting = (
        select(deliveries.c.result_id)
        .where(IS_DUE, deliveries.c.destination == name, deliveries.c.not_before <= now)
        .order_by(deliveries.c.not_before)
        .limit(_LOOKED_AT)
    )
    rows = connection.execute(
        select(results.c.sop_class, results.c.transfer_syntax).where(results.c.id.in_(waiting)).distinct().limit(_PAIRS)
    )
    return tuple((row.sop_class, row.transfer_syntax) for row in rows)


def next_to_ask(connection: Connection, now: datetime) -> datetime | None:
    """When the next destination that is down is asked; ``None``: none is down, or nothing is due for those that are."""
    first_due = select(func.min(deliveries.c.not_before)).where(_due_there()).scalar_subquery()
    rows = connection.execute(
        select(destinations.c.not_before, first_due).where(
            destinations.c.state == states.Destination.DOWN, unleased(destinations, now)
        )
    )
    times = [max(not_before, due) for not_before, due in rows if due is not None]
    return min(times, default=None)


def answered(connection: Connection, silent: Silent, *, now: datetime) -> None:
    """An association came off: it is up."""
    why = f"after {silent.failures} failed attempt{'s' if silent.failures != 1 else ''}"
    values = {"since": now, "not_before": now, "why": ""}
    event = states.DestinationEvent.ANSWERED
    fence = silent.lease.fence
    apply(connection, destinations, silent.name, event, now=now, fence=fence, why=why, values=values)


def still_down(connection: Connection, silent: Silent, *, not_before: datetime, why: str) -> None:
    """It failed once more."""
    values = {"failures": silent.failures + 1, "not_before": not_before, "why": why}
    give_back(connection, destinations, silent.lease, values=values)


def ask_at_once(connection: Connection, name: str, *, now: datetime) -> None:
    """Command of an operator: do not wait; nothing to do if it is up, is being asked or will be at once."""
    waits = and_(
        destinations.c.id == name,
        destinations.c.state == states.Destination.DOWN,
        destinations.c.not_before > now,
        unleased(destinations, now),
    )
    if connection.execute(locked(select(destinations.c.id).where(waits))).one_or_none() is not None:
        event = states.DestinationEvent.RETRY_ASKED
        apply(connection, destinations, name, event, now=now, why="asked by an operator", values={"not_before": now})


def pause(connection: Connection, name: str, *, why: str, now: datetime) -> None:
    """Command of an operator: send nothing more there, nor ask how it is; what is on its way now still arrives.

    Raises:
        IllegalTransitionError: It is paused already.
    """
    _state(connection, name, now=now)
    # Whoever asks it just now, because it was down, finds that this counts for nothing: the fence has moved on.
    values = {"since": now, "why": why, "fence": _NEXT_FENCE}
    apply(connection, destinations, name, states.DestinationEvent.PAUSE_ASKED, now=now, why=why, values=values)


def resume(connection: Connection, name: str, *, now: datetime) -> int:
    """Command of an operator: send there again; how many deliveries are due.

    The time that it was paused does not count for ``give-up-after``.

    Raises:
        IllegalTransitionError: It is not paused.
    """
    _state(connection, name, now=now)
    values = {"since": now, "why": "", "failures": 0, "not_before": now}
    why = "asked by an operator"
    apply(connection, destinations, name, states.DestinationEvent.RESUME_ASKED, now=now, why=why, values=values)
    due = update(deliveries).where(IS_DUE, deliveries.c.destination == name)
    return connection.execute(due.values(queued_at=now)).rowcount


def is_paused(connection: Connection, name: str) -> bool:
    """Whether an operator wants nothing sent there."""
    return connection.execute(select(destinations.c.state).where(destinations.c.id == name)).scalar() == _PAUSED


_PAUSED: Final = states.Destination.PAUSED
#: One object, so that its statement is made once.
_NEXT_FENCE: Final = destinations.c.fence + 1
