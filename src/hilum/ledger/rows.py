"""What rows are called and how they come, how many are asked for at once, and how nobody else changes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeVar, TypeVarTuple

from sqlalchemy import Row, Select, Table

#: Associations, jobs and destinations have textual ids, groups and deliveries numbers.
RowId = str | int
#: A row of whichever columns were asked for.
AnyRow = Row[*tuple[Any, ...]]
AnyColumns = TypeVarTuple("AnyColumns")
Value = TypeVar("Value")

#: Parameters of one statement: older SQLites take 999 at most.
_PARAMETERS: Final = 500


def chunks(values: Sequence[Value]) -> Iterator[Sequence[Value]]:
    """The same values, in parts of as many as one statement takes."""
    for start in range(0, len(values), _PARAMETERS):
        yield values[start : start + _PARAMETERS]


def locked(query: Select[*AnyColumns], *, of: Table | None = None, skip: bool = False) -> Select[*AnyColumns]:
    """The same query; until the transaction ends, nobody else changes the rows that it finds.

    What another transaction changes just now is waited for and seen as it is then. On SQLite a transaction that writes
    is alone from its begin on, and nothing needs to be said.

    Args:
        of: The table whose rows are meant, if there is more than one.
        skip: Leave out what another transaction has.
    """
    return query.with_for_update(key_share=True, skip_locked=skip, of=of)
