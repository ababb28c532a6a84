"""What a gateway asks of its database, counted where SQLAlchemy hands it to the driver."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any, Self

from sqlalchemy import Engine, event

from hilum.ledger.database import Database
from hilum.observe.meter import SILENT


@dataclass(slots=True)
class Asked:
    """How much was asked.

    Attributes:
        reads, notes, writes: Transactions, by how safe they are once they are over; only ``writes`` wait for the disk.
        statements: Sent to the database; one that carries many rows counts once, what begins a transaction does not.
        rows: Sets of values that statements carried beyond the first.
        round_trips: How often the database was waited for; 0 of one that lives in the process.
    """

    reads: int = 0
    notes: int = 0
    writes: int = 0
    statements: int = 0
    rows: int = 0
    round_trips: int = 0

    @property
    def transactions(self) -> int:
        """Of all three kinds."""
        return self.reads + self.notes + self.writes

    def __add__(self, other: Asked) -> Asked:
        return Asked(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))

    def __sub__(self, other: Asked) -> Asked:
        return Asked(*(getattr(self, one.name) - getattr(other, one.name) for one in fields(self)))

    def times(self, number: int) -> Asked:
        """So often."""
        return Asked(*(getattr(self, one.name) * number for one in fields(self)))

    def over(self, number: int) -> Asked:
        """The part of each of so many.

        Raises:
            ValueError: They did not cost the same.
        """
        whole, rest = zip(*(divmod(getattr(self, one.name), number) for one in fields(self)), strict=True)
        if any(rest):
            raise ValueError(f"{self} is not the same for each of {number}")
        return Asked(*whole)


class Counter:
    """Counts for one database, in the threads of this process, until it is closed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._asked = Asked()
        self._trace = tempfile.TemporaryFile()  # noqa: SIM115  closed with this
        self._meter = database._meter
        database._meter = _Kinds(self._asked)  # type: ignore[assignment]
        event.listen(Engine, "before_cursor_execute", self._execute)
        event.listen(Engine, "connect", self._connect)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        event.remove(Engine, "before_cursor_execute", self._execute)
        event.remove(Engine, "connect", self._connect)
        self._database._meter = self._meter
        self._trace.close()

    def _execute(
        self, _connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, executemany: bool
    ) -> None:
        if not statement.startswith("BEGIN"):
            self._asked.statements += 1
            self._asked.rows += len(parameters) - 1 if executemany and isinstance(parameters, list) else 0

    def _connect(self, connection: Any, _record: Any) -> None:
        """libpq writes down what goes to and fro; the server is ready for the next question once for each answer."""
        if hasattr(connection, "pgconn"):
            connection.pgconn.trace(self._trace.fileno())

    @property
    def asked(self) -> Asked:
        """All of it until now."""
        return self._asked + Asked(round_trips=self._ready())

    def _ready(self) -> int:
        self._trace.seek(0)
        return self._trace.read().count(b"\tReadyForQuery\t")

    @contextmanager
    def during(self) -> Iterator[Asked]:
        """What is asked in the block, once it is left."""
        found, before = Asked(), self.asked
        yield found
        spent = self.asked - before
        for one in fields(spent):
            setattr(found, one.name, getattr(spent, one.name))


class _Kinds(type(SILENT)):  # type: ignore[misc]
    """Hears of transactions."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked

    def transaction(self, kind: str, **_told: float) -> None:
        name = f"{kind}s"
        setattr(self._asked, name, getattr(self._asked, name) + 1)
