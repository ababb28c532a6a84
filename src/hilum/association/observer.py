"""What an acceptor tells the outside while it works: for the history, the log and the metrics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from hilum.association.manners import Manners
from hilum.association.sink import Ending
from hilum.model import AssociationInfo
from hilum.observe.durations import Durations
from hilum.wire import Reject


class Early(StrEnum):
    """Why a connection ended without an association, as far as it can be told apart."""

    TOO_MANY = "too many"
    TIMED_OUT = "timed out"
    BROKE_OFF = "broke off"  # the peer closed it, or sent A-ABORT
    NOT_DICOM = "not DICOM"
    NOT_INTRODUCED = "no PROXY header"  # a balancer did not say for whom it connects
    STOPPED = "gateway stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionDropped:
    """A connection ended before it had sent one complete, usable A-ASSOCIATE-RQ.

    Attributes:
        host: Numeric address of the peer.
        why: E.g. nothing came within ARTIM, what came was not DICOM, too many connections waited.
        remedy: What the operator can do; empty if nothing needs to be done.
    """

    host: str
    port: int
    cause: Early
    why: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociationRejected:
    """An A-ASSOCIATE-RQ was answered with A-ASSOCIATE-RJ.

    Attributes:
        calling: As the peer sent it, unchecked: may hold anything.
        called: As the peer sent it, unchecked.
        why: What was found, without control characters.
        remedy: What the operator can do.
    """

    host: str
    port: int
    calling: str
    called: str
    reject: Reject
    why: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociationAccepted:
    """The A-ASSOCIATE-AC is about to leave.

    Attributes:
        accepted_contexts: How many of the proposed presentation contexts were accepted; may be 0.
        proposed_contexts: How many were proposed.
        implementation: Version name of the peer's software, or else its class UID; unchecked, may be empty.
    """

    association: AssociationInfo
    accepted_contexts: int
    proposed_contexts: int
    implementation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceRefused:
    """A C-STORE was answered with a failure.

    Attributes:
        sop_class: As the peer sent it, unchecked.
        sop_instance: As the peer sent it, unchecked.
    """

    association: AssociationInfo
    status: int
    comment: str
    sop_class: str
    sop_instance: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What came over one association.

    Attributes:
        stored: C-STOREs answered with success or warning after the sink took them.
        passed_over: C-STOREs answered with success whose data the sink did not want, e.g. an ignored SOP class.
        refused: C-STOREs answered with a failure.
        echoes: C-ECHOs.
        data_bytes: Bytes of data sets, whatever became of them.
        took: From each C-STORE-RQ to its answer, of those whose data sets the sink took.
    """

    stored: int = 0
    passed_over: int = 0
    refused: int = 0
    echoes: int = 0
    data_bytes: int = 0
    took: Durations = field(default_factory=Durations)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociationEnded:
    """The association is over and the sink knows.

    Attributes:
        how: ``None`` = released, everything it stored is accepted.
        why: One clause for the operator; empty after a release.
        remedy: What the operator can do; empty after a release.
        duration: From the complete A-ASSOCIATE-RQ to the end.
        manners: How the peer behaved.
    """

    association: AssociationInfo
    how: Ending | None
    why: str
    remedy: str
    tally: Tally
    duration: timedelta
    manners: Manners = field(default_factory=Manners)


AssociationEvent = ConnectionDropped | AssociationRejected | AssociationAccepted | InstanceRefused | AssociationEnded

#: Called by the thread of the connection in question, several at once; must not block for long and must not raise.
Observer = Callable[[AssociationEvent], None]
