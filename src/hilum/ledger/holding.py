"""Associations that are held since they were not released: an operator accepts them, or their time runs out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, or_, select, update

from hilum import states
from hilum.errors import PermanentError
from hilum.ledger import reception
from hilum.ledger.grouping import Grouping, header_of, place
from hilum.ledger.lease import claim, unleased
from hilum.ledger.rows import AnyRow
from hilum.ledger.tables import associations, instances
from hilum.ledger.transition import apply
from hilum.model import AssociationId, AssociationInfo, Uid


def accepted(connection: Connection, info: AssociationInfo, grouping: Grouping, *, fence: int, now: datetime) -> None:
    """Put the instances of a held association into groups, as an operator asked, as if it had been released now."""
    rows = connection.execute(
        select(instances).where(instances.c.association_id == info.id).order_by(instances.c.number)
    ).all()
    received = [_received(row, grouping) for row in rows]
    placed = place(connection, info, received, grouping, now=now)
    if rows:
        connection.execute(
            update(instances).where(instances.c.id == bindparam("row_id")),
            [
                {"row_id": row.id, "group_id": placed[row.number].group_id, "fate": placed[row.number].fate}
                for row in rows
            ],
        )
    apply(
        connection,
        associations,
        info.id,
        states.AssociationEvent.RELEASED,
        now=now,
        fence=fence,
        values={"why": "", "remove_at": None},
    )


def set_aside(
    connection: Connection, association: AssociationId, why: str, *, fence: int, remove_at: datetime, now: datetime
) -> None:
    """Accepting it takes the gateway down each time: it is held again, until an operator has found out why."""
    remedy = f"have the study sent again; or mend the cause, then: hilum accept {association}"
    event, values = states.AssociationEvent.BROKEN, {"why": why, "remove_at": remove_at}
    apply(connection, associations, association, event, now=now, why=why, remedy=remedy, fence=fence, values=values)


def _held_over(now: datetime) -> ColumnElement[bool]:
    return or_(
        associations.c.state == states.Association.ACCEPTING,
        and_(associations.c.state == states.Association.HELD, associations.c.remove_at <= now),
    )


def held_due(connection: Connection, now: datetime) -> bool:
    """Whether a held association was accepted by an operator, or has been held long enough."""
    found = select(associations.c.id).where(_held_over(now), unleased(associations, now))
    return bool(connection.execute(select(found.exists())).scalar())


def claim_held(connection: Connection, *, owner: str, now: datetime, until: datetime, limit: int) -> Sequence[AnyRow]:
    """Lease them, the oldest first."""
    order: list[ColumnElement[Any]] = [associations.c.opened_at]
    return claim(
        connection, associations, _held_over(now), owner=owner, now=now, until=until, limit=limit, order_by=order
    )


def expired(connection: Connection, association: AssociationId, *, fence: int, now: datetime) -> None:
    """Record that the files of a held association are gone because nobody wanted them in time."""
    apply(
        connection,
        associations,
        association,
        states.AssociationEvent.EXPIRED,
        now=now,
        fence=fence,
        why="held longer than dicom.scp.aborted-retention without being accepted; its files were removed",
        values={"spooled": False},
    )


def ask_accept(connection: Connection, association: str, *, now: datetime) -> None:
    """Command of an operator: take a held association as if it had been released.

    Raises:
        NoSuchRowError, IllegalTransitionError: It does not exist, or is not held.
        PermanentError: Its time is over, and its files may be gone already.
    """
    row = reception.standing(connection, association)
    if row is not None and row.state == states.Association.HELD and (row.remove_at <= now or row.lease_until):
        raise PermanentError(
            f"association {association} was held until {row.remove_at:%Y-%m-%d %H:%M:%S} UTC; it is gone"
        )
    apply(
        connection,
        associations,
        association,
        states.AssociationEvent.ACCEPT_ASKED,
        now=now,
        why="asked by an operator",
    )


def _received(row: AnyRow, grouping: Grouping) -> reception.Received:
    header = header_of(row)
    return reception.Received(
        number=row.number,
        header=header,
        sop_class=Uid(row.sop_class),
        sop_instance=Uid(row.sop_instance),
        transfer_syntax=Uid(row.transfer_syntax),
        size=row.size,
        digest=row.digest,
        received_at=row.received_at,
        key=grouping.key_of(header, AssociationId(row.association_id)),
    )
