"""The only place that reads the wall clock; everything below is handed ``now``."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

#: Gives the present as aware UTC. Steps take one as an argument, so that a test can move time.
Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The system's wall clock."""
    return datetime.now(UTC)


def since_boot() -> float:
    """Seconds since the machine was started, those in which it slept included; never goes back, never jumps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class KeptClock(Protocol):
    """A clock that goes on as before when the one that it took its time from is moved.

    A gateway's timers are moments: when a window ends, when a file may be removed. A clock that is put forward by a
    year would end them all at once, one that is put back would end none.
    """

    @property
    def source(self) -> str:
        """What it took its time from, for people: "the system clock"."""

    @property
    def jumped(self) -> timedelta:
        """How far that was put forward since; negative if it was put back."""

    def __call__(self) -> datetime:
        """The present."""


class SteadyClock:
    """The wall clock as it was when this was made, carried on by the time since boot."""

    source: Final = "the system clock"

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


#: What a clock that is kept right by network time may differ by; more is a jump.
_FOLLOWED: Final = timedelta(seconds=10)
#: A difference is made up for in so many seconds, or at a tenth of the speed of time.
_SPREAD: Final = 5.0
_FASTEST: Final = timedelta(seconds=_SPREAD / 10)


class MeasuredClock:
    """The clock of a server, as it was found to be, carried on by the time since boot of this machine.

    All who measure the same server agree, to within half the time that asking it takes. Small differences are made up
    for little by little, so that this never goes back; a jump is not followed.

    Args:
        source: Whose clock it is.
        wall: What tells the time until it was measured first.
    """

    def __init__(self, source: str, wall: Clock = utc_now, elapsed: Callable[[], float] = since_boot) -> None:
        self.source: Final = source
        self._elapsed = elapsed
        #: The moment at a time since boot, and what is made up for from then on. Replaced as a whole: threads read it.
        self._line = (elapsed(), wall(), timedelta())
        self._measured = False
        self._off = timedelta()

    def __call__(self) -> datetime:
        """The present."""
        return self._at(self._elapsed())

    def _at(self, elapsed: float) -> datetime:
        begun, moment, correction = self._line
        gone = elapsed - begun
        return moment + timedelta(seconds=gone) + correction * max(0.0, min(1.0, gone / _SPREAD))

    def measured(self, moment: datetime, asked: float, answered: float) -> None:
        """The server said what time it is.

        Args:
            asked, answered: Seconds since boot, before and after.
        """
        middle = (asked + answered) / 2
        if not self._measured:
            self._line, self._measured = (middle, moment, timedelta()), True
            return
        self._off = moment - self._at(middle)
        if abs(self._off) <= _FOLLOWED:
            now = self._elapsed()
            self._line = (now, self._at(now), max(-_FASTEST, min(_FASTEST, self._off)))

    @property
    def jumped(self) -> timedelta:
        """How far the server's clock was put forward since it was measured first; what is followed is no jump."""
        return self._off if abs(self._off) > _FOLLOWED else timedelta()
