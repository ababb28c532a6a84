"""A clock for a gateway whose waits would be too long for a test."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class MovableClock:
    """The time of day, and what a test adds to it."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def move(self, seconds: float) -> None:
        self._ahead += timedelta(seconds=seconds)
