"""How much came in and went out lately, minute by minute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Connection, Text, and_, case, cast, func, literal_column, or_, select

from hilum import states
from hilum.ledger.tables import associations, by_no_index, history

_MINUTE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Minute:
    """What happened in one minute.

    Attributes:
        begin: Aware UTC, whole.
        received: Instances of the associations that ended in it.
        bytes: Of those.
        delivered: Results that a destination accepted.
    """

    begin: datetime
    received: int
    bytes: int
    delivered: int


def per_minute(connection: Connection, *, now: datetime, minutes: int) -> Sequence[Minute]:
    """The last so many minutes, in the order of time, the present one last; those without anything, too.

    Looks at what the history has of that time, by its index, and at nothing else.
    """
    last = now.astimezone(UTC).replace(second=0, microsecond=0)
    first = last - (minutes - 1) * _MINUTE
    # Databases write times in ways of their own, but all begin with 2026-11-22 13:01.
    # Literals: what is grouped by has to be what is selected, and a parameter could be anything.
    minute = func.substr(cast(history.c.at, Text), literal_column("1"), literal_column("16")).label("minute")
    machine = by_no_index(history.c.machine)
    ended = and_(machine == "association", history.c.event.in_(_ENDED))
    accepted = and_(machine == "delivery", history.c.event == states.DeliveryEvent.ACCEPTED)
    query = (
        select(
            minute,
            func.coalesce(func.sum(associations.c.instances), 0).label("received"),
            func.coalesce(func.sum(associations.c.bytes), 0).label("bytes"),
            func.sum(case((history.c.machine == "delivery", 1), else_=0)).label("delivered"),
        )
        .join(
            associations, and_(history.c.machine == "association", associations.c.id == history.c.subject), isouter=True
        )
        .where(history.c.at >= first, or_(ended, accepted))
        .group_by(minute)
    )
    found = {row.minute: row for row in connection.execute(query)}
    counted: list[Minute] = []
    for number in range(minutes):
        begin = first + number * _MINUTE
        row = found.get(f"{begin:%Y-%m-%d %H:%M}")
        numbers = {"received": row.received, "bytes": row.bytes, "delivered": row.delivered} if row else _NOTHING
        counted.append(Minute(begin=begin, **numbers))
    return counted


_ENDED: Final = (states.AssociationEvent.RELEASED, states.AssociationEvent.BROKEN)
_NOTHING: Final = {"received": 0, "bytes": 0, "delivered": 0}
