"""A statement as JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hilum.cli.statement.document import Figure, Section, Statement, Table


def tree(statement: Statement) -> Mapping[str, Any]:
    """It as nested mappings; rows of tables are mappings by column, and ``tables`` has them all by name."""
    return {
        "title": statement.title,
        "cover": {_key(name): value for name, value in statement.cover},
        "sections": list(_sections(statement.sections, "")),
        "tables": {
            block.name: _rows(block)
            for _, section in statement.numbered()
            for block in section.blocks
            if isinstance(block, Table)
        },
    }


def _sections(sections: Sequence[Section], prefix: str) -> Iterator[Mapping[str, Any]]:
    for index, section in enumerate(sections, start=1):
        number = f"{prefix}{index}"
        yield {
            "number": number,
            "title": section.title,
            "text": [block for block in section.blocks if isinstance(block, str)],
            "figures": [block.text for block in section.blocks if isinstance(block, Figure)],
            "tables": [block.name for block in section.blocks if isinstance(block, Table)],
            "sections": list(_sections(section.sections, f"{number}.")),
        }


def _rows(table: Table) -> list[Mapping[str, str]]:
    """Without the backticks, which are for readers."""
    return [
        {_key(column): cell.replace("`", "") for column, cell in zip(table.columns, row, strict=True)}
        for row in table.rows
    ]


def _key(name: str) -> str:
    """Kebab-case, as in app.yaml."""
    return re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")
