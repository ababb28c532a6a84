"""What time it is in the ledger: its timers are moments, and the clock that they were made by may have been wrong."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Table, bindparam, func, select, update

from hilum import states
from hilum.errors import TemporaryError
from hilum.ledger.tables import associations, deliveries, destinations, groups, history, jobs, notices

#: No ledger is nearly as old. A clock that says so is one that nobody has set yet.
_FIRST: Final = datetime(2025, 1, 1, tzinfo=UTC)
#: Clocks of one machine may differ by as much without anybody having put one back.
_TOLERANCE: Final = timedelta(seconds=1)

#: The timers of each table, and the states in which they matter no more.
_TIMERS: Final[Mapping[Table, tuple[tuple[str, ...], Collection[str]]]] = {
    associations: (("remove_at",), {states.Association.RELEASED, states.Association.REMOVED}),
    groups: (
        ("closes_at", "last_received_at", "not_before", "remove_at"),
        {states.Group.PLANNED, states.Group.REMOVED},
    ),
    jobs: (("not_before", "started_at", "remove_at"), {states.Job.REMOVED}),
    deliveries: (("not_before", "queued_at"), {states.Delivery.DELIVERED, states.Delivery.GIVEN_UP}),
    destinations: (("not_before",), {states.Destination.UP, states.Destination.PAUSED}),
    notices: (("not_before", "due_at", "last_at"), {states.Notice.SENT, states.Notice.GIVEN_UP}),
}


def catch_up(connection: Connection, now: datetime) -> timedelta:
    """Let timers go on from ``now`` if it lies before the last line of history: the clock was put back meanwhile.

    A clock that was put forward looks like a gateway that was not running, and time that has passed has passed.

    Returns:
        How far all timers were put back; zero if the clock goes on.

    Raises:
        TemporaryError: The clock has not been set.
    """
    if now < _FIRST:
        raise TemporaryError(
            f"the system clock says {now:%Y-%m-%d %H:%M} UTC, which cannot be; set it, then start the gateway again"
        )
    last: datetime | None = connection.execute(select(func.max(history.c.at))).scalar_one()
    if last is None or now >= last - _TOLERANCE:
        return timedelta()
    for table, (timers, over) in _TIMERS.items():
        _move(connection, table, timers, table.c.state.not_in(sorted(over)), now - last)
    return last - now


def _move(
    connection: Connection, table: Table, timers: tuple[str, ...], where: ColumnElement[bool], by: timedelta
) -> None:
    """In Python, since the databases share no arithmetic of times; there are as many rows as work is left."""
    rows = connection.execute(select(table.c.id, *(table.c[name] for name in timers)).where(where)).all()
    if not rows:
        return
    moved: list[dict[str, Any]] = [
        {"row_id": row.id} | {name: None if (at := getattr(row, name)) is None else at + by for name in timers}
        for row in rows
    ]
    statement = update(table).where(table.c.id == bindparam("row_id"))
    connection.execute(statement.values({name: bindparam(name) for name in timers}), moved)


def last_event(connection: Connection, machine: str, subject: str) -> str | None:
    """What the last line of history of something without a row says; ``None``: there is none."""
    same = (history.c.machine == machine, history.c.subject == subject)
    query = select(history.c.event).where(*same).order_by(history.c.id.desc()).limit(1)
    found: str | None = connection.execute(query).scalar_one_or_none()
    return found
