"""Channels that failed, and until when nothing more is tried there."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from hilum.notify.policy import Retries, wait


@dataclass(slots=True)
class Rests:
    """One that hangs costs one attempt per wait, however much is due for it. Kept in memory: a new start may try.

    Not thread-safe by itself: a step records its works on several threads, but two of one channel never at a time.
    """

    _until: dict[str, datetime] = field(default_factory=dict)
    _failures: dict[str, int] = field(default_factory=dict)

    def resting(self, now: datetime) -> Collection[str]:
        """Those that are left alone now."""
        return {name for name, until in self._until.items() if until > now}

    def failed(self, channel: str, *, now: datetime, rule: Retries, chance: float) -> None:
        """One attempt came to nothing."""
        self._failures[channel] = failures = self._failures.get(channel, 0) + 1
        self._until[channel] = now + wait(rule, failures, chance)

    def went_well(self, channel: str) -> None:
        """It takes notices."""
        self._until.pop(channel, None)
        self._failures.pop(channel, None)

    def next_end(self, now: datetime) -> datetime | None:
        """When the next one may be tried again; ``None``: none rests."""
        return min((until for until in self._until.values() if until > now), default=None)
