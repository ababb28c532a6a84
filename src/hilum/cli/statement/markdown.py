"""A statement as Markdown."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import Final

from hilum.cli.statement.document import Block, Contents, Figure, Section, Statement, Table

_WIDTH: Final = 120
#: Markdown has no deeper heading; what is deeper is set in bold.
_DEEPEST: Final = 6
#: The table of contents goes as deep as 4.2.1.
_LISTED: Final = 3


def markdown(statement: Statement) -> str:
    """The whole page."""
    lines = [f"# {statement.title}", ""]
    lines += _table(Table.of("cover", ("", ""), statement.cover))
    for number, section in statement.numbered():
        lines += ["", _heading(number, section)]
        for block in section.blocks:
            lines += ["", *_block(block, statement)]
    return "\n".join([*lines, ""])


def _heading(number: str, section: Section) -> str:
    level = number.count(".") + 2
    text = f"{number} {section.title}"
    return f"{'#' * level} {text}" if level <= _DEEPEST else f"**{text}**"


def _block(block: Block, statement: Statement) -> list[str]:
    match block:
        case Table():
            return _table(block)
        case Figure(text=text):
            return ["```", *text.strip("\n").split("\n"), "```"]
        case Contents():
            return list(_contents(statement))
        case str():
            return textwrap.wrap(block, _WIDTH, break_long_words=False, break_on_hyphens=False)


def _table(table: Table) -> list[str]:
    rows = [table.columns, ("---",) * len(table.columns), *table.rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]


def _contents(statement: Statement) -> Iterator[str]:
    for number, section in statement.numbered():
        depth = number.count(".")
        if depth < _LISTED:
            heading = f"{number} {section.title}"
            yield f"{'  ' * depth}- [{heading}](#{_anchor(heading)})"


def _anchor(heading: str) -> str:
    """What GitHub and others make of a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
