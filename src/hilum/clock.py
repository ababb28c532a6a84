"""The only place that reads the wall clock; everything below is handed ``now``."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

#: Gives the present as aware UTC. Steps take one as an argument, so that a test can move time.
Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The system's wall clock."""
    return datetime.now(UTC)


def since_boot() -> float:
    """Seconds since the machine was started, those in which it slept included; never goes back, never jumps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class SteadyClock:
    """The wall clock as it was when this was made, carried on by the time since boot.

    A gateway's timers are moments: when a window ends, when a file may be removed. A system clock that is put forward
    by a year would end them all at once, one that is put back would end none.
    """

    def __init__(self, wall: Clock = utc_now, elapsed: Callable[[], float] = since_boot) -> None:
        self._wall = wall
        self._elapsed = elapsed
        self._made_at = wall()
        self._made = elapsed()

    def __call__(self) -> datetime:
        """The present."""
        return self._made_at + timedelta(seconds=self._elapsed() - self._made)

    @property
    def jumped(self) -> timedelta:
        """How far the system's clock was put forward since; negative if it was put back."""
        return self._wall() - self()
