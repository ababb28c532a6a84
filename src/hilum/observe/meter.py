"""What the parts of a gateway tell whoever counts, in words of their own: none of them knows a metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Protocol

from hilum.observe.durations import Durations


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A line of history that is in the ledger for good.

    Attributes:
        machine: What it is about: group, job, delivery, and so on.
        before: The state before; empty for what is new or has none.
        about: Of its row, what tells it from others of its kind without naming a patient, by column.
        since: Of its row as it was before, moments from which something is counted, by column.
    """

    machine: str
    event: str
    at: datetime
    before: str = ""
    after: str = ""
    about: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    since: Mapping[str, datetime] = field(default_factory=lambda: _NEVER)


_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_NEVER: Final[Mapping[str, datetime]] = MappingProxyType({})


class Phase(StrEnum):
    """What a step does of a work."""

    CLAIM = "claim"
    ACT = "act"
    RECORD = "record"


class Meter(Protocol):
    """Is told; quick, and never raises. Called from any thread."""

    def changed(self, changes: Sequence[Change]) -> None:
        """The lines of one transaction, in their order, now that it is over."""

    def transaction(self, kind: str, *, waited: float, seconds: float) -> None:
        """One of the ledger came off.

        Args:
            kind: ``write``, ``note`` or ``read``.
            waited: Seconds for other writers of this process.
            seconds: From its begin to its commit.
        """

    def transaction_failed(self, kind: str) -> None:
        """The ledger could not be used."""

    def checkpoint(self, *, seconds: float, ok: bool) -> None:
        """The ledger moved its log into the database, or could not."""

    def begins(self, step: str) -> None:
        """A step begins to run: whatever is told of it from here on, it is known by this name."""

    def stepped(self, step: str, phase: Phase, seconds: float) -> None:
        """A phase of a step came to its end."""

    def worked(self, step: str, *, ok: bool) -> None:
        """A work of a step came to its end."""

    def renewed(self, step: str, leases: int, *, ok: bool) -> None:
        """Leases of a step were kept, or could not be."""

    def lease_lost(self, step: str) -> None:
        """The work of a step counted for nothing: somebody else had the row by then."""

    def sent(self, destination: str, data_bytes: int) -> None:
        """A parcel is over.

        Args:
            data_bytes: Of the data sets that the destination took.
        """

    def synced(self, what: str, durations: Durations) -> None:
        """How long an association waited for the disk.

        Args:
            what: For each ``instance``, or once for the ``association``: as ``durability`` says.
        """


class _Silent:
    """Counts nothing."""

    def changed(self, changes: Sequence[Change]) -> None: ...

    def transaction(self, kind: str, *, waited: float, seconds: float) -> None: ...

    def transaction_failed(self, kind: str) -> None: ...

    def checkpoint(self, *, seconds: float, ok: bool) -> None: ...

    def begins(self, step: str) -> None: ...

    def stepped(self, step: str, phase: Phase, seconds: float) -> None: ...

    def worked(self, step: str, *, ok: bool) -> None: ...

    def renewed(self, step: str, leases: int, *, ok: bool) -> None: ...

    def lease_lost(self, step: str) -> None: ...

    def sent(self, destination: str, data_bytes: int) -> None: ...

    def synced(self, what: str, durations: Durations) -> None: ...


SILENT: Final[Meter] = _Silent()
