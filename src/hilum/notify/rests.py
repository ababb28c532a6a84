"""Channels through which nothing is to be tried now: somebody is at it, or it has failed a moment ago."""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from hilum.retry import RetryRule, spread


@dataclass(slots=True)
class Rests:
    """One that hangs costs one attempt per wait, however much is due for it. Usable from any thread.

    Kept in memory: a new start may try.
    """

    _busy: set[str] = field(default_factory=set)
    _until: dict[str, datetime] = field(default_factory=dict)
    _failures: dict[str, int] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def avoided(self, now: datetime) -> Collection[str]:
        """Those that are left alone now."""
        with self._guard:
            return self._busy | {name for name, until in self._until.items() if until > now}

    def begins(self, channel: str) -> None:
        """Somebody tries it."""
        with self._guard:
            self._busy.add(channel)

    def ends(self, channel: str) -> None:
        """Nobody does any more."""
        with self._guard:
            self._busy.discard(channel)

    def failed(self, channel: str, *, now: datetime, rule: RetryRule, chance: float) -> None:
        """One attempt came to nothing."""
        with self._guard:
            self._failures[channel] = failures = self._failures.get(channel, 0) + 1
            self._until[channel] = now + spread(rule.wait(failures), chance)

    def went_well(self, channel: str) -> None:
        """It takes notices, or may do so now."""
        with self._guard:
            self._until.pop(channel, None)
            self._failures.pop(channel, None)

    def next_end(self, now: datetime) -> datetime | None:
        """When the next one may be tried again; ``None``: none rests."""
        with self._guard:
            return min((until for until in self._until.values() if until > now), default=None)
