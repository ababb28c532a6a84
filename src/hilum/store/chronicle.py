"""Turns what acceptors tell into the log, and what an operator may ask about later into history."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, assert_never

import structlog
from structlog.contextvars import bind_contextvars, unbind_contextvars

from hilum.association.observer import (
    AssociationAccepted,
    AssociationEnded,
    AssociationEvent,
    AssociationRejected,
    ConnectionDropped,
    InstanceRefused,
)
from hilum.association.sink import Ending
from hilum.clock import Clock
from hilum.errors import HilumError
from hilum.ledger.database import Database
from hilum.ledger.transition import note

_log = structlog.get_logger("hilum.association")


class Repeats:
    """Lets the first of many through, and then one a minute, for each of the hosts that came last. Thread-safe."""

    _PAUSE: Final = timedelta(minutes=1)
    _HOSTS: Final = 1024

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._passed: dict[str, tuple[datetime, int]] = {}  # the last one let through, and how many were not since

    def more(self, host: str, now: datetime) -> int | None:
        """How many were held back since the last one that passed; ``None``: this one is held back, too."""
        with self._guard:
            passed, count = self._passed.pop(host, (now - self._PAUSE, 0))
            held_back = now - passed < self._PAUSE
            self._passed[host] = (passed, count + 1) if held_back else (now, 0)
            if len(self._passed) > self._HOSTS:
                del self._passed[next(iter(self._passed))]
        return None if held_back else count


@dataclass(frozen=True, slots=True, kw_only=True)
class Chronicle:
    """An observer; see ``hilum.association.observer.Observer``."""

    database: Database
    clock: Clock
    _strangers: Repeats = field(default_factory=Repeats, init=False)

    def __call__(self, event: AssociationEvent) -> None:
        """Write it down; never raises, since the thread of a connection calls it."""
        match event:
            case ConnectionDropped():
                self._dropped(event)
            case AssociationRejected():
                self._rejected(event)
            case AssociationAccepted(association=info):
                # The thread of this connection: all that it logs from here on is about this association.
                bind_contextvars(association=info.id)
                _log.info(
                    "association.accepted",
                    association=info.id,
                    calling=info.calling,
                    called=info.called,
                    host=info.host,
                    contexts=f"{event.accepted_contexts}/{event.proposed_contexts}",
                    implementation=event.implementation,
                )
            case InstanceRefused():
                self._refused(event)
            case AssociationEnded():
                self._ended(event)
                unbind_contextvars("association")
            case never:
                assert_never(never)

    def _dropped(self, event: ConnectionDropped) -> None:
        """Strangers who hammer at the port do not fill the ledger: the log has each of them, the history some."""
        if not event.remedy:
            _log.info("connection.dropped", host=event.host, port=event.port, why=event.why)
            return
        _log.warning("connection.dropped", host=event.host, port=event.port, why=event.why, remedy=event.remedy)
        more = self._strangers.more(event.host, self.clock())
        if more is not None:
            before = f" (and {more} connections more since the line before)" if more else ""
            self._note("connection", event.host, "dropped", event.why + before, event.remedy)

    def _ended(self, event: AssociationEnded) -> None:
        info, tally = event.association, event.tally
        seconds = round(event.duration.total_seconds(), 3)
        counts = {"stored": tally.stored, "ignored": tally.passed_over, "refused": tally.refused}
        traffic = {"echoes": tally.echoes, "bytes": tally.data_bytes, "seconds": seconds}
        if event.how is None:
            _log.info("association.ended", association=info.id, how="released", **counts, **traffic)
            return
        cause = {"how": str(event.how), "why": event.why, "remedy": event.remedy}
        _log.warning("association.ended", association=info.id, **cause, **counts, **traffic)
        # What has stored something gets a line of history when it is held, unless that fails too; who only looked in,
        # as monitors do, needs none.
        looked_in = event.how is Ending.LOST and not tally.data_bytes
        if event.how is Ending.FAILED or not (tally.stored or looked_in):
            why = f"{info.calling} from {info.host}: {event.how}: {event.why}"
            self._note("association", info.id, "broken", why, event.remedy)

    def _rejected(self, event: AssociationRejected) -> None:
        _log.warning(
            "association.rejected",
            calling=event.calling,
            called=event.called,
            host=event.host,
            answer=str(event.reject),
            why=event.why,
            remedy=event.remedy,
        )
        self._note("association", event.host, "rejected", event.why, event.remedy)

    def _refused(self, event: InstanceRefused) -> None:
        remedy = _REMEDIES.get(event.status & 0xFF00, "compare what the sender's log says of this instance")
        _log.warning(
            "instance.refused",
            association=event.association.id,
            status=f"{event.status:04X}H",
            why=event.comment,
            remedy=remedy,
            sop_class=event.sop_class,
            sop_instance=event.sop_instance,
        )
        why = f"answered status {event.status:04X}H to {event.association.calling}: {event.comment}"
        self._note("instance", event.sop_instance, "refused", why, remedy)

    def _note(self, machine: str, subject: str, event: str, why: str, remedy: str) -> None:
        try:
            with self.database.note() as connection:
                note(connection, machine, subject[:128], event, now=self.clock(), why=why, remedy=remedy)
        except HilumError as error:
            _log.error("history.not_written", subject=subject, error=str(error))


_REMEDIES = {
    0xA700: "make room on the disk of storage.temporary, or raise storage.watermark-percent; the sender can try again",
    0xA900: "the sender mixes up instances: its data set is not the one its command names; send the study again",
    0xC000: "the data set arrived damaged; check it at the sender and send it again",
}
