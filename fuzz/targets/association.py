"""One association as acceptor and as requestor, in every state that a peer can reach: ``Connection``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Final
from zlib import crc32

from hilum.errors import HilumError
from hilum.wire import (
    EXPLICIT_LE,
    IMPLICIT_LE,
    VERIFICATION,
    Aborted,
    AssociateAccepted,
    AssociateRefused,
    AssociateRejected,
    AssociateRequest,
    AssociateRequested,
    CommandReceived,
    Connection,
    ConnectionLost,
    DataReceived,
    NegotiationPolicy,
    ProposedContext,
    Reject,
    Released,
    ReleaseRequested,
    Role,
    State,
    WireEvent,
    negotiate,
    response,
)

_CT: Final = "1.2.840.10008.5.1.4.1.1.2"
REQUEST: Final = AssociateRequest(
    called="HILUM",
    calling="FUZZ",
    contexts=(
        ProposedContext(id=1, abstract_syntax=VERIFICATION, transfer_syntaxes=(IMPLICIT_LE,)),
        ProposedContext(id=3, abstract_syntax=_CT, transfer_syntaxes=(EXPLICIT_LE, IMPLICIT_LE)),
    ),
)
_POLICY: Final = NegotiationPolicy(verification=True)
_MAX_LENGTHS: Final = (0, 8, 512, 16384, 131072)
_OVER: Final = (Aborted, AssociateRefused, AssociateRejected, Released, ConnectionLost)
#: What no event and no answer is shorter than, on the wire.
_LEAST_BYTES: Final = 6
_ABORT_START: Final = b"\x07\0\0\0\0\x04"


def _sent(connection: Connection) -> memoryview:
    return memoryview(b"".join(connection.data_to_send()))


def _asking(connection: Connection) -> None:
    connection.request(REQUEST)


def _requested_bytes() -> memoryview:
    requestor = Connection(Role.REQUESTOR)
    requestor.request(REQUEST)
    return _sent(requestor)


REQUEST_BYTES: Final = _requested_bytes()


def _accepted_bytes() -> memoryview:
    acceptor = Connection(Role.ACCEPTOR)
    acceptor.receive(REQUEST_BYTES)
    acceptor.accept(negotiate(REQUEST.contexts, _POLICY))
    return _sent(acceptor)


ACCEPT_BYTES: Final = _accepted_bytes()
_RELEASE_RQ: Final = memoryview(bytes.fromhex("05 00 00000004 00000000"))
_RELEASE_RP: Final = memoryview(bytes.fromhex("06 00 00000004 00000000"))


def _requested(connection: Connection) -> None:
    connection.receive(REQUEST_BYTES)


def _established(connection: Connection) -> None:
    if connection.role is Role.ACCEPTOR:
        _requested(connection)
        connection.accept(negotiate(REQUEST.contexts, _POLICY))
    else:
        _asking(connection)
        connection.receive(ACCEPT_BYTES)


def _releasing(connection: Connection) -> None:
    _established(connection)
    connection.release()


def _release_requested(connection: Connection) -> None:
    _established(connection)
    connection.receive(_RELEASE_RQ)


def _colliding(connection: Connection) -> None:
    _releasing(connection)
    connection.receive(_RELEASE_RQ)


def _collision_answered(connection: Connection) -> None:
    _colliding(connection)
    connection.receive(_RELEASE_RP)


def _rejected(connection: Connection) -> None:
    _requested(connection)
    connection.reject(Reject.LOCAL_LIMIT)


def _aborted(connection: Connection) -> None:
    _established(connection)
    connection.abort()


def _untouched(connection: Connection) -> None:
    """Sta2 of the acceptor."""


#: How an association comes to where the fuzzed bytes meet it; the first byte of an input chooses. The end of each row
#: weighs more: most bytes matter in data transfer.
ACCEPTOR_BEGINNINGS: Final[tuple[Callable[[Connection], None], ...]] = (
    _untouched,
    _established,
    _requested,
    _rejected,
    _aborted,
    _releasing,
    _release_requested,
    _colliding,
    _collision_answered,
    _untouched,
    _untouched,
    _established,
    _established,
    _established,
)
REQUESTOR_BEGINNINGS: Final[tuple[Callable[[Connection], None], ...]] = (
    _asking,
    _established,
    _aborted,
    _releasing,
    _release_requested,
    _colliding,
    _collision_answered,
    _asking,
    _established,
    _established,
    _established,
)


def acceptor(data: bytes) -> None:
    """See ``_try``."""
    _try(data, Role.ACCEPTOR, ACCEPTOR_BEGINNINGS)


def requestor(data: bytes) -> None:
    """See ``_try``."""
    _try(data, Role.REQUESTOR, REQUESTOR_BEGINNINGS)


def _try(data: bytes, role: Role, beginnings: tuple[Callable[[Connection], None], ...]) -> None:
    """Nothing is raised, events are few and in order, and splits make no difference.

    The first byte chooses the state, the second the maximum length and whether a shell answers what it is told; the
    rest is received. With a shell answering splits do matter: it answers between two of them.
    """
    if len(data) < 2:
        return
    begin = beginnings[data[0] % len(beginnings)]
    max_length = _MAX_LENGTHS[data[1] % len(_MAX_LENGTHS)]
    answering = data[1] & 0x80 != 0
    stream = memoryview(data)[2:]
    split = _begun(role, max_length, begin, answering=answering)
    split.receive(_pieces(stream, Random(crc32(data))))
    if not answering:
        whole = _begun(role, max_length, begin, answering=False)
        whole.receive(iter((stream,)))
        assert whole.seen == split.seen, f"whole: {whole.seen}; in pieces: {split.seen}"
        assert (whole.connection.state, whole.connection.pdus_received) == (
            split.connection.state,
            split.connection.pdus_received,
        )
    split.end()


def _begun(role: Role, max_length: int, begin: Callable[[Connection], None], *, answering: bool) -> _Session:
    connection = Connection(role, max_pdu_length=max_length)
    begin(connection)
    connection.data_to_send()
    return _Session(connection, answering)


def _pieces(stream: memoryview, random: Random) -> Iterator[memoryview]:
    most = (1, 3, 6, 12, 64, 1024)[int(random.random() * 6)]
    start = 0
    if most <= 3:
        # Byte by byte is slow; most of what it can find is in the first PDUs.
        while start < min(len(stream), 48):
            end = start + 1 + int(random.random() * most)
            yield stream[start:end]
            start = end
        most = 512
    while start < len(stream):
        end = start + 1 + int(random.random() * most)
        yield stream[start:end]
        start = end


@dataclass(slots=True, kw_only=True)
class _Data:
    """What has come of one data set, joined: how it is cut depends on the splits, and may."""

    context_id: int
    data: bytes
    whole: bool


@dataclass(slots=True)
class _Session:
    """A connection with what may be observed of it; asserts while it observes."""

    connection: Connection
    answering: bool
    #: Events in order, pieces of data sets joined.
    seen: list[WireEvent | _Data] = field(default_factory=list)
    over: bool = False
    #: Context of the data set that is under way, or 0.
    due: int = 0

    def receive(self, pieces: Iterator[memoryview]) -> None:
        connection = self.connection
        received = calls = count = sent = told = 0
        for piece in pieces:
            received += len(piece)
            calls += 1
            silent = connection.closed
            events = connection.receive(piece)
            assert not (silent and events), "something is heard after the close"
            count += len(events)
            for event in events:
                told += self._observe(event)
                if self.answering:
                    self._answer(event)
            sent += self._written()
        assert count <= received // _LEAST_BYTES + calls + 1, f"{count} events from {received} bytes in {calls} calls"
        assert told <= received, f"{told} bytes of data sets from {received} bytes"
        # Our own answers, each to a command or a request, are the longest; without them there are only aborts.
        most = 512 * (count + 1) + 4 * received if self.answering else 10 * (received // _LEAST_BYTES + 1)
        assert sent <= most, f"{sent} bytes are sent for {received}"

    def end(self) -> None:
        connection = self.connection
        assert connection.timer_running == (connection.state in {State.AWAITING_ASSOCIATE, State.AWAITING_CLOSE})
        if connection.timer_running:
            assert connection.timer_expired() == []
        else:
            was_closed = connection.closed
            lost = connection.peer_closed()
            assert lost == ([] if was_closed else [ConnectionLost()])
        assert connection.closed
        assert connection.state is State.IDLE
        assert connection.peer_closed() == []
        assert connection.receive(REQUEST_BYTES) == []
        assert connection.data_to_send() == []

    def _observe(self, event: WireEvent) -> int:
        """Check one event against those before it; tells how many bytes of a data set it holds."""
        assert not self.over, f"{event} after the end: {self.seen}"
        if isinstance(event, DataReceived):
            assert event.context_id == self.due, "data that no command announced"
            if event.last:
                self.due = 0
            self._join(event)
            return len(event.data)
        if isinstance(event, CommandReceived):
            assert not self.due, "a command within a data set"
            assert event.context_id in self.connection.accepted
            self.due = event.context_id if event.command.has_data else 0
        elif isinstance(event, AssociateRequested):
            assert self.connection.role is Role.ACCEPTOR
            assert 1 <= len(event.request.contexts) <= 128
        elif isinstance(event, AssociateAccepted):
            assert self.connection.role is Role.REQUESTOR
            assert [result.id for result in event.results] == [context.id for context in REQUEST.contexts]
        self.over = isinstance(event, _OVER)
        self.seen.append(event)
        return 0

    def _join(self, event: DataReceived) -> None:
        piece = _Data(context_id=event.context_id, data=bytes(event.data), whole=event.last)
        before = self.seen[-1] if self.seen else None
        if isinstance(before, _Data) and not before.whole:
            piece.data = before.data + piece.data
            self.seen.pop()
        self.seen.append(piece)

    def _answer(self, event: WireEvent) -> None:
        """What a shell would do; only bugs of ours raise ``LocalError``, and they are to be seen."""
        connection = self.connection
        if isinstance(event, AssociateRequested):
            connection.accept(negotiate(event.request.contexts, _POLICY, common=event.request.common_extended))
        elif isinstance(event, ReleaseRequested) and connection.state is not State.AWAITING_RELEASE_ANSWER:
            connection.confirm_release()
        elif isinstance(event, CommandReceived) and not event.command.is_response:
            try:
                connection.send_command(event.context_id, response(event.command, 0))
            except HilumError as error:
                # In a release of our own nothing may be sent any more: the shell knows and does not try.
                assert connection.state is not State.DATA_TRANSFER, error

    def _written(self) -> int:
        """Check that what is to be sent is made of whole PDUs; tells how long it is."""
        out = b"".join(self.connection.data_to_send())
        position = 0
        while position < len(out):
            kind, length = out[position], int.from_bytes(out[position + 2 : position + 6], "big")
            assert 1 <= kind <= 7
            position += 6 + length
        assert position == len(out), "a PDU is sent in part"
        last = self.seen[-1] if self.seen else None
        if out and isinstance(last, Aborted) and not last.by_peer:
            assert out[-10:-4] == _ABORT_START, "an abort is reported and not sent"
        return len(out)
