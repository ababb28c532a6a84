"""How SQLite goes about the statements of a block of code: which of them look at everything that a ledger has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, event
from sqlalchemy.engine import Engine

from hilum.states import Association, Delivery, Group, Job, Notice

#: Tables whose rows stay, some for years.
GROWING: Final = frozenset(
    {"associations", "groups", "instances", "jobs", "results", "deliveries", "history", "notices"}
)
#: States in which rows stay: there are as many of them as the ledger is old.
STAYING: Final = frozenset(
    {
        *(Association.RELEASED, Association.REMOVED),
        *(Group.PLANNED, Group.STORED_ONLY, Group.REMOVED),
        *(Job.COMPLETE, Job.FAILED, Job.CANCELLED, Job.REMOVED),
        *(Delivery.DELIVERED, Delivery.GIVEN_UP),
        *(Notice.SENT, Notice.GIVEN_UP),
    }
)
#: Columns with few values: who looks for one of these alone looks at a good part of the table.
_BROAD: Final = frozenset({"state", "destination", "machine"})

_LOOK: Final = re.compile(r"(SCAN|SEARCH) (\w+)(?: USING (?:COVERING )?INDEX (\w+))?(?:.*\((.*)\))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One table of a plan.

    Attributes:
        beneath: The part of the statement that it belongs to.
        by: Columns that rows are looked up by; none: all of them are looked at.
        partial: By an index that does not have all rows.
    """

    beneath: int
    table: str
    by: frozenset[str]
    partial: bool

    @property
    def all_rows(self) -> bool:
        """Whether every row of a table that grows is looked at."""
        return self.table in GROWING and not self.partial and not self.by

    @property
    def broad(self) -> bool:
        """Whether the look goes through all rows that have one of few values."""
        return self.table in GROWING and self.by <= _BROAD


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What SQLite does for one statement."""

    statement: str
    parameters: Sequence[object]
    lines: Sequence[str]
    looks: Sequence[Look]
    sorts: frozenset[int]

    def faults(self, *, lists: bool) -> Iterator[str]:
        """What takes longer the older the ledger is.

        Args:
            lists: It shows a limited number of rows, and so may not sort all those of a state either, whichever it is.
        """
        limited = " LIMIT " in self.statement
        stays = bool(STAYING & {one for one in self.parameters if isinstance(one, str)})
        for look in self.looks:
            is_sorted = look.beneath in self.sorts
            if look.all_rows and (not limited or is_sorted or " WHERE " in self.statement):
                yield f"looks at all {look.table}"
            elif look.broad and is_sorted and (lists or stays) and self._leads(look):
                yield f"sorts all {look.table} of a kind"
            elif look.broad and look.by and not look.partial and stays and not (lists and limited):
                yield f"goes through all {look.table} of a kind"

    def _leads(self, look: Look) -> bool:
        """Whether the others beneath the same part are looked up for each of its rows."""
        return next(one for one in self.looks if one.beneath == look.beneath) is look


@dataclass(slots=True)
class Plans:
    """Of all statements since ``explained`` began."""

    found: list[Plan] = field(default_factory=list)

    def faults(self, *, lists: bool = False) -> list[str]:
        """See ``Plan.faults``; each with its statement and plan."""
        return [
            "\n  ".join([fault, plan.statement, *plan.lines])
            for plan in self.found
            for fault in plan.faults(lists=lists)
        ]


@contextmanager
def explained() -> Iterator[Plans]:
    """Ask for the plan of every statement that any ledger gets while the block runs; of a server nothing is asked."""
    plans = Plans()

    def ask(connection: Connection, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        if connection.dialect.name == "sqlite" and statement.split(maxsplit=1)[0] in {
            "SELECT",
            "WITH",
            "UPDATE",
            "DELETE",
        }:
            plans.found.append(_plan(connection, statement, parameters[0] if many else parameters))

    event.listen(Engine, "before_cursor_execute", ask)
    try:
        yield plans
    finally:
        event.remove(Engine, "before_cursor_execute", ask)


def _plan(connection: Connection, statement: str, parameters: Sequence[object]) -> Plan:
    driver: Any = connection.connection.driver_connection
    partial = {
        name for (name,) in driver.execute("SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE %INDEX%WHERE%'")
    }
    looks: list[Look] = []
    sorts: set[int] = set()
    lines = driver.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
    for _, beneath, _, line in lines:
        if line == "USE TEMP B-TREE FOR ORDER BY":
            sorts.add(beneath)
        elif (look := _LOOK.match(line)) is not None:
            kind, table, index, by = look.groups()
            columns = frozenset(re.findall(r"(\w+)[=<>]", by or "")) if kind == "SEARCH" else frozenset()
            looks.append(Look(beneath=beneath, table=table, by=columns, partial=index in partial))
    return Plan(
        statement=" ".join(statement.split()),
        parameters=parameters,
        lines=[line for *_, line in lines],
        looks=looks,
        sorts=frozenset(sorts),
    )
