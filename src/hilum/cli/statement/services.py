"""What the overview and both application entities have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hilum.cli.statement.document import Section, Table
from hilum.wire import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

#: Too many for a row each.
_STORAGE: Final = (
    ("All Storage SOP classes of PS3.6", "as listed in *Storage SOP classes*"),
    ("Storage SOP classes that a later edition adds", "below 1.2.840.10008.5.1.4.1.1"),
    ("Private SOP classes", "outside 1.2.840.10008"),
)


def storage(*support: str) -> Sequence[Sequence[str]]:
    """The rows of the Storage SOP classes: name, UID and what is the same for all of them."""
    return [(name, uid, *support) for name, uid in _STORAGE]


def identification(name: str) -> Section:
    """How an AE tells peers what it is.

    Args:
        name: Of the table.
    """
    rows = [
        ("Implementation Class UID", IMPLEMENTATION_CLASS_UID),
        ("Implementation Version Name", IMPLEMENTATION_VERSION_NAME),
    ]
    return Section.of("Implementation identifying information", Table.of(name, ("Property", "Value"), rows))
