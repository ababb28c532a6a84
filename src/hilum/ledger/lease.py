"""The right to work on a row, for a while: taken, kept, given back, lost.

How often it was taken is counted until the work comes to a recorded end: a row at which gateways die is set aside.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Table, and_, or_, select, update

from hilum import states
from hilum.errors import LeaseLostError, PermanentError
from hilum.ledger import tables
from hilum.ledger.rows import AnyRow, RowId, chunks, locked


class PoisonError(PermanentError):
    """Each time that work on this row was begun, it took the gateway down with it."""


#: How often work on a row may be begun without coming to a recorded end before the row is set aside.
MAX_BEGUN: Final = 3


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
ENDED: Final[Mapping[str, Any]] = MappingProxyType({"lease_owner": None, "lease_until": None, "begun": 0})


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
    for chunk in chunks(list(wanted)):
        if len(leased) >= limit:
            break
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
        raise LeaseLostError(f"the lease with fence {lease.fence} on row {lease.id} of {table.name} was lost")


def give_back(
    connection: Connection,
    table: Table,
    lease: Lease,
    *,
    values: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """End a lease without an event, e.g. because the work must wait; a lease that is lost or over is left alone."""
    connection.execute(update(table).where(_held(table, lease)).values(**ENDED, **values))


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
