"""Moves a ledger into another database, row by row, with its numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Integer, Table, delete, func, select, text

from hilum.errors import LocalError, PermanentError
from hilum.ledger import account
from hilum.ledger.account import Sums
from hilum.ledger.condition import version
from hilum.ledger.database import Database
from hilum.ledger.tables import cursors, metadata

#: Rows that are read and written at a time.
_PIECE: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What was copied.

    Attributes:
        rows: By table.
        sums: The account, which is the same on both sides.
    """

    rows: Mapping[str, int]
    sums: Sums


def copy(source: Database, target: Database, told: Callable[[str, int], None] = lambda _table, _rows: None) -> Copied:
    """Copy everything in one transaction: the target has all of it, or nothing.

    No gateway may run on either meanwhile.

    Args:
        source: Of the version of this program.
        target: Made if it is not there; nothing may be in it.
        told: Called after each table.

    Raises:
        PermanentError: A gateway is running, the target is not empty, or the source has another version.
        LedgerBusyError: One of them cannot be reached.
    """
    if source.name == target.name:
        raise PermanentError(f"{source.name} cannot be copied into itself")
    with source.exclusively(), target.exclusively():
        target.migrate()
        with source.read() as there, target.write() as here:
            if version(there) != version(here):
                raise PermanentError(
                    f"the ledger {source.name} has another version than this Hilum; start a gateway on it once"
                )
            _refuse_if_used(here, target.name)
            rows = {}
            for table in metadata.sorted_tables:
                rows[table.name] = _copy(there, here, table)
                told(table.name, rows[table.name])
            _go_on_counting(here)
            return Copied(rows=rows, sums=_compared(there, here, rows))


def _refuse_if_used(connection: Connection, name: str) -> None:
    for table in metadata.sorted_tables:
        # A new ledger has the cursor of whoever reads its history.
        if table is not cursors and connection.execute(select(table).limit(1)).first() is not None:
            raise PermanentError(f"{name} is not empty: its table {table.name} has rows; name a database without any")
    connection.execute(delete(cursors))


def _copy(there: Connection, here: Connection, table: Table) -> int:
    copied = 0
    order = list(table.primary_key)
    rows = there.execution_options(yield_per=_PIECE).execute(select(table).order_by(*order))
    for piece in rows.mappings().partitions():
        here.execute(table.insert(), [dict(row) for row in piece])
        copied += len(piece)
    return copied


def _go_on_counting(connection: Connection) -> None:
    """New rows get numbers behind those that were copied; SQLite sees to it by itself."""
    if connection.dialect.name == "sqlite":
        return
    for table in metadata.sorted_tables:
        number = table.primary_key.columns[0]
        if isinstance(number.type, Integer):
            last = connection.execute(select(func.max(number))).scalar()
            if last is not None:
                sequence = text("SELECT setval(pg_get_serial_sequence(:table, :column), :last)")
                connection.execute(sequence, {"table": table.name, "column": number.name, "last": last})


def _compared(there: Connection, here: Connection, rows: Mapping[str, int]) -> Sums:
    for table in metadata.sorted_tables:
        counted = [side.execute(select(func.count()).select_from(table)).scalar_one() for side in (there, here)]
        if counted != [rows[table.name]] * 2:
            raise LocalError(f"table {table.name}: {counted[0]} rows there and {counted[1]} here; nothing was copied")
    sums = account.sums(there)
    if account.sums(here) != sums:
        raise LocalError("the accounts of both ledgers differ; nothing was copied")
    return sums
