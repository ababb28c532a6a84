"""Sends due deliveries and writes down what the peer said of each file."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Final, assert_never

from sqlalchemy import Connection
from structlog.contextvars import bind_contextvars

from hilum import words
from hilum.clock import Clock
from hilum.deliver import policy
from hilum.deliver.outage import Outage
from hilum.deliver.parcel import Carrier, Failed, Outcome
from hilum.deliver.probe import unknown
from hilum.deliver.settings import DeliverySettings
from hilum.deliver.slots import Slots, Traffic
from hilum.errors import TemporaryError
from hilum.ledger import destinations, dispatch
from hilum.ledger.database import Database
from hilum.model import Answer
from hilum.observe.meter import SILENT, Meter
from hilum.retry import RetryAt

#: How soon a parcel that is under way ends after somebody paused its destination.
_LOOK_SECONDS: Final = 1.0
#: How often in a row another gateway may be quicker before this one rests.
_RACES: Final = 3


@dataclass(slots=True, kw_only=True)
class _End:
    """When a parcel ends before its last file: the gateway stops, or its destination is paused."""

    database: Database
    destination: str
    stopping: threading.Event
    _seen: bool = False
    _look_at: float = field(default_factory=lambda: time.monotonic() + _LOOK_SECONDS)

    def is_set(self) -> bool:
        """As ``slots.Stop`` says; asked before each file."""
        if not self._seen and time.monotonic() >= self._look_at:
            with self.database.read() as connection:
                self._seen = destinations.is_paused(connection, self.destination)
            self._look_at = time.monotonic() + _LOOK_SECONDS
        return self._seen or self.stopping.is_set()


@dataclass(slots=True, kw_only=True)
class SendStep:
    """Due deliveries in, delivered, postponed or given up ones out.

    What a peer accepted is recorded file by file as it answers, so that a crash in the middle of a job never sends an
    accepted file again; what failed is recorded at the end.

    Attributes:
        stopping: Set when the gateway stops: a parcel ends after the file that is on its way.
        chance: At random, from 0 to less than 1.
    """

    database: Database
    owner: str
    clock: Clock
    settings: Callable[[], DeliverySettings]
    meter: Meter = SILENT
    stopping: threading.Event = field(default_factory=threading.Event)
    chance: Callable[[], float] = random.random
    name: ClassVar[str] = "deliver"
    #: More than ``max-associations``: a thread that waits for a destination to answer keeps no other one waiting.
    concurrency: ClassVar[int] = 32
    _slots: Slots = field(default_factory=Slots)
    _traffic: Traffic = field(default_factory=Traffic)

    def claim(self, now: datetime, until: datetime, limit: int) -> Sequence[dispatch.Parcel]:
        """Parcels of destinations that are up and can take another association."""
        parcels: list[dispatch.Parcel] = []
        while len(parcels) < limit:
            try:
                parcel = self._claim_one(now, until)
            except TemporaryError:
                if not parcels:
                    raise
                break  # what is leased already goes out
            if parcel is None:
                break
            parcels.append(parcel)
        return parcels

    def _claim_one(self, now: datetime, until: datetime) -> dispatch.Parcel | None:
        for _ in range(_RACES):
            avoid = self._traffic.full(self._most())
            with self.database.read() as connection:
                self._traffic.slow(destinations.names_not_up(connection))
                due = dispatch.next_due(connection, now, avoid)
            if due is None or due > now:
                return None
            with self.database.write() as connection:
                parcel = dispatch.claim_parcel(
                    connection,
                    owner=self.owner,
                    now=now,
                    until=until,
                    avoid=avoid,
                    newest_first=lambda destination: policy.newest_first(self._traffic.served(destination)),
                )
            if parcel is not None:
                self._traffic.begin(_key(parcel), parcel.destination)
                return parcel
        return None

    def _most(self) -> int:
        """Parcels that one destination may have under way.

        None gets every place as long as there is another destination, since one that hangs would take them all.
        """
        settings = self.settings()
        return max(1, settings.max_associations - (len(settings.destinations) > 1))

    def act(self, parcel: dispatch.Parcel) -> Outcome:
        """Send the parcel."""
        bind_contextvars(job=parcel.job_id, destination=parcel.destination)
        settings = self.settings()
        peer = settings.destinations.get(parcel.destination)
        if peer is None:
            return Outcome(down=unknown(parcel.destination))
        end = _End(database=self.database, destination=parcel.destination, stopping=self.stopping)
        carrier = Carrier(parcel=parcel, peer=peer, settings=settings, slots=self._slots, stopping=end, record=self)
        return carrier.carry()

    def begins(self, file: dispatch.DueFile) -> None:
        """As ``parcel.Record`` says."""
        if file.lease.begun == 0:
            with self.database.note() as connection:
                dispatch.begins(connection, file.lease)

    def accepted(self, file: dispatch.DueFile, answer: Answer, following: dispatch.DueFile | None) -> None:
        """As ``parcel.Record`` says."""
        why = "" if answer.status == 0 else f"with warning {answer.status:04X}H {words.said(answer.comment)}".rstrip()
        with self.database.note() as connection:
            dispatch.delivered(connection, file.lease, status=answer.status, why=why, now=self.clock())
            if following is not None:
                dispatch.begins(connection, following.lease)

    def record(self, parcel: dispatch.Parcel, outcome: Outcome, now: datetime) -> None:
        """Postpone or give up what failed, leave alone what was not tried, and write down how the destination is."""
        rule = self.settings().retry
        chance = self.chance()  # one for all: what failed together is to go over one association again
        outage = None
        if outcome.down is not None:
            outage = Outage(destination=parcel.destination, failed=outcome.down, rule=rule, chance=chance, now=now)
        untried = [file.lease for file in parcel.files if file.id not in outcome.accepted | outcome.failed.keys()]
        with self.database.write() as connection:
            for file in parcel.files:
                if file.id in outcome.failed:
                    verdict = policy.next_attempt(
                        outcome.failed[file.id].fault,
                        attempts=file.attempts + 1,
                        queued_at=file.queued_at,
                        now=now,
                        rule=rule,
                        chance=chance,
                    )
                    _record_failed(connection, file, outcome.failed[file.id], verdict, now)
            dispatch.give_back_all(connection, untried)
            if outage is not None:
                failures = outage.begins(connection, took_something=outcome.took_something)
            elif outcome.took_something:
                destinations.took_something(connection, parcel.destination)
        if outage is None:
            self._traffic.went_well(parcel.destination, self._most())
        else:
            self._traffic.slow({parcel.destination})
            outage.give_up_overdue(self.database, failures)
        self._traffic.end(_key(parcel))
        taken = (file.size - file.offset for file in parcel.files if file.id in outcome.accepted)
        self.meter.sent(parcel.destination, sum(taken))

    def failed(self, parcel: dispatch.Parcel, error: Exception, now: datetime) -> None:
        """Something of ours broke: what was not recorded yet waits for the ordinary time."""
        self._traffic.end(_key(parcel))
        wait = now + self.settings().retry.waits[0]
        why = f"{type(error).__name__}: {error}"
        with self.database.write() as connection:
            leases = [file.lease for file in parcel.files]
            dispatch.give_back_all(connection, leases, not_before=wait, why=why)

    def renew(self, works: Sequence[dispatch.Parcel], until: datetime) -> None:
        """A large parcel takes long."""
        with self.database.note() as connection:
            dispatch.renew_all(connection, [file.lease for parcel in works for file in parcel.files], until=until)

    def next_due(self, now: datetime) -> datetime | None:
        """When the next delivery may be tried."""
        with self.database.read() as connection:
            return dispatch.next_due(connection, now, self._traffic.full(self._most()))


def _key(parcel: dispatch.Parcel) -> object:
    """No two claims have the same."""
    return parcel.files[0].lease.id, parcel.files[0].lease.fence


def _record_failed(
    connection: Connection, file: dispatch.DueFile, one: Failed, verdict: RetryAt | policy.GiveUp, now: datetime
) -> None:
    match verdict:
        case RetryAt(when=when):
            dispatch.postponed(connection, file.lease, status=one.status, why=one.why, not_before=when, now=now)
        case policy.GiveUp(why=why, remedy=remedy):
            why = f"{one.why}; {why}"
            dispatch.given_up(connection, file.lease, status=one.status, why=why, remedy=remedy, now=now)
        case never:
            assert_never(never)
