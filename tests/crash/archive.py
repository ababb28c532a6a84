"""A PACS that remembers, beside what it accepted, which of its answers may never have been read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from harness.pacs import Pacs
from hilum.association.sink import AssociationSink, Ending
from hilum.model import AssociationInfo


@dataclass
class Archive(Pacs):
    """Associations that ended without a release leave their last answer in doubt; see ``unknown_outcomes``."""

    unreleased: set[str] = field(default_factory=set)

    def open(self, association: AssociationInfo) -> AssociationSink:  # type: ignore[override]
        return _Watched(super().open(association), self.unreleased, association.id)

    def received(self) -> Counter[tuple[str, str]]:
        """How often it accepted each SOP Instance UID with each SHA-256."""
        return Counter((one.request.sop_instance, one.digest) for one in self.accepted)

    def unknown_outcomes(self) -> int:
        """Answers that came to a sender which then vanished: it writes each down before it sends the next one."""
        return len({one.association.id for one in self.accepted} & self.unreleased)


class _Watched:
    """A sink that tells how its association ended."""

    def __init__(self, sink: AssociationSink, unreleased: set[str], association: str) -> None:
        self._sink = sink
        self._unreleased = unreleased
        self._association = association
        self.begin = sink.begin
        self.release = sink.release

    def broken(self, how: Ending, why: str) -> None:
        self._unreleased.add(self._association)
        self._sink.broken(how, why)
