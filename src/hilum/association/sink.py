"""Where an acceptor puts what it receives: the seam between an association and the store above it.

The acceptor knows sockets and messages, a sink knows files and the ledger. ``hilum serve`` and ``hilum receive``
each bring their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from hilum.model import Answer, AssociationInfo, StoreRequest


class Ending(StrEnum):
    """How an association ended, if not by release."""

    ABORTED = "aborted"  # the peer sent A-ABORT
    LOST = "connection lost"
    TIMED_OUT = "timed out"
    PROTOCOL_ERROR = "protocol error"  # the peer broke PS3 and was aborted
    STOPPED = "gateway stopped"
    CUT_OFF = "aborted by an operator"
    FAILED = "gateway failed"  # a fault of ours, e.g. the ledger could not record the release


class InstanceWriter(Protocol):
    """Takes one data set, fragment by fragment, in order."""

    def write(self, fragments: Sequence[memoryview]) -> None:
        """Take the next bytes; the views are only valid during the call. Never raises for a full disk: see finish."""

    def finish(self) -> Answer:
        """The data set is complete: make it visible and as durable as configured, or leave nothing.

        The answer says which, and goes to the peer as it is.
        """

    def discard(self) -> None:
        """The data set will never be complete: leave no trace. Also allowed after a failed write."""


class AssociationSink(Protocol):
    """What one association stores. Called by one thread, in the order of the messages."""

    def begin(self, request: StoreRequest) -> InstanceWriter | Answer:
        """Start an instance; an ``Answer`` refuses (or takes and ignores) it: its data set is then read and dropped."""

    def release(self) -> None:
        """Make the association's instances accepted for good; returning is the promise that A-RELEASE-RP gives.

        Raises:
            TemporaryError: They could not be recorded; the association is aborted instead and they are held.
        """

    def broken(self, how: Ending, why: str) -> None:
        """The association ended in any other way. Never raises."""


class Receiver(Protocol):
    """Makes a sink for each accepted association."""

    def congested(self) -> str | None:
        """Why no new association can be taken now (disk above its watermark), or ``None``."""

    def open(self, association: AssociationInfo) -> AssociationSink:
        """Called once the association is accepted; cheap: an association that stores nothing leaves nothing."""
