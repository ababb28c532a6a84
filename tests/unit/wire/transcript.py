"""Plays a connection through a list of (what happens, what must come out).

What must come out is everything: the events, each given as its class or as itself, then the bytes to send.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hilum.wire import (
    AssociateRequest,
    Connection,
    NegotiationPolicy,
    ProposedContext,
    Role,
    State,
    WireEvent,
    negotiate,
)
from unit.wire import raw

Happening = Callable[[Connection], Sequence[WireEvent] | None]


def hears(*data: bytes) -> Happening:
    return lambda connection: connection.receive(memoryview(b"".join(data)))


def does(name: str, *args: Any, **kwargs: Any) -> Happening:
    """Call a method; whatever it returns must come out too."""

    def call(connection: Connection) -> Sequence[WireEvent] | None:
        returned = getattr(connection, name)(*args, **kwargs)
        return returned if returned is None or isinstance(returned, list) else [returned]

    return call


loses_its_peer = does("peer_closed")
runs_out_of_time = does("timer_expired")


def accepts(connection: Connection) -> None:
    request = connection._request
    assert request is not None
    connection.accept(negotiate(request.contexts, NegotiationPolicy(verification=True), common=request.common_extended))


def play(connection: Connection, *steps: tuple[Happening, Any]) -> Connection:
    for number, (happening, wanted_out) in enumerate(steps, 1):
        expected = wanted_out if isinstance(wanted_out, list) else [wanted_out]
        out = [*(happening(connection) or []), *connection.data_to_send()]
        assert len(out) == len(expected), f"step {number}: {out}"
        for got, wanted in zip(out, expected, strict=True):
            if isinstance(wanted, type):
                assert type(got) is wanted, f"step {number}: {got}"
            else:
                assert got == wanted, f"step {number}"
    return connection


ANYTHING = bytes


def acceptor(**kwargs: Any) -> Connection:
    return Connection(Role.ACCEPTOR, **kwargs)


def associated(*items: bytes, **kwargs: Any) -> Connection:
    """An acceptor in data transfer, with echo on context 1 and CT on context 3 unless the request has other items."""
    connection = acceptor(**kwargs)
    connection.receive(memoryview(raw.associate_rq(*items)))
    accepts(connection)
    connection.data_to_send()
    assert connection.state is State.DATA_TRANSFER
    return connection


PROPOSAL = AssociateRequest(
    called="HILUM",
    calling="MODALITY",
    contexts=(
        ProposedContext(id=1, abstract_syntax=raw.ECHO, transfer_syntaxes=(raw.IMPLICIT,)),
        ProposedContext(id=3, abstract_syntax=raw.CT, transfer_syntaxes=(raw.JPEG2000, raw.EXPLICIT)),
    ),
)


def requested(**kwargs: Any) -> Connection:
    """A requestor that waits for the answer to ``PROPOSAL``."""
    connection = Connection(Role.REQUESTOR, **kwargs)
    connection.request(PROPOSAL)
    connection.data_to_send()
    return connection


def established(*items: bytes) -> Connection:
    """A requestor in data transfer."""
    connection = requested()
    connection.receive(memoryview(raw.associate_ac(*items)))
    assert connection.state is State.DATA_TRANSFER
    return connection
