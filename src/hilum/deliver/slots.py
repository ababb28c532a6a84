"""How much goes on at once: associations in all, and parcels for each destination."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

#: How soon who waits for a place notices that the gateway stops.
_LOOK_SECONDS: Final = 0.5


class Stop(Protocol):
    """Something that says when to stop: a ``threading.Event``, for example."""

    def is_set(self) -> bool:
        """Whether it is time; once it is, it stays so."""


class StoppedError(Exception):
    """It is time to stop: what has not begun is left for later."""


class Slots:
    """At most so many outgoing associations at once; the limit may change while some are open."""

    def __init__(self) -> None:
        self._free = threading.Condition()
        self._taken = 0

    @contextmanager
    def one(self, limit: int, stopping: Stop | None = None) -> Iterator[None]:
        """Wait for a free slot and hold it.

        Raises:
            StoppedError: There was none before it was time to stop.
        """
        with self._free:
            while not self._free.wait_for(lambda: self._taken < limit, _LOOK_SECONDS):
                if stopping is not None and stopping.is_set():
                    raise StoppedError
            self._taken += 1
        try:
            yield
        finally:
            with self._free:
                self._taken -= 1
                self._free.notify_all()


class Traffic:
    """How many parcels each destination has under way, and how many it may have.

    One that was down starts slowly: with one parcel, then twice as many after each that went well. It has just come
    back, with a backlog waiting, and what felled it may have been too much at once. Kept in memory: after a restart a
    destination that is up is trusted.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: dict[object, str] = {}
        self._served: Counter[str] = Counter()
        self._allowed: dict[str, int] = {}

    def begin(self, key: object, destination: str) -> None:
        """A parcel is under way until ``end`` is called with the same key."""
        with self._lock:
            self._under_way[key] = destination
            self._served[destination] += 1

    def end(self, key: object) -> None:
        """The parcel is not under way any more; no harm if it was not."""
        with self._lock:
            self._under_way.pop(key, None)

    def served(self, destination: str) -> int:
        """How many parcels this destination has been given since the gateway was started."""
        with self._lock:
            return self._served[destination]

    def slow(self, destinations: Collection[str]) -> None:
        """Start with one parcel at a time."""
        with self._lock:
            self._allowed |= dict.fromkeys(destinations, 1)

    def went_well(self, destination: str, most: int) -> None:
        """A parcel was carried: twice as many may go now, up to ``most``."""
        with self._lock:
            if destination in self._allowed:
                self._allowed[destination] *= 2
                if self._allowed[destination] >= most:
                    del self._allowed[destination]

    def full(self, most: int) -> frozenset[str]:
        """Destinations that have as many parcels under way as they may.

        Args:
            most: What one that is well may have.
        """
        with self._lock:
            going = Counter(self._under_way.values())
            return frozenset(name for name, count in going.items() if count >= min(most, self._allowed.get(name, most)))
