"""Waiting for what must come, with an end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(
    look: Callable[[], T], *, seconds: float = 20, what: str = "what was waited for", pause: float = 0.02
) -> T:
    """Look until what is seen is true, and return it; fail after so many seconds."""
    end = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come within {seconds} s; the last look saw {seen!r}")
        time.sleep(pause)
