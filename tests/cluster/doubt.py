"""A PACS that knows which gateway calls, and whose answers may have come too late to be written down."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from crash.archive import Archive
from hilum.association.sink import AssociationSink, Ending
from hilum.model import AssociationInfo

_NEVER = float("inf")
#: So long after it went on, a gateway may still end what it was just beginning.
_GRACE = 5.0


@dataclass(slots=True)
class Span:
    """One association: by whom, from when, until when."""

    id: str
    calling: str
    begun: float
    over: float = _NEVER


@dataclass
class Doubts(Archive):
    """Of an association that a gateway had while it was taken for dead, one answer is in doubt.

    It asks whether a file is still its own before it sends it, and writes each answer down before the next; so it can
    have sent one that somebody else sends again.
    """

    spans: list[Span] = field(default_factory=list)
    late: list[tuple[str, float, float]] = field(default_factory=list)

    def open(self, association: AssociationInfo) -> AssociationSink:  # type: ignore[override]
        span = Span(association.id, association.calling, time.monotonic())
        self.spans.append(span)
        return _Timed(super().open(association), span)

    def was_late(self, calling: str, begun: float, over: float) -> None:
        """A gateway did nothing between these moments, and for longer than its lease."""
        self.late.append((calling, begun, over + _GRACE))

    def unknown_outcomes(self) -> int:
        late = {
            span.id
            for span in self.spans
            for calling, begun, over in self.late
            if span.calling == calling and span.begun <= over and span.over >= begun
        }
        return len({one.association.id for one in self.accepted} & (self.unreleased | late))


class _Timed:
    """A sink that tells when its association ended."""

    def __init__(self, sink: AssociationSink, span: Span) -> None:
        self._sink, self._span = sink, span
        self.begin = sink.begin

    def release(self) -> None:
        self._span.over = time.monotonic()
        self._sink.release()

    def broken(self, how: Ending, why: str) -> None:
        self._span.over = time.monotonic()
        self._sink.broken(how, why)
