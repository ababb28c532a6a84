"""What ``Connection.receive`` reports to its shell, in the order in which it happened."""

from __future__ import annotations

from dataclasses import dataclass

from hilum.wire.dimse import Command
from hilum.wire.negotiate import ContextResult
from hilum.wire.pdu import Reject
from hilum.wire.request import AssociateRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociateRequested:
    """A well-formed A-ASSOCIATE-RQ came; answer with ``accept`` or ``reject``."""

    request: AssociateRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociateRefused:
    """An A-ASSOCIATE-RQ came that no answer of the shell could save; the A-ASSOCIATE-RJ is queued.

    Attributes:
        called: As received, unchecked.
        calling: As received, unchecked.
        why: For the log: what was found and what was expected.
    """

    called: str
    calling: str
    reject: Reject
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociateAccepted:
    """The peer accepted our request, perhaps without accepting any context.

    Attributes:
        results: One for each proposed context, in the order of the proposal.
        implementation_class_uid: Of the peer, unchecked; may be empty.
        implementation_version_name: Of the peer, unchecked; may be empty.
    """

    results: tuple[ContextResult, ...]
    implementation_class_uid: str
    implementation_version_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociateRejected:
    """The peer rejected our request."""

    reject: Reject


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandReceived:
    """A whole command set came; if it ``has_data``, its data set comes next, on the same context."""

    context_id: int
    command: Command


@dataclass(slots=True)
class DataReceived:
    """The next piece of the data set of the last command.

    Not frozen, though nothing changes it: one is made for nearly every PDU, and freezing costs as much as all the rest.

    Attributes:
        data: Mostly a view into what was passed to ``receive``: valid until that buffer is used again. May be empty if
            it is the last.
        last: Whether the data set is complete with it.
    """

    context_id: int
    data: memoryview
    last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRequested:
    """The peer wants to end in good order; answer with ``confirm_release``. A message begun stays unfinished."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """The release that we asked for is complete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aborted:
    """The association is over, not in good order.

    Attributes:
        source: 0 service user, 2 service provider; unchecked if it is the peer's.
        reason: See ``AbortReason``; unchecked if it is the peer's.
        by_peer: Whether the peer sent the A-ABORT; if not, ours is queued because the peer broke the protocol.
        why: For the log: what was found and what was expected.

    Source: PS3.8 9.3.8.
    """

    source: int
    reason: int
    by_peer: bool
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLost:
    """The transport connection went away first. Source: PS3.8 Table 9-9, AA-4, AA-5."""


WireEvent = (
    AssociateRequested
    | AssociateRefused
    | AssociateAccepted
    | AssociateRejected
    | CommandReceived
    | DataReceived
    | ReleaseRequested
    | Released
    | Aborted
    | ConnectionLost
)
