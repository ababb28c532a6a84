"""How many things took how long, counted so that one more costs nothing that anybody could measure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

#: Upper ends of the buckets, in seconds: from what a fast disk takes to what makes a sender give up.
BOUNDS: Final[Sequence[float]] = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)
_NANOSECONDS: Final = [int(bound * 1_000_000_000) for bound in BOUNDS]


class Durations:
    """A histogram that belongs to one thread and is handed over when that is done.

    Attributes:
        counts: For each bucket, the last one without an upper end, how many fell into it alone.
        nanoseconds: The sum of all.
    """

    __slots__ = ("counts", "nanoseconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.nanoseconds = 0

    def add(self, nanoseconds: int) -> None:
        """Count one."""
        self.counts[bisect_left(_NANOSECONDS, nanoseconds)] += 1
        self.nanoseconds += nanoseconds

    def add_all(self, others: Durations) -> None:
        """Count all of another one."""
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, others.counts, strict=True)]
        self.nanoseconds += others.nanoseconds

    @property
    def count(self) -> int:
        """How many."""
        return sum(self.counts)

    @property
    def seconds(self) -> float:
        """The sum of all."""
        return self.nanoseconds / 1_000_000_000

    def cumulative(self) -> Sequence[int]:
        """For each bucket, how many fell into it or a lower one."""
        return list(accumulate(self.counts))
