"""Counts what acceptors tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from hilum.association.observer import (
    AssociationAccepted,
    AssociationEnded,
    AssociationEvent,
    AssociationRejected,
    ConnectionDropped,
    InstanceRefused,
    Observer,
)

if TYPE_CHECKING:
    from hilum.observe.metrics import Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Counting:
    """An observer; see ``hilum.association.observer.Observer``.

    Attributes:
        then: Is told, too.
    """

    metrics: Metrics
    then: Observer

    def __call__(self, event: AssociationEvent) -> None:
        """Count it."""
        match event:
            case ConnectionDropped():
                self.metrics.dropped(event.cause)
            case AssociationRejected():
                self.metrics.rejected(event.called.strip(), event.calling.strip(), event.reject.meaning)
            case AssociationAccepted(association=info):
                self.metrics.accepted(info.called, info.calling)
            case InstanceRefused():
                self.metrics.refused(event.association.called, status_class(event.status))
            case AssociationEnded():
                self._ended(event)
            case never:
                assert_never(never)
        self.then(event)

    def _ended(self, event: AssociationEnded) -> None:
        tally = event.tally
        self.metrics.ended(
            event.association.called,
            event.association.calling,
            "released" if event.how is None else event.how,
            lasted=event.duration,
            instances={"stored": tally.stored, "ignored": tally.passed_over, "refused": tally.refused},
            echoes=tally.echoes,
            data_bytes=tally.data_bytes,
            took=tally.took,
        )


def status_class(status: int) -> str:
    """A failure as Table B.2-1 groups them: A7xx, A9xx, Cxxx; others, which are few, as they are.

    Source: PS3.4 Table B.2-1; PS3.7 C.
    """
    if status & 0xF000 == 0xC000:
        return "Cxxx"
    if status & 0xFF00 in {0xA700, 0xA900}:
        return f"{status >> 8:02X}xx"
    return f"{status:04X}"
