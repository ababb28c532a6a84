"""Writes into the history when the disk gets too full for new instances, and when it has room again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from hilum.ledger import timers
from hilum.ledger.database import Database
from hilum.ledger.transition import note

#: How long there must be room before it counts: files that are removed and written make it flicker.
SETTLED: Final = timedelta(minutes=1)
FULL: Final = "disk full"
ROOM: Final = "disk has room"
_SUBJECT: Final = "storage"


@dataclass(slots=True, kw_only=True)
class DiskStep:
    """Looks at the watermark at each poll; a line of history for each change.

    Attributes:
        full: Why there is no room, or ``None``.
        on_duty: Whether this is the gateway that says so: those that share a ledger share the disks.
    """

    database: Database
    full: Callable[[], str | None]
    on_duty: Callable[[], bool] = lambda: True
    name: ClassVar[str] = "disk"
    concurrency: ClassVar[int] = 1
    _said_full: bool | None = None
    _room_since: datetime | None = None

    def claim(self, now: datetime, until: datetime, limit: int) -> Sequence[str | None]:  # noqa: ARG002
        """Why there is no room, or ``None`` for room, if that is not in the history yet."""
        if not self.on_duty():
            self._said_full = None  # whoever is says it meanwhile
            return ()
        why = self.full()
        if why is None:
            self._room_since = self._room_since or now
        else:
            self._room_since = None
        if self._said_full is None:
            with self.database.read() as connection:
                self._said_full = timers.last_event(connection, "disk", _SUBJECT) == FULL
        if (why is not None) == self._said_full:
            return ()
        if self._room_since is not None and now - self._room_since < SETTLED:
            return ()
        return (why,)

    def act(self, why: str | None) -> None:
        """Nothing is to be done: who accepts looks at the watermark itself."""

    def record(self, why: str | None, outcome: None, now: datetime) -> None:  # noqa: ARG002
        """Say so."""
        full = why is not None
        remedy = "make room; no new associations and instances are taken until then" if full else ""
        with self.database.write() as connection:
            note(connection, "disk", _SUBJECT, FULL if full else ROOM, now=now, why=why or "", remedy=remedy)
        self._said_full = full

    def failed(self, why: str | None, error: Exception, now: datetime) -> None:
        """Said at the next poll; the disk of the ledger may be the one that is full."""

    def renew(self, works: Sequence[str | None], until: datetime) -> None:
        """There is no lease."""

    def next_due(self, now: datetime) -> datetime | None:  # noqa: ARG002
        """Disks fill when they like."""
        return None
