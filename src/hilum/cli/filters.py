"""Words of the command line that must be one of some."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

from hilum.cli import words
from hilum.cli.exit import UsageError

E = TypeVar("E", bound=StrEnum)


def one_of(kind: type[E], text: str) -> E:
    """The member that is meant; ``-`` and ``_`` count as spaces, so that a shell needs no quotes.

    Raises:
        UsageError: There is none; the message lists them.
    """
    plain = text.strip().lower().replace("-", " ").replace("_", " ")
    for member in kind:
        if member.value == plain:
            return member
    known = [member.value.replace(" ", "-") for member in kind]
    raise UsageError(f"{text!r} is no state of a {kind.__name__.lower()}; expected {words.listed(known, 'or')}")
