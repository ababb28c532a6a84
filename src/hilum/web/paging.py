"""Cursors: where a list goes on, as text that nobody has to understand."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import HTTPException, Query

from hilum.web.shape import Page

Item = TypeVar("Item")

Limit = Annotated[int, Query(ge=1, le=500, description="How many at most.")]
Cursor = Annotated[str | None, Query(max_length=500, description="`next` of the page before.")]


def encode(*key: object) -> str:
    """The cursor behind an item with this key."""
    return base64.urlsafe_b64encode(json.dumps(key, default=str).encode()).decode().rstrip("=")


def decode(cursor: str | None, kinds: Sequence[Callable[[Any], Any]]) -> tuple[Any, ...] | None:
    """The key that a cursor stands for.

    Args:
        kinds: Makes each part of the key what it was; raises ``ValueError`` or ``TypeError`` for what it never was.
    """
    if cursor is None:
        return None
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return tuple(kind(part) for kind, part in zip(kinds, key, strict=True))
    except (ValueError, TypeError, binascii.Error):
        raise HTTPException(422, f"{cursor!r} is no cursor of this list; use `next` of the page before") from None


def page(found: Sequence[Item], limit: int, key: Callable[[Item], tuple[object, ...]]) -> Page[Item]:
    """The first ``limit`` of what was found, which is one more if there is more."""
    more = len(found) > limit
    items = list(found[:limit])
    return Page[Any](items=items, next=encode(*key(items[-1])) if more else None)
