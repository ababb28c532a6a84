"""Looks at destinations: can their names be resolved, do they connect, associate, answer an echo, take our results?"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Final

from hilum import words
from hilum.association.peer import AssociationRejectedError, Peer
from hilum.association.probe import remedy_for
from hilum.association.requestor import MAX_CONTEXTS, Requestor
from hilum.association.settings import RequestorTimeouts
from hilum.deliver.settings import DeliverySettings
from hilum.doctor.check import Check, Grade
from hilum.errors import PermanentError, TemporaryError
from hilum.model import AETitle, Uid
from hilum.wire import IMPLICIT_LE, VERIFICATION, name_of

#: Longer ones are felt with every association.
_SLOW_NAME: Final = 0.5
_SLOW_CONNECT: Final = 0.5
_SLOW_ASSOCIATION: Final = 2.0
#: Destinations asked at a time.
_AT_ONCE: Final = 16

Pairs = Sequence[tuple[str, str]]


def destinations(delivery: DeliverySettings, sent: Mapping[str, Pairs]) -> Sequence[Check]:
    """All of them at once: one that does not answer costs its time only once.

    Args:
        sent: What was sent to each lately: SOP classes with their transfer syntaxes.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        going = [
            pool.submit(_all_of, name, peer, delivery, sent.get(name, ()))
            for name, peer in delivery.destinations.items()
        ]
        return [check for one in going for check in one.result()]


def _all_of(name: str, peer: Peer, delivery: DeliverySettings, pairs: Pairs) -> Sequence[Check]:
    return list(destination(name, peer, delivery.calling, pairs, delivery.timeouts))


def destination(name: str, peer: Peer, calling: AETitle, pairs: Pairs, timeouts: RequestorTimeouts) -> Iterator[Check]:
    """One, step by step; what follows a step that fails is not tried. Never raises what a peer can cause.

    Args:
        pairs: What is proposed beside Verification.
    """
    address, check = _resolve(name, peer)
    yield check
    if address is None:
        return
    check = _connect(name, peer, address, timeouts)
    yield check
    if check.grade is Grade.WRONG:
        return
    yield from _associate(name, peer, calling, pairs, timeouts)


def _resolve(name: str, peer: Peer) -> tuple[str | None, Check]:
    began = time.monotonic()
    try:
        address = str(socket.getaddrinfo(peer.host, peer.port, type=socket.SOCK_STREAM)[0][4][0])
    except (OSError, UnicodeError) as error:
        return None, _check(
            f"{name}, resolve",
            Grade.WRONG,
            f"{peer.host} cannot be resolved: {error}",
            "an address",
            "correct host-ip of the destination, or mend the name service of this machine",
        )
    took = time.monotonic() - began
    slow = took > _SLOW_NAME
    found = (
        f"{peer.host} is {address}, in {_duration(took)}" if address != peer.host else f"{address}, no name to look up"
    )
    return address, _check(
        f"{name}, resolve",
        Grade.LOOK if slow else Grade.OK,
        found,
        f"at most {_duration(_SLOW_NAME)}" if slow else "",
        "write the address instead of the name, or mend the name service" if slow else "",
    )


def _connect(name: str, peer: Peer, address: str, timeouts: RequestorTimeouts) -> Check:
    began = time.monotonic()
    try:
        socket.create_connection((address, peer.port), timeouts.connect.total_seconds()).close()
    except ConnectionRefusedError:
        remedy = "start the peer, or correct the port of the destination"
        return _check(f"{name}, connect", Grade.WRONG, f"port {peer.port} refuses the connection", "a listener", remedy)
    except TimeoutError:
        found = f"no connection within {words.duration(timeouts.connect)}"
        return _check(
            f"{name}, connect",
            Grade.WRONG,
            found,
            "a listener",
            "see whether the address is right and a firewall between",
        )
    except OSError as error:
        return _check(
            f"{name}, connect",
            Grade.WRONG,
            f"no connection: {error.strerror or error}",
            "a listener",
            "see whether the address is right and the network there",
        )
    took = time.monotonic() - began
    slow = took > _SLOW_CONNECT
    return _check(
        f"{name}, connect",
        Grade.LOOK if slow else Grade.OK,
        f"port {peer.port} answers in {_duration(took)}",
        f"at most {_duration(_SLOW_CONNECT)}" if slow else "",
        "find out what is slow on the way: the network, a firewall, or the peer" if slow else "",
    )


def _associate(name: str, peer: Peer, calling: AETitle, pairs: Pairs, timeouts: RequestorTimeouts) -> Iterator[Check]:
    wanted = [(Uid(sop_class), Uid(syntax)) for sop_class, syntax in pairs][: MAX_CONTEXTS - 1]
    began = time.monotonic()
    try:
        association = Requestor.open(peer, calling, [(VERIFICATION, IMPLICIT_LE), *wanted], timeouts=timeouts)
    except (TemporaryError, PermanentError) as error:
        rejected = isinstance(error, AssociationRejectedError)
        yield _check(
            f"{name}, associate",
            Grade.WRONG,
            _clause(error, peer),
            f"an association from {calling} to {peer.called}",
            remedy_for(error, peer, calling) if rejected else "see the peer's log: what listens there may be no DICOM",
        )
        return
    took = time.monotonic() - began
    slow = took > _SLOW_ASSOCIATION
    yield _check(
        f"{name}, associate",
        Grade.LOOK if slow else Grade.OK,
        f"{peer.called} accepts {calling} in {_duration(took)}",
        f"at most {_duration(_SLOW_ASSOCIATION)}" if slow else "",
        "many peers look up the name of this machine's address first: give it one in their name service, or switch "
        "that off there"
        if slow
        else "",
    )
    with association:
        yield _echo(name, association, peer)
        yield from _contexts(name, association, wanted)


def _echo(name: str, association: Requestor, peer: Peer) -> Check:
    try:
        status = association.echo()
    except PermanentError as error:
        return _check(
            f"{name}, echo",
            Grade.LOOK,
            _clause(error, peer),
            "an answer",
            "results can be sent all the same; switch Verification on at the peer to be able to test it",
        )
    except TemporaryError as error:
        return _check(f"{name}, echo", Grade.WRONG, _clause(error, peer), "an answer", "see the peer's log")
    found = f"answered {words.status(status)}, {words.status_meaning(status)}"
    if status:
        return _check(f"{name}, echo", Grade.WRONG, found, "0000H", "see the peer's log")
    return _check(f"{name}, echo", Grade.OK, found)


def _contexts(name: str, association: Requestor, wanted: Sequence[tuple[Uid, Uid]]) -> Iterator[Check]:
    if not wanted:
        yield _check(f"{name}, contexts", Grade.OK, "nothing was sent there yet, so nothing is proposed")
        return
    refused = [pair for pair in wanted if not association.accepted(*pair)]
    for sop_class, syntax in refused:
        yield _check(
            f"{name}, contexts",
            Grade.WRONG,
            f"{name_of(sop_class)} in {name_of(syntax)} is refused, and results of that kind were queued lately",
            "accepted",
            "let the peer accept it, or let the workflow write another SOP class or transfer syntax",
        )
    if not refused:
        number = words.count(len(wanted), "kind")
        yield _check(f"{name}, contexts", Grade.OK, f"{number} of results that were queued lately: accepted")


def _check(subject: str, grade: Grade, found: str, expected: str = "", remedy: str = "") -> Check:
    return Check(area="destinations", subject=subject, grade=grade, found=found, expected=expected, remedy=remedy)


def _clause(error: Exception, peer: Peer) -> str:
    """The error without the peer's name in front."""
    return str(error).removeprefix(f"{peer}: ").removeprefix(f"{peer} ")


def _duration(seconds: float) -> str:
    return words.duration(timedelta(seconds=round(seconds, 4)))
