"""Asks a peer for a C-ECHO and tells in plain words what was found and what to do about it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta

from hilum import words
from hilum.association.peer import AssociationRejectedError, Peer
from hilum.association.requestor import Requestor
from hilum.association.settings import RequestorTimeouts
from hilum.errors import HilumError, PermanentError, TemporaryError
from hilum.model import AETitle
from hilum.wire import IMPLICIT_LE, VERIFICATION, Reject


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What a C-ECHO showed.

    Attributes:
        found: One clause.
        remedy: What to do about it; empty when all is well.
        status: What the peer answered; ``None``: it did not come to that.
        association: From the beginning of the connection to the accepted association; ``None``: there was none.
        echo: From the request to the answer.
        error: Why it did not come to an answer.
    """

    found: str
    remedy: str = ""
    status: int | None = None
    association: timedelta | None = None
    echo: timedelta | None = None
    error: HilumError | None = None

    @property
    def answered(self) -> bool:
        """Whether the peer answered, with success."""
        return self.status == 0


def probe(peer: Peer, calling: AETitle, timeouts: RequestorTimeouts) -> Probe:
    """Open an association, ask for one echo, release. Never raises what a peer can cause."""
    began = time.monotonic()
    try:
        association = Requestor.open(peer, calling, [(VERIFICATION, IMPLICIT_LE)], timeouts=timeouts)
    except (TemporaryError, PermanentError) as error:
        return Probe(error=error, found=_clause(error, peer), remedy=remedy_for(error, peer, calling))
    opened = time.monotonic()
    try:
        status = association.echo()
    except (TemporaryError, PermanentError) as error:
        remedy = ""
        if isinstance(error, PermanentError):
            remedy = "the titles and the address are right; switch verification on at the peer to be able to test it"
        return Probe(
            error=error,
            found=_clause(error, peer),
            remedy=remedy,
            association=timedelta(seconds=opened - began),
        )
    finally:
        answered = time.monotonic()
        association.release()
    return Probe(
        found=f"answered {words.status(status)}, {words.status_meaning(status)}",
        remedy="" if status == 0 else "look into the peer's log for the reason",
        status=status,
        association=timedelta(seconds=opened - began),
        echo=timedelta(seconds=answered - opened),
    )


def remedy_for(error: Exception, peer: Peer, calling: AETitle) -> str:
    """What to do when an association was rejected; empty when the error itself says it."""
    if not isinstance(error, AssociationRejectedError):
        return ""
    if error.reject == Reject.CALLING_NOT_RECOGNIZED:
        return f"register the calling AE title {calling} with this host's address at the peer, or use a title it knows"
    if error.reject == Reject.CALLED_NOT_RECOGNIZED:
        return f"the peer does not call itself {peer.called}: ask for its AE title, upper and lower case matter"
    if error.reject.transient:
        return "try again later; if it stays so, look at the peer's limit of associations and at its disk"
    return "look into the peer's log for the reason"


def _clause(error: Exception, peer: Peer) -> str:
    """The error without the peer's name in front: the caller has said whom it asked."""
    return str(error).removeprefix(f"{peer}: ").removeprefix(f"{peer} ")
