"""A PACS that knows which gateway calls, and whose answers may never have been read or written down."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from crash.archive import Archive
from hilum.association.sink import AssociationSink, Ending
from hilum.model import AssociationInfo

_NEVER = float("inf")
#: So long after it was hurt, a gateway may still end what it was just beginning.
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
    """Of an association that a gateway had while it or its database was hurt, one answer is in doubt.

    Each answer is written down before the next file is sent: so there is one file that somebody else sends again. Who
    was not hurt has no excuse, however its association ended.
    """

    spans: list[Span] = field(default_factory=list)
    hurt: list[tuple[str, float, float]] = field(default_factory=list)

    def open(self, association: AssociationInfo) -> AssociationSink:  # type: ignore[override]
        span = Span(association.id, association.calling, time.monotonic())
        self.spans.append(span)
        return _Timed(super().open(association), span)

    def excuse(self, callings: Iterable[str], begun: float, over: float) -> None:
        """These gateways died, did nothing or had no database between these moments."""
        self.hurt += [(calling, begun, over + _GRACE) for calling in callings]

    def unknown_outcomes(self) -> int:
        doubtful = {
            span.id
            for span in self.spans
            for calling, begun, over in self.hurt
            if span.calling == calling and span.begun <= over and span.over >= begun
        }
        return len({one.association.id for one in self.accepted} & doubtful)


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
