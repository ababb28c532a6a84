"""The only place that reads the wall clock; everything below is handed ``now``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

#: Gives the present as aware UTC. Steps take one as an argument, so that a test can move time.
Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The system's wall clock."""
    return datetime.now(UTC)
