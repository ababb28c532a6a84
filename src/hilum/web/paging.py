"""Cursors: where a list goes on, as text that nobody has to understand."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Generic, TypeVar

from fastapi import HTTPException, Path, Query
from pydantic import AfterValidator, AwareDatetime

Item = TypeVar("Item")

#: The largest number that a row can have.
_MOST: Final = 2**63 - 1


def _utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("out of the range of times") from None


Limit = Annotated[int, Query(ge=1, le=500, description="How many at most.")]
Cursor = Annotated[str | None, Query(max_length=500, description="`next` of the page before.")]


#: Of rows that have numbers.
Number = Annotated[int, Path(ge=1, le=_MOST)]
NumberQuery = Annotated[int | None, Query(ge=1, le=_MOST)]
#: Of rows that have textual ids, and of names.
Name = Annotated[str, Path(min_length=1, max_length=128)]
NameQuery = Annotated[str | None, Query(min_length=1, max_length=128)]
_Moment = Annotated[AwareDatetime, AfterValidator(_utc)]
Since = Annotated[_Moment | None, Query(description="This time or later, with its zone.")]
Until = Annotated[_Moment | None, Query(description="Before this time, with its zone.")]
Study = Annotated[str | None, Query(min_length=1, max_length=64, description="Study Instance UID.")]
Patient = Annotated[str | None, Query(min_length=1, max_length=1024, description="Patient ID, whole and exact.")]


def moment(value: object) -> datetime:
    """A time as ``encode`` wrote it.

    Raises:
        ValueError: It is none.
    """
    return _utc(datetime.fromisoformat(text(value)))


def number(value: object) -> int:
    """The number of a row.

    Raises:
        ValueError: No row can have it.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST:
        raise ValueError(value)
    return value


def text(value: object) -> str:
    """A text.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(value, str):
        raise ValueError(value)  # noqa: TRY004  what ``decode`` expects
    value.encode()  # halves of characters, which JSON can have
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet(Generic[Item]):
    """A part of a list, and the cursor of what follows; ``shape.Page`` is how it looks."""

    items: Sequence[Item]
    next: str | None


def encode(*key: object) -> str:
    """The cursor behind an item with this key: texts, numbers and times."""
    plain = [part.isoformat() if isinstance(part, datetime) else part for part in key]
    return base64.urlsafe_b64encode(json.dumps(plain).encode()).decode().rstrip("=")


def decode(cursor: str | None, kinds: Sequence[Callable[[Any], Any]]) -> tuple[Any, ...] | None:
    """The key that a cursor stands for.

    Args:
        kinds: Makes each part of the key what it was; raises ``ValueError`` or ``TypeError`` for what it never was.
    """
    if cursor is None:
        return None
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)))
        return tuple(kind(part) for kind, part in zip(kinds, key, strict=True))
    except (ValueError, TypeError, RecursionError, binascii.Error):
        raise HTTPException(422, f"{cursor!r} is no cursor of this list; use `next` of the page before") from None


def page(found: Sequence[Item], limit: int, key: Callable[[Item], tuple[object, ...]]) -> Sheet[Item]:
    """The first ``limit`` of what was found, which is one more if there is more."""
    more = len(found) > limit
    items = found[:limit]
    return Sheet(items=items, next=encode(*key(items[-1])) if more else None)
