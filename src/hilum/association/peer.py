"""The other side of an association that Hilum opens, and how it may refuse."""

from __future__ import annotations

from dataclasses import dataclass

from hilum.errors import HilumError, PermanentError, TemporaryError
from hilum.model import AETitle
from hilum.wire import Reject


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Where to connect, and under which title the peer is called.

    Attributes:
        host: IPv4 or IPv6 address, or a host name.
    """

    host: str
    port: int
    called: AETitle

    def __str__(self) -> str:
        """As in ``PACS at 10.0.0.6:104``."""
        return f"{self.called} at {f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


class AssociationRejectedError(HilumError):
    """The peer answered with A-ASSOCIATE-RJ; always raised as one of its two children.

    Attributes:
        reject: What the peer said.
    """

    reject: Reject


class TransientRejectError(AssociationRejectedError, TemporaryError):
    """The same request may succeed later."""

    def __init__(self, message: str, *, reject: Reject) -> None:
        super().__init__(message)
        self.reject = reject


class PermanentRejectError(AssociationRejectedError, PermanentError):
    """The configuration of one side must change first."""

    def __init__(self, message: str, *, reject: Reject) -> None:
        super().__init__(message)
        self.reject = reject
