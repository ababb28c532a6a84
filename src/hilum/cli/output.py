"""Prints: sentences, tables and JSON. Data goes to standard output, everything else to standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, fields, is_dataclass
from datetime import date, timedelta
from enum import StrEnum
from pathlib import PurePath
from typing import IO, TYPE_CHECKING, Any, Final, Literal

from hilum.words import printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

#: Nobody sees the width of a pipe; so wide that a line of a table stays one line for grep.
_PIPE_WIDTH: Final = 240

_STYLES: Final = {
    "failed": "bold red",
    "given up": "bold red",
    "deviates": "bold red",
    "parked": "bold red",
    "held": "yellow",
    "paused": "yellow",
    "stored only": "yellow",
    "cancelled": "yellow",
    "cancelling": "yellow",
    "running": "cyan",
    "sending": "cyan",
    "open": "cyan",
    "complete": "green",
    "delivered": "green",
    "conforms": "green",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        fixed: Never folded: what people copy or compare.
        state: Its cells are states, coloured by what they mean.
    """

    title: str
    _: KW_ONLY
    right: bool = False
    fixed: bool = False
    state: bool = False


def console(stream: IO[str] | None = None) -> Console:
    """A rich console that adds nothing of its own: no markup, no highlighting; plain when NO_COLOR is set or piped."""
    from rich.console import Console

    file = stream or sys.stdout
    width = None if file.isatty() or "COLUMNS" in os.environ else _PIPE_WIDTH
    return Console(file=file, width=width, markup=False, highlight=False, emoji=False, soft_wrap=False)


def _put(thing: RenderableType, indent: int) -> None:
    """Print something, without the spaces that fill its last column."""
    from rich.padding import Padding

    screen = console()
    with screen.capture() as captured:
        screen.print(Padding(thing, (0, 0, 0, indent), expand=False))
    for line in captured.get().splitlines():
        print(line.rstrip())


def say(text: str = "") -> None:
    """A line of what was asked for."""
    print(printable(text))


def remark(text: str) -> None:
    """A line beside what was asked for, on standard error."""
    print(printable(text), file=sys.stderr)


def heading(text: str) -> None:
    """The title of a part of the output."""
    from rich.text import Text

    console().print(Text(printable(text), style="bold"))


def paragraph(text: str, *, indent: int) -> None:
    """Print a sentence, folded at the width of the terminal."""
    from rich.text import Text

    _put(Text(printable(text)), indent)


def bullet(text: str, remedy: str = "") -> None:
    """A line of a list of what is wrong, folded under itself, and below it what to do."""
    point("!", text, [remedy] if remedy else [])


def point(mark: str, text: str, remedies: Sequence[str] = ()) -> None:
    """A line of a list behind its mark, folded under itself, and below it what can be done."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(Text(mark, style="bold red" if "!" in mark else "dim"), Text(printable(text)))
    for remedy in remedies:
        grid.add_row("", Text(f"-> {printable(remedy)}", style="cyan"))
    _put(grid, 2)


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], *, indent: int = 0) -> None:
    """Print rows under their titles, without lines between: it stays readable as plain text."""
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold dim")
    for column in columns:
        justify: Literal["right", "left"] = "right" if column.right else "left"
        grid.add_column(
            Text(column.title), justify=justify, no_wrap=column.fixed, overflow="ellipsis" if column.fixed else "fold"
        )
    for row in rows:
        cells = []
        for column, cell in zip(columns, row, strict=True):
            cells.append(Text(printable(cell), style=_STYLES.get(cell, "") if column.state else ""))
        grid.add_row(*cells)
    _put(grid, indent)


def pairs(rows: Sequence[tuple[str, str]], *, indent: int = 0) -> None:
    """Print names and values, the values under each other; those without value are left out."""
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column(overflow="fold")
    for name, value in rows:
        if value:
            grid.add_row(Text(name), Text(printable(value)))
    _put(grid, indent)


def emit(document: object) -> None:
    """Print one JSON document."""
    print(json.dumps(plain(document), indent=2))


def emit_line(document: Mapping[str, object]) -> None:
    """Print one line of a stream of JSON objects, at once."""
    print(json.dumps(plain(document)), flush=True)


def plain(value: object) -> Any:  # noqa: ANN401  what JSON knows
    """A value made of what JSON knows: keys in kebab-case as in app.yaml, times in ISO 8601, spans in seconds."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name.replace("_", "-"): plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, str):
        return [plain(entry) for entry in value]
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, PurePath):
        return str(value)
    return value
