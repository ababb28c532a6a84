"""Statements on the way of every file: compiled once, then given to the driver as they are.

SQLAlchemy builds and looks up a statement in several times the time that SQLite needs to run it. That is nothing for a
statement per job, and most of the work for one per file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, CursorResult, Dialect
from sqlalchemy.sql.expression import Delete, Insert, Select, Update

#: Turns a value into what the driver takes.
_Convert = Callable[[Any], Any]
#: For each place in the text: the name of the value, how to convert it, and the value itself if it is always the same.
_Places = Sequence[tuple[str, _Convert | None, Any]]

_GIVEN: Final = object()


class Prepared:
    """One statement, run with other values each time.

    Args:
        statement: Its ``bindparam`` are what ``run`` is given; an insert takes the columns in ``columns``.
    """

    def __init__(self, statement: Insert | Update | Delete | Select[Any], *, columns: Sequence[str] = ()) -> None:
        self._statement = statement
        self._columns = columns
        self._forms: dict[str, tuple[str, _Places]] = {}

    def run(self, connection: Connection, values: Mapping[str, Any]) -> CursorResult[Any]:
        """Execute it; rows come as the driver has them, without the types of their columns."""
        text, places = self._form(connection.dialect)
        return connection.exec_driver_sql(text, _row(places, values))

    def run_all(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Execute it once for each; nothing for none."""
        if rows:
            text, places = self._form(connection.dialect)
            connection.exec_driver_sql(text, [_row(places, values) for values in rows])

    def _form(self, dialect: Dialect) -> tuple[str, _Places]:
        form = self._forms.get(dialect.name)
        if form is None:
            form = self._forms[dialect.name] = self._compiled(dialect)
        return form

    def _compiled(self, dialect: Dialect) -> tuple[str, _Places]:
        compiled: Any = self._statement.compile(dialect=dialect, column_keys=list(self._columns) or None)
        places = []
        for name in compiled.positiontup:
            bind = compiled.binds[name]
            convert = bind.type.dialect_impl(dialect).bind_processor(dialect)
            value = _GIVEN if bind.required else compiled.params[name]
            if value is not _GIVEN and convert is not None:
                value, convert = convert(value), None
            places.append((name, convert, value))
        return str(compiled), places


def _row(places: _Places, values: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(
        [
            value if value is not _GIVEN else values[name] if convert is None else convert(values[name])
            for name, convert, value in places
        ]
    )
