"""The one place that changes a state, takes a lease and writes history.

Everything here works inside a transaction that the caller holds, so that a state never changes without the line of
history that says so, and a lease is never taken on a row that has moved on.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from itertools import islice
from types import MappingProxyType
from typing import Any, Final, TypeVarTuple

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, and_, bindparam, or_, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from hilum import states
from hilum.errors import LeaseLostError, PermanentError
from hilum.ledger import tables
from hilum.ledger.database import log_when_done, tell_when_done
from hilum.ledger.prepared import Prepared
from hilum.observe.meter import Change


class NoSuchRowError(PermanentError):
    """What was asked for is not in the ledger."""


class PoisonError(PermanentError):
    """Each time that work on this row was begun, it took the gateway down with it."""


#: How often work on a row may be begun without coming to a recorded end before the row is set aside.
MAX_BEGUN: Final = 3

#: Parameters of one statement: older SQLites take 999 at most.
_CHUNK: Final = 500

#: Associations, jobs and destinations have textual ids, groups and deliveries numbers.
RowId = str | int
#: A row of whichever columns were asked for.
AnyRow = Row[*tuple[Any, ...]]
AnyColumns = TypeVarTuple("AnyColumns")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to work on one row until it runs out.

    Attributes:
        fence: What the row's ``fence`` must still be when the work is recorded.
        begun: How often work on the row was begun since it last came to a recorded end, this time included.
    """

    id: RowId
    fence: int
    begun: int = 1

    def refuse_poison(self, what: str) -> None:
        """Do not begin once more what has never ended.

        Args:
            what: The work, for the operator: "making its jobs".

        Raises:
            PoisonError: It was begun too often; the row is to be set aside.
        """
        if self.begun > MAX_BEGUN:
            raise PoisonError(f"the gateway ended {self.begun - 1} times in a row in the middle of {what}")


def lease_of(row: AnyRow) -> Lease:
    """The lease of a row as ``claim`` returned it."""
    return Lease(id=row.id, fence=row.fence, begun=row.begun)


#: What a lease leaves when its work has come to a recorded end.
_ENDED: Final[Mapping[str, Any]] = MappingProxyType({"lease_owner": None, "lease_until": None, "begun": 0})

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


def locked(query: Select[*AnyColumns], *, of: Table | None = None, skip: bool = False) -> Select[*AnyColumns]:
    """The same query; until the transaction ends, nobody else changes the rows that it finds.

    What another transaction changes just now is waited for and seen as it is then. On SQLite a transaction that writes
    is alone from its begin on, and nothing needs to be said.

    Args:
        of: The table whose rows are meant, if there is more than one.
        skip: Leave out what another transaction has.
    """
    return query.with_for_update(key_share=True, skip_locked=skip, of=of)


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
    return Prepared(update(table).where(table.c.id == bindparam("row_id")).values(**values, **dict(computed), **_ENDED))


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


def claim(
    connection: Connection,
    table: Table,
    where: ColumnElement[bool],
    *,
    owner: str,
    now: datetime,
    until: datetime,
    limit: int,
    order_by: Sequence[ColumnElement[Any]],
) -> Sequence[AnyRow]:
    """Lease rows that nobody else has: their columns as they are after the claim, in the order asked for.

    Of the rows at which a process died, only one is worked on at a time: whose fault it was is seen then.

    Raises:
        LedgerBusyError: Another process writes for too long.
    """
    free = and_(where, unleased(table, now))
    chosen = locked(select(table.c.id, table.c.begun).where(free).order_by(*order_by).limit(limit), of=table, skip=True)
    ids = _leasable(connection, table, connection.execute(chosen).all(), now)
    return _lease_all(connection, table, ids, owner=owner, until=until, order_by=order_by)


def claim_listed(
    connection: Connection,
    table: Table,
    wanted: Mapping[RowId, StrEnum],
    *,
    owner: str,
    now: datetime,
    until: datetime,
    limit: int,
) -> Sequence[AnyRow]:
    """Lease the first of these rows that still are in the state in which they were seen and that nobody else has.

    Otherwise as ``claim``.
    """
    leased: list[AnyRow] = []
    pending = iter(wanted)
    while len(leased) < limit and (chunk := list(islice(pending, _CHUNK))):
        free = (table.c.id.in_(chunk), unleased(table, now))
        chosen = locked(select(table.c.id, table.c.begun, table.c.state).where(*free), skip=True)
        places = {row_id: place for place, row_id in enumerate(chunk)}
        found = [row for row in connection.execute(chosen) if row.state == wanted[row.id]]
        ids = _leasable(connection, table, sorted(found, key=lambda row: places[row.id]), now)[: limit - len(leased)]
        rows = _lease_all(connection, table, ids, owner=owner, until=until, order_by=[table.c.id])
        leased += sorted(rows, key=lambda row: places[row.id])
    return leased


def _leasable(connection: Connection, table: Table, found: Sequence[AnyRow], now: datetime) -> list[RowId]:
    """All but those at which a process may have died; and one of these, if no such one is tried again just now."""
    suspects = [row.id for row in found if row.begun]
    if suspects and connection.execute(select(table.c.id).where(is_tried_again(table, now)).limit(1)).first() is None:
        suspects = suspects[1:]  # this one may go
    left_alone = set(suspects)
    return [row.id for row in found if row.id not in left_alone]


def _lease_all(
    connection: Connection,
    table: Table,
    ids: Sequence[RowId],
    *,
    owner: str,
    until: datetime,
    order_by: Sequence[ColumnElement[Any]],
) -> Sequence[AnyRow]:
    if not ids:
        return ()
    connection.execute(
        update(table)
        .where(table.c.id.in_(ids))
        .values(lease_owner=owner, lease_until=until, fence=table.c.fence + 1, begun=table.c.begun + 1)
    )
    return connection.execute(select(table).where(table.c.id.in_(ids)).order_by(*order_by)).all()


def is_tried_again(table: Table, now: datetime) -> ColumnElement[bool]:
    """True for rows at which a process may have died and that somebody works on."""
    return and_(table.c.lease_until > now, tables.begun_again(table))


def unleased(table: Table, now: datetime) -> ColumnElement[bool]:
    """True for rows that nobody works on."""
    return or_(table.c.lease_until.is_(None), table.c.lease_until <= now)


def renew(connection: Connection, table: Table, leases: Sequence[Lease], *, until: datetime) -> None:
    """Keep leases alive while their work goes on; one that was lost meanwhile stays lost, one that ended is over."""
    for lease in leases:
        connection.execute(update(table).where(_held(table, lease)).values(lease_until=until))


def still_held(connection: Connection, table: Table, lease: Lease) -> None:
    """Make sure, right before something that cannot be undone, that nobody else has the row by now.

    Raises:
        LeaseLostError: Somebody may.
    """
    if connection.execute(select(table.c.id).where(_held(table, lease))).first() is None:
        raise LeaseLostError(f"{_MACHINES[table.name][0]} {lease.id}: the lease with fence {lease.fence} was lost")


def give_back(
    connection: Connection,
    table: Table,
    lease: Lease,
    *,
    values: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """End a lease without an event, e.g. because the work must wait; a lease that is lost or over is left alone."""
    connection.execute(update(table).where(_held(table, lease)).values(**_ENDED, **values))


def _held(table: Table, lease: Lease) -> ColumnElement[bool]:
    # A transition ends the lease and leaves the fence: only both together tell that the work still goes on.
    return and_(table.c.id == lease.id, table.c.fence == lease.fence, table.c.lease_until.is_not(None))


#: States in which rows are leased; of the others there are as many as the ledger is old.
_LEASED_IN: Final[Mapping[str, frozenset[StrEnum]]] = MappingProxyType(
    {
        tables.associations.name: frozenset({states.Association.HELD, states.Association.ACCEPTING}),
        tables.groups.name: frozenset({states.Group.CLOSED}),
        tables.jobs.name: frozenset(states.Job),
        tables.deliveries.name: frozenset({states.Delivery.DUE}),
        tables.destinations.name: frozenset(states.Destination),
        tables.notices.name: frozenset({states.Notice.DUE}),
        tables.gateways.name: frozenset({states.Gateway.STOPPED, states.Gateway.GONE}),
    }
)


def drop_leases(connection: Connection, standing: Collection[str] = ()) -> None:
    """Free what gateways have leased that are no more. ``begun`` stays: nothing was ended.

    Args:
        standing: Whose leases hold.
    """
    for name, leased_in in _LEASED_IN.items():
        table = tables.metadata.tables[name]
        connection.execute(
            update(table)
            .where(
                table.c.state.in_(sorted(leased_in)),
                table.c.lease_until.is_not(None),
                table.c.lease_owner.not_in(sorted(standing)),
            )
            .values(lease_owner=None, lease_until=None)
        )
