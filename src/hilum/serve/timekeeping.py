"""Notices that the clock of the system, or of the database server, was moved under a running gateway."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from hilum.clock import KeptClock
from hilum.ledger.database import Database
from hilum.ledger.transition import note

#: What network time corrects in small steps is not worth a line.
_WORTH_SAYING: Final = timedelta(seconds=10)


@dataclass(slots=True, kw_only=True)
class ClockStep:
    """Looks at the clock at each poll. The gateway's own time goes on as if nothing had happened."""

    database: Database
    clock: KeptClock
    owner: str
    name: ClassVar[str] = "clock"
    concurrency: ClassVar[int] = 1
    _said: timedelta = timedelta()

    def claim(self, now: datetime, until: datetime, limit: int) -> Sequence[timedelta]:  # noqa: ARG002
        """How far it jumped, if that is not known yet."""
        jumped = self.clock.jumped
        return [jumped] if abs(jumped - self._said) > _WORTH_SAYING else []

    def act(self, jumped: timedelta) -> None:
        """Nothing is to be done."""

    def record(self, jumped: timedelta, outcome: None, now: datetime) -> None:  # noqa: ARG002
        """Say so, once."""
        way = "forward" if jumped > timedelta() else "back"
        with self.database.write() as connection:
            note(
                connection,
                "gateway",
                self.owner,
                "clock jumped",
                now=now,
                why=f"{self.clock.source} was put {way} by {abs(jumped).total_seconds():.0f} s since the gateway "
                "started; its timers, and the times it writes, go on as before",
                remedy="see to it that the clock is right; the next start takes its time from it, and gateways that "
                "share a ledger should then start anew one after the other",
            )
        self._said = jumped

    def failed(self, jumped: timedelta, error: Exception, now: datetime) -> None:
        """Said at the next poll."""

    def renew(self, works: Sequence[timedelta], until: datetime) -> None:
        """There is no lease."""

    def next_due(self, now: datetime) -> datetime | None:  # noqa: ARG002
        """Clocks jump when they like."""
        return None
