"""Turns what acceptors tell into the log, and what an operator may ask about later into history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

import structlog

from hilum.association.observer import (
    AssociationAccepted,
    AssociationEnded,
    AssociationEvent,
    AssociationRejected,
    ConnectionDropped,
    InstanceRefused,
)
from hilum.clock import Clock
from hilum.errors import HilumError
from hilum.ledger.database import Database
from hilum.ledger.transition import note

_log = structlog.get_logger("hilum.association")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chronicle:
    """An observer; see ``hilum.association.observer.Observer``."""

    database: Database
    clock: Clock

    def __call__(self, event: AssociationEvent) -> None:
        """Write it down; never raises, since the thread of a connection calls it."""
        match event:
            case ConnectionDropped():
                _log.info("connection.dropped", host=event.host, port=event.port, why=event.why)
            case AssociationRejected():
                self._rejected(event)
            case AssociationAccepted(association=info):
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
            case AssociationEnded(association=info, tally=tally):
                _log.info(
                    "association.released" if event.how is None else "association.broken",
                    association=info.id,
                    **({} if event.how is None else {"how": str(event.how), "why": event.why}),
                    stored=tally.stored,
                    ignored=tally.passed_over,
                    refused=tally.refused,
                    echoes=tally.echoes,
                    bytes=tally.data_bytes,
                    seconds=round(event.duration.total_seconds(), 3),
                )
            case never:
                assert_never(never)

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
        _log.warning(
            "instance.refused",
            association=event.association.id,
            status=f"{event.status:04X}H",
            why=event.comment,
            sop_class=event.sop_class,
            sop_instance=event.sop_instance,
        )
        why = f"answered status {event.status:04X}H to {event.association.calling}: {event.comment}"
        remedy = _REMEDIES.get(event.status & 0xFF00, "compare what the sender's log says of this instance")
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
