"""How the ledger itself is, and the few facts of it that a diagnosis of everything else needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, select, union_all

from hilum import states
from hilum.ledger.audit import quick_check
from hilum.ledger.database import Database
from hilum.ledger.port import Extent
from hilum.ledger.rows import AnyRow
from hilum.ledger.tables import deliveries, history, results

#: Larger ones take too long to be checked whole just in passing.
_CHECKED_BYTES = 256_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Of the database.

    Attributes:
        version: Of its tables.
        server: Settings of its server, by their names; empty: it has none.
        damage: What its own check found; ``None``: it is too large for that to be done in passing.
    """

    version: str
    extent: Extent
    damage: Sequence[str] | None
    server: Mapping[str, str] = field(default_factory=dict)


def version(connection: Connection) -> str:
    """Of the ledger's tables; the cheapest question that only a ledger that works can answer."""
    return str(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() or "")


def condition(database: Database, *, whole: bool = False) -> Condition:
    """Look at it.

    Args:
        whole: Check it however large it is.
    """
    with database.read() as connection:
        extent = database.extent(connection)
        damage = quick_check(connection) if whole or extent.size <= _CHECKED_BYTES else None
        return Condition(version=version(connection), extent=extent, damage=damage, server=database.server(connection))


def last_time(connection: Connection) -> datetime | None:
    """When the last line of history was written, by the clock of then."""
    found: datetime | None = connection.execute(
        select(history.c.at).order_by(history.c.at.desc()).limit(1)
    ).scalar_one_or_none()
    return found


def last_owner(connection: Connection) -> str:
    """The gateway that started last: its machine, its process and what makes it unique, joined by hyphens."""
    row: AnyRow | None = connection.execute(
        select(history.c.subject)
        .where(history.c.machine == "gateway", history.c.event == "started")
        .order_by(history.c.id.desc())
        .limit(1)
    ).one_or_none()
    return "" if row is None else str(row.subject)


def sent_lately(connection: Connection, destination: str, *, limit: int = 200) -> Sequence[tuple[str, str]]:
    """SOP classes and transfer syntaxes of the results that were queued last for a destination, each pair once."""
    newest = union_all(
        *(
            select(
                select(deliveries.c.result_id)
                .where(deliveries.c.state == state, deliveries.c.destination == destination)
                .order_by(deliveries.c.queued_at.desc())
                .limit(limit)
                .subquery()
                .c.result_id
            )
            for state in states.Delivery
        )
    ).subquery()
    query = select(results.c.sop_class, results.c.transfer_syntax).join(newest, newest.c.result_id == results.c.id)
    return [(row.sop_class, row.transfer_syntax) for row in connection.execute(query.distinct())]
