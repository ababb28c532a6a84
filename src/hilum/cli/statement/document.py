"""What a statement is made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under titles.

    Attributes:
        name: For programs: ``association-rejection``; unique within the statement.
        rows: Each as long as ``columns``.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, name: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
        """The same, from any sequences."""
        return cls(name, tuple(columns), tuple(tuple(row) for row in rows))


@dataclass(frozen=True, slots=True)
class Figure:
    """Lines that mean something only in a font of fixed width."""

    text: str


@dataclass(frozen=True, slots=True)
class Contents:
    """The table of contents, which only the whole can tell."""


#: A text is one paragraph; names of keys, commands and files stand between backticks.
Block = str | Table | Figure | Contents


@dataclass(frozen=True, slots=True)
class Section:
    """One numbered section.

    Attributes:
        blocks: What stands before the first sub-section.
    """

    title: str
    blocks: tuple[Block, ...]
    sections: tuple[Section, ...]

    @classmethod
    def of(cls, title: str, *parts: Block | Section) -> Section:
        """A section of blocks and, after them, sub-sections."""
        return cls(
            title,
            tuple(part for part in parts if not isinstance(part, Section)),
            tuple(part for part in parts if isinstance(part, Section)),
        )


@dataclass(frozen=True, slots=True)
class Statement:
    """A whole statement.

    Attributes:
        cover: Name and value of what the cover tells.
    """

    title: str
    cover: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]

    def numbered(self) -> Iterator[tuple[str, Section]]:
        """Every section with its number, such as ``4.2.1``, in the order of reading."""
        return _numbered(self.sections, "")

    def table(self, name: str) -> Table:
        """The table of that name.

        Raises:
            KeyError: There is none.
        """
        for _, section in self.numbered():
            for block in section.blocks:
                if isinstance(block, Table) and block.name == name:
                    return block
        raise KeyError(name)


def _numbered(sections: Sequence[Section], prefix: str) -> Iterator[tuple[str, Section]]:
    for index, section in enumerate(sections, start=1):
        number = f"{prefix}{index}"
        yield number, section
        yield from _numbered(section.sections, f"{number}.")
