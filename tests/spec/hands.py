"""A clock that a test moves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class Hands:
    """The time of day, and what a test adds to it."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def move(self, seconds: float) -> None:
        self.ahead += timedelta(seconds=seconds)
