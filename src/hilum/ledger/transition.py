"""The one place that changes a state and writes history.

Everything here works inside a transaction that the caller holds, so that a state never changes without the line of
history that says so, and a change ends the lease under which it was made.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Table, bindparam, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from hilum import states
from hilum.errors import LeaseLostError, PermanentError
from hilum.ledger import tables
from hilum.ledger.database import log_when_done, tell_when_done
from hilum.ledger.lease import ENDED
from hilum.ledger.prepared import Prepared
from hilum.ledger.rows import RowId, locked
from hilum.observe.meter import Change


class NoSuchRowError(PermanentError):
    """What was asked for is not in the ledger."""


#: Which table of states rules which table of rows, and what history calls its rows.
_MACHINES: Final[Mapping[str, tuple[str, type[StrEnum], Mapping[tuple[Any, Any], Any]]]] = MappingProxyType(
    {
        tables.associations.name: ("association", states.Association, states.ASSOCIATION),
        tables.groups.name: ("group", states.Group, states.GROUP),
        tables.jobs.name: ("job", states.Job, states.JOB),
        tables.deliveries.name: ("delivery", states.Delivery, states.DELIVERY),
        tables.destinations.name: ("destination", states.Destination, states.DESTINATION),
        tables.notices.name: ("notice", states.Notice, states.NOTICE),
        tables.gateways.name: ("gateway", states.Gateway, states.GATEWAY),
    }
)


#: What is told of a row that changes, without naming a patient: which one it is, and since when it has been. Of others
#: only the change itself is told.
_ABOUT: Final[Mapping[str, tuple[Sequence[str], Sequence[str]]]] = MappingProxyType(
    {
        tables.associations.name: (("calling", "called"), ("opened_at",)),
        tables.groups.name: (("ae",), ("opened_at",)),
        tables.jobs.name: (("workflow_name", "engine"), ("created_at", "not_before", "started_at")),
        tables.deliveries.name: (("destination",), ("queued_at",)),
        tables.destinations.name: (("id",), ("since",)),
        tables.notices.name: (("channel", "topic"), ("due_at",)),
    }
)


def _about(table: Table) -> tuple[Sequence[str], Sequence[str]]:
    return _ABOUT.get(table.name, ((), ()))


def _where_it_stands(table: Table) -> Prepared:
    about, since = _about(table)
    columns = (table.c[name] for name in ("state", "fence", *about, *since))
    return Prepared(locked(select(*columns).where(table.c.id == bindparam("row_id"))))


_WHERE_IT_STANDS: Final[Mapping[str, Prepared]] = MappingProxyType(
    {name: _where_it_stands(table) for name, table in tables.metadata.tables.items() if name in _MACHINES}
)


_LINE: Final = Prepared(
    tables.history.insert(),
    columns=("at", "machine", "subject", "from_state", "event", "to_state", "why", "remedy"),
)


def one_at_a_time(connection: Connection, what: str) -> None:
    """From here to the end of the transaction, no other gateway is in the middle of the same thing."""
    if connection.dialect.name != "sqlite":  # whose transactions that write are so anyway
        connection.execute(_TURN, {"what": f"hilum {what}"})


_TURN: Final = text("SELECT pg_advisory_xact_lock(hashtextextended(:what, 0))")


def add(connection: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert a row; ``False``: there is one with its key already, perhaps of a transaction whose end was not known."""
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    statement = insert(table).on_conflict_do_nothing().returning(*table.primary_key)
    return connection.execute(statement, row).first() is not None


def apply(
    connection: Connection,
    table: Table,
    row_id: RowId,
    event: StrEnum,
    *,
    now: datetime,
    why: str = "",
    remedy: str = "",
    fence: int | None = None,
    values: Mapping[str, Any] = MappingProxyType({}),
) -> StrEnum:
    """Let an event happen to a row: the new state, the given values, no lease any more, and a line of history.

    Args:
        why: For the operator; no personal data.
        fence: The lease under which the caller worked; ``None`` for what comes from outside (an operator, a peer).
        values: Other columns that change with it; one that is computed by the database is the same object each time.

    Returns:
        The new state.

    Raises:
        NoSuchRowError: There is no such row.
        LeaseLostError: The row was claimed by somebody else since.
        IllegalTransitionError: The state does not know the event.
    """
    machine, state_type, transitions = _MACHINES[table.name]
    row = _WHERE_IT_STANDS[table.name].run(connection, {"row_id": row_id}).one_or_none()
    if row is None:
        raise NoSuchRowError(f"there is no {machine} {row_id}")
    if fence is not None and row.fence != fence:
        raise LeaseLostError(f"{machine} {row_id}: the lease with fence {fence} was lost, the row has {row.fence}")
    before = state_type(row.state)
    after: StrEnum = states.advance(transitions, before, event)
    computed = tuple((name, value) for name, value in values.items() if isinstance(value, ColumnElement))
    given = {name: value for name, value in values.items() if not isinstance(value, ColumnElement)}
    change = _change(table, tuple(given), computed)
    change.run(
        connection, {"row_id": row_id, "new_state": after.value} | {f"new_{name}": given[name] for name in given}
    )
    line = _line(machine, str(row_id), event, now, why=why, remedy=remedy, before=before, after=after)
    _LINE.run(connection, line)
    tell_when_done(connection, _change_of(line, table, row._mapping))
    level = logging.WARNING if remedy else logging.DEBUG if machine == "delivery" else logging.INFO
    about = {machine: str(row_id), "state": str(after)} | ({"why": why} if why else {})
    log_when_done(connection, level, f"{machine}.{event.replace(' ', '_')}", **about)
    return after


@lru_cache(maxsize=256)
def _change(table: Table, given: tuple[str, ...], computed: tuple[tuple[str, ColumnElement[Any]], ...]) -> Prepared:
    """Another state, other values of these columns, and no lease any more."""
    values = {name: bindparam(f"new_{name}", type_=table.c[name].type) for name in ("state", *given)}
    return Prepared(update(table).where(table.c.id == bindparam("row_id")).values(**values, **dict(computed), **ENDED))


def born(
    connection: Connection,
    table: Table,
    row_id: RowId,
    row: Mapping[str, Any],
    *,
    now: datetime,
    why: str = "",
) -> None:
    """Write the first line of history of a row that was just inserted.

    Args:
        row: What was inserted.
    """
    born_all(connection, table, {row_id: row}, {row_id: why}, now=now)


def born_all(
    connection: Connection,
    table: Table,
    rows: Mapping[Any, Mapping[str, Any]],
    why: Mapping[Any, str],
    *,
    now: datetime,
) -> None:
    """The same for many rows.

    Args:
        rows: What was inserted, by its id.
        why: Why each was made, by its id.
    """
    machine = _MACHINES[table.name][0]
    lines = [
        _line(machine, str(row_id), "made", now, why=why[row_id], after=row["state"]) for row_id, row in rows.items()
    ]
    _LINE.run_all(connection, lines)
    for line, row in zip(lines, rows.values(), strict=True):
        tell_when_done(connection, _change_of(line, table, row))


def note(
    connection: Connection,
    machine: str,
    subject: str,
    event: str,
    *,
    now: datetime,
    why: str = "",
    remedy: str = "",
    before: str = "",
    after: str = "",
) -> None:
    """Write a line of history; called directly for what has no row: a refused peer, a file that is not sent."""
    line = _line(machine, subject, event, now, why=why, remedy=remedy, before=before, after=after)
    _LINE.run(connection, line)
    tell_when_done(connection, Change(machine=machine, event=str(event), at=now, before=str(before), after=str(after)))


def _change_of(line: Mapping[str, Any], table: Table, row: Mapping[Any, Any]) -> Change:
    about, since = _about(table)
    return Change(
        machine=line["machine"],
        event=line["event"],
        at=line["at"],
        before=line["from_state"],
        after=line["to_state"],
        about={name: row[name] for name in about},
        since={name: _moment(row[name]) for name in since if row.get(name) is not None},
    )


def _moment(value: datetime | str) -> datetime:
    """As SQLite's driver gives it, or as a row had it that was just inserted."""
    return value if isinstance(value, datetime) else datetime.fromisoformat(value).replace(tzinfo=UTC)


def _line(
    machine: str,
    subject: str,
    event: str,
    now: datetime,
    *,
    why: str = "",
    remedy: str = "",
    before: str = "",
    after: str = "",
) -> Mapping[str, Any]:
    return {
        "at": now,
        "machine": machine,
        "subject": subject,
        "from_state": str(before),
        "event": str(event),
        "to_state": str(after),
        "why": why,
        "remedy": remedy,
    }
