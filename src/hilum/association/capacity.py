"""How many connections and associations there are, and how many there may be."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

from hilum.association.admission import Accepted, Rejected


class Capacity:
    """Counts what is open; shared by all threads of one server.

    A connection without an association is *waiting*: before its A-ASSOCIATE-RQ is complete, and again after its
    association has ended while the peer has not closed. Waiting connections are limited so that strangers cannot use
    up threads; they never take the place of an association.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: Counter[str] = Counter()
        self._associations = 0

    @property
    def associations(self) -> int:
        """Associations open now."""
        with self._changed:
            return self._associations

    def enter(self, host: str, *, total: int, per_host: int) -> str | None:
        """Count one more waiting connection, or tell as one clause why it must be closed and do not count it."""
        with self._changed:
            if self._waiting.total() >= total:
                return f"{total} connections without an association are open, the limit of limits.pre-association"
            if self._waiting[host] >= per_host:
                return _too_many_of_one(per_host)
            self._waiting[host] += 1
            return None

    def know(self, host: str, real: str, *, per_host: int) -> str | None:
        """A waiting connection of a load balancer is another host's in truth; tells as ``enter`` why it may not be."""
        with self._changed:
            if self._waiting[real] >= per_host:
                return _too_many_of_one(per_host)
            self._forget(host)
            self._waiting[real] += 1
            return None

    def leave(self, host: str) -> None:
        """A waiting connection is closed."""
        with self._changed:
            self._forget(host)

    def admit(self, host: str, decide: Callable[[int], Accepted | Rejected]) -> Accepted | Rejected:
        """Let ``decide`` judge with the number of open associations; if it accepts, the connection is an association.

        Nobody else is admitted meanwhile, so the limit holds exactly.
        """
        with self._changed:
            decision = decide(self._associations)
            if isinstance(decision, Accepted):
                self._associations += 1
                self._forget(host)
            return decision

    def end(self, host: str) -> None:
        """An association is over; its connection waits for the peer to close."""
        with self._changed:
            self._associations -= 1
            self._waiting[host] += 1
            self._changed.notify_all()

    def wait_until_empty(self, timeout: timedelta) -> bool:
        """Wait until no association is open; ``False`` if time ran out."""
        with self._changed:
            return self._changed.wait_for(lambda: self._associations == 0, timeout.total_seconds())

    def _forget(self, host: str) -> None:
        self._waiting[host] -= 1
        if not self._waiting[host]:
            del self._waiting[host]


def _too_many_of_one(per_host: int) -> str:
    return (
        f"{per_host} connections without an association are open from this host, "
        "the limit of limits.pre-association-per-host"
    )
