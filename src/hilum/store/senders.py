"""Keeps how senders behave: in memory while they send, in the ledger once a second."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Final

from hilum.association.observer import AssociationEnded, AssociationEvent, Observer
from hilum.clock import Clock
from hilum.ledger import senders
from hilum.ledger.database import Database
from hilum.ledger.senders import Behaviour, SenderKey

#: Senders of one second; strangers with invented titles do not fill the memory.
_MOST: Final = 256


class SenderBook:
    """Sums up what ended since it was emptied. Thread-safe."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._sums: dict[SenderKey, Behaviour] = {}

    def add(self, event: AssociationEnded, now: datetime) -> None:
        """Count an association that is over."""
        info, tally, manners = event.association, event.tally, event.manners
        if not (tally.stored or tally.passed_over or tally.refused or manners.refused):
            return  # who only looks in, as monitors do, is no sender
        key = SenderKey(calling=info.calling, called=info.called, host=info.host)
        behaviour = Behaviour(
            implementation=manners.implementation if manners.implementation.isprintable() else "",
            last_at=now,
            associations=1,
            broken=int(event.how is not None),
            instances=tally.stored + tally.passed_over + tally.refused,
            bytes=tally.data_bytes,
            pdus=manners.pdus,
            seconds=event.duration.total_seconds(),
        )
        behaviour.pauses.add_all(manners.pauses)
        behaviour.stalls.add_all(manners.stalls)
        behaviour.refused.update(manners.refused)
        with self._guard:
            if key in self._sums:
                self._sums[key].add(behaviour)
            elif len(self._sums) < _MOST:
                self._sums[key] = behaviour

    def take(self) -> Mapping[SenderKey, Behaviour]:
        """All of it, which is then no longer here."""
        with self._guard:
            taken, self._sums = self._sums, {}
        return taken

    def put_back(self, taken: Mapping[SenderKey, Behaviour]) -> None:
        """What could not be written."""
        with self._guard:
            for key, behaviour in taken.items():
                if key in self._sums:
                    behaviour.add(self._sums[key])
                self._sums[key] = behaviour


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """An observer that counts ends in a book and then tells another one."""

    book: SenderBook
    clock: Clock
    then: Observer

    def __call__(self, event: AssociationEvent) -> None:
        """Never raises, since the thread of a connection calls it."""
        if isinstance(event, AssociationEnded):
            self.book.add(event, self.clock())
        self.then(event)


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderStep:
    """What the book has in, nothing out: rows of the day."""

    database: Database
    book: SenderBook = field(default_factory=SenderBook)
    name: ClassVar[str] = "senders"
    concurrency: ClassVar[int] = 1

    def claim(self, now: datetime, until: datetime, limit: int) -> Sequence[Mapping[SenderKey, Behaviour]]:  # noqa: ARG002
        """All that ended since the last time."""
        taken = self.book.take()
        return [taken] if taken else []

    def act(self, taken: Mapping[SenderKey, Behaviour]) -> None:
        """Nothing is to be done."""

    def record(self, taken: Mapping[SenderKey, Behaviour], outcome: None, now: datetime) -> None:  # noqa: ARG002
        """Write it; a power cut may undo that."""
        with self.database.note() as connection:
            senders.record(connection, taken, now=now)

    def failed(self, taken: Mapping[SenderKey, Behaviour], error: Exception, now: datetime) -> None:  # noqa: ARG002
        """Again at the next poll."""
        self.book.put_back(taken)

    def renew(self, works: Sequence[Mapping[SenderKey, Behaviour]], until: datetime) -> None:
        """There is no lease."""

    def next_due(self, now: datetime) -> datetime | None:  # noqa: ARG002
        """Looked at with each poll."""
        return None
