"""Associations that Hilum opens: C-ECHO and C-STORE to a peer, one association and one request at a time."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import BinaryIO, Final, NoReturn, Self

from hilum.association.connecting import connect
from hilum.association.outflow import Outflow, Prepared
from hilum.association.peer import AssociationRejectedError, Peer, PermanentRejectError, TransientRejectError
from hilum.association.settings import RequestorTimeouts
from hilum.association.transport import Interrupted, Link, LinkEvent, TimedOut
from hilum.errors import LocalError, PermanentError, TemporaryError
from hilum.model import AETitle, Answer, Uid
from hilum.wire import (
    DEFLATED_LE,
    VERIFICATION,
    Aborted,
    AssociateAccepted,
    AssociateRejected,
    AssociateRequest,
    Command,
    CommandReceived,
    Connection,
    ConnectionLost,
    ProposedContext,
    Released,
    Role,
    State,
    echo_request,
    store_request,
)

__all__ = [
    "MAX_CONTEXTS",
    "AssociationRejectedError",
    "Peer",
    "PermanentRejectError",
    "Prepared",
    "Requestor",
    "RequestorTimeouts",
    "TransientRejectError",
]

#: Presentation context IDs are odd and fit into a byte. Source: PS3.8 9.3.2.2.
MAX_CONTEXTS: Final = 128

#: Transfer syntaxes whose data set is one deflated stream. Source: PS3.5 A.5, A.7.
_DEFLATED: Final = frozenset({DEFLATED_LE, "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"})
#: Only answers come back, and they are small.
MAX_PDU_BYTES: Final = 16384
#: How long an aborted peer may take to close.
_LINGER_SECONDS: Final = 1.0
#: Events kept while a data set is being sent; a sane peer says one thing then at most.
_MOST_EARLY_EVENTS: Final = 8


class Requestor:
    """One outgoing association; made by ``open``, ended by ``release`` or ``abort``, or as a context manager.

    Used by one thread, but for ``interrupt``. Whatever breaks the association is a ``TemporaryError``; after it, each
    further call is one too.
    """

    def __init__(self, peer: Peer, link: Link, connection: Connection, timeouts: RequestorTimeouts) -> None:
        self._peer = peer
        self._link = link
        self._connection = connection
        self._timeouts = timeouts
        self._events: deque[LinkEvent] = deque()
        self._contexts: dict[tuple[str, str], int] = {}
        self._outflow: Outflow | None = None
        self._asked: Prepared | None = None
        self._message_id = 0
        self._over = False

    @classmethod
    def open(
        cls,
        peer: Peer,
        calling: AETitle,
        contexts: Sequence[tuple[Uid, Uid]],
        *,
        timeouts: RequestorTimeouts = RequestorTimeouts(),  # noqa: B008 - frozen
    ) -> Self:
        """Connect and ask for an association.

        Args:
            calling: Our own title.
            contexts: Pairs of SOP class and transfer syntax, each of which becomes one presentation context, so that
                the peer can choose among transfer syntaxes no further; at most ``MAX_CONTEXTS`` different ones.

        Raises:
            TransientRejectError: The peer rejects for now.
            PermanentRejectError: The peer rejects for good.
            TemporaryError: The peer cannot be reached, does not answer in time or does not keep to the protocol.

        Source: PS3.8 7.1.
        """
        pairs = list(dict.fromkeys(contexts))
        if not 0 < len(pairs) <= MAX_CONTEXTS:
            raise LocalError(f"an association has 1 to {MAX_CONTEXTS} presentation contexts, not {len(pairs)}")
        sock = connect(peer, timeouts)
        connection = Connection(Role.REQUESTOR, max_pdu_length=MAX_PDU_BYTES)
        link = Link(
            sock,
            connection,
            pdu_seconds=timeouts.pdu.total_seconds(),
            write_seconds=timeouts.write.total_seconds(),
        )
        association = cls(peer, link, connection, timeouts)
        connection.request(
            AssociateRequest(
                called=peer.called,
                calling=calling,
                contexts=tuple(
                    ProposedContext(id=2 * index + 1, abstract_syntax=sop_class, transfer_syntaxes=(transfer_syntax,))
                    for index, (sop_class, transfer_syntax) in enumerate(pairs)
                ),
            )
        )
        association._establish()
        return association

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release, or abort if the block failed."""
        if error is None:
            self.release()
        else:
            self.abort()

    def accepted(self, sop_class: str, transfer_syntax: str) -> bool:
        """Whether the peer takes instances of this class in this transfer syntax."""
        return (sop_class, transfer_syntax) in self._contexts

    def echo(self) -> int:
        """Send a C-ECHO; returns the status, 0 = success.

        Raises:
            PermanentError: The peer did not accept Verification.
            TemporaryError: The association broke.

        Source: PS3.7 9.1.5.
        """
        self._check_open()
        context_id = next((id_ for (sop_class, _), id_ in self._contexts.items() if sop_class == VERIFICATION), None)
        if context_id is None:
            raise PermanentError(f"{self._peer} did not accept Verification, so it cannot be asked for an echo")
        request = echo_request(self._next_message_id())
        self._connection.send_command(context_id, request)
        self._write(self._link.flush())
        status = self._response(context_id, request).status
        assert status is not None
        return status

    def store(
        self,
        file: BinaryIO | int,
        offset: int,
        length: int,
        *,
        sop_class: Uid,
        sop_instance: Uid,
        transfer_syntax: Uid,
    ) -> Answer:
        """Send one instance: ``prepare``, ``begin`` and ``finish``, with their arguments and errors.

        Returns:
            What the peer answered; its comment is cleaned of control characters.
        """
        descriptor = file if isinstance(file, int) else file.fileno()
        self._check_open()
        instance = {"sop_class": sop_class, "sop_instance": sop_instance, "transfer_syntax": transfer_syntax}
        self.begin(self.prepare(descriptor, offset, length, **instance))
        return self.finish()

    def prepare(
        self,
        file: int | bytes,
        offset: int,
        length: int,
        *,
        sop_class: Uid,
        sop_instance: Uid,
        transfer_syntax: Uid,
    ) -> Prepared:
        """Make the request that sends one instance, and read the beginning of its data set; nothing is sent yet.

        This may be done while the peer still works on the request before. The bytes are sent as they are; a deflated
        data set of odd length gets the padding it lacks.

        Args:
            file: Descriptor of a regular file, open for reading until ``begin`` is over, whose position is neither used
                nor moved; or the content of one.
            offset: Where the data set begins, behind preamble and file meta information.
            length: Bytes of the data set.
            transfer_syntax: In which the data set is encoded; nothing is transcoded.

        Returns:
            The request, to be sent before another one is prepared.

        Raises:
            PermanentError: The peer did not accept this pair of SOP class and transfer syntax, or the file is shorter
                than that or cannot be read; the association can still be used.
            TemporaryError: The association is over.

        Source: PS3.7 9.1.1; PS3.4 B.2.
        """
        if self._over:
            raise TemporaryError(f"{self._peer}: the association is over; open a new one")
        context_id = self._contexts.get((sop_class, transfer_syntax))
        if context_id is None:
            raise PermanentError(
                f"{self._peer} did not accept SOP class {sop_class} in transfer syntax {transfer_syntax}"
            )
        size = os.fstat(file).st_size if isinstance(file, int) else len(file)
        if size < offset + length:
            raise PermanentError(f"the file has {size} bytes, but its data set should reach to {offset + length}")
        command = store_request(self._next_message_id(), sop_class=sop_class, sop_instance=sop_instance)
        self._connection.send_command(context_id, command)
        front = b"".join(self._connection.data_to_send())
        # PS3.5 A.5 asks for an even number of bytes, but real files lack the last one, and DCMTK aborts without it.
        padding = length % 2 if transfer_syntax in _DEFLATED else 0
        outflow = self._outflow = self._outflow or Outflow(self._connection)
        try:
            part, sent = outflow.fill(file, offset, length + padding, context_id, padding=padding, front=front)
        except (OSError, EOFError) as error:
            raise PermanentError(f"the file cannot be read: {error}") from error
        rest = length + padding - sent
        return Prepared(command, context_id, part, file, offset + sent, rest, padding)

    def begin(self, prepared: Prepared) -> None:
        """Send a request with its data set.

        Raises:
            TemporaryError: The association broke, or the rest of the file could not be read; whether the peer has the
                instance is unknown.
        """
        self._check_open()
        self._asked = prepared
        self._send_data(prepared)

    def finish(self) -> Answer:
        """Wait for the answer to the request that was begun.

        Raises:
            TemporaryError: The association broke; whether the peer has the instance is unknown.
        """
        asked, self._asked = self._asked, None
        if asked is None:
            raise LocalError("there is no request that could be answered")
        response = self._response(asked.context_id, asked.command)
        assert response.status is not None
        return Answer(status=response.status, comment=_printable(response.comment))

    def release(self) -> None:
        """End in good order. Never raises: whatever the peer does now, what it has answered to counts.

        Source: PS3.8 7.2.
        """
        if self._over:
            return
        seconds = self._timeouts.release.total_seconds()
        linger = 0.0
        try:
            for event in self._events:  # what came together with the last answer
                self._check(event)
            if self._connection.state is State.AWAITING_LOCAL_RELEASE:  # the peer was first
                self._connection.confirm_release()
                linger = seconds
            else:
                until = time.monotonic() + seconds
                self._connection.release()
                self._write(self._link.flush())
                while not isinstance(self._next(until, "the answer to our request for release"), Released):
                    pass  # what still comes is of no interest
        except TemporaryError:
            return
        self._over = True
        self._link.close(linger)

    def abort(self) -> None:
        """End at once; never raises, and does nothing if the association is already over."""
        if self._over:
            return
        self._over = True
        self._connection.abort()
        self._link.close(_LINGER_SECONDS)

    def interrupt(self) -> None:
        """Let the call in progress, or the next one, end as ``TemporaryError``; any thread may call it, at any time."""
        self._link.interrupt()

    # What the peer says

    def _establish(self) -> None:
        """Send the A-ASSOCIATE-RQ and take the answer."""
        until = time.monotonic() + self._timeouts.association.total_seconds()
        self._write(self._link.flush())
        event = self._next(until, "the answer to our A-ASSOCIATE-RQ")
        match event:
            case AssociateAccepted(results=results):
                self._contexts = {
                    (result.abstract_syntax, result.transfer_syntax): result.id for result in results if result.accepted
                }
            case AssociateRejected(reject=reject):
                self._over = True
                self._link.close(0.0)
                kind = TransientRejectError if reject.transient else PermanentRejectError
                raise kind(f"{self._peer}: {reject}", reject=reject)
            case _:
                self._violated(f"it sent {type(event).__name__} instead of an answer to our A-ASSOCIATE-RQ")

    def _response(self, context_id: int, request: Command) -> Command:
        """The response to a request whose last byte has just been written.

        Source: PS3.7 9.1.1.1, 9.1.5.1: Message ID Being Responded To; PS3.8 E.1: on the same context.
        """
        until = time.monotonic() + self._timeouts.dimse.total_seconds()
        event = self._next(until, "the response")
        if not isinstance(event, CommandReceived):
            self._violated(f"it sent {type(event).__name__} instead of a response")
        response = event.command
        expected = (request.field | 0x8000, request.message_id, context_id)
        found = (response.field, response.responded_to, event.context_id)
        if found != expected:
            self._violated(
                "the response has command field, message ID and presentation context "
                f"{found[0]:04X}H, {found[1]}, {found[2]}; expected {expected[0]:04X}H, {expected[1]}, {expected[2]}"
            )
        if response.status is None or response.has_data:
            self._violated("the response has no status" if response.status is None else "the response has a data set")
        return response

    def _next(self, until: float, waiting_for: str) -> LinkEvent:
        """The next event that does not end the association; ``until`` is a monotonic time."""
        while not self._events:
            left = until - time.monotonic()
            # Also ends a peer that keeps sending what comes to nothing.
            events = (
                self._link.receive(left, waiting_for) if left > 0 else [TimedOut(f"no end of {waiting_for} in time")]
            )
            self._events.extend(events)
            self._events.extend(self._link.flush())
        event = self._events.popleft()
        self._check(event)
        return event

    def _check(self, event: LinkEvent) -> None:
        """Raise if the event ends the association."""
        match event:
            case Aborted(by_peer=True, why=why) | TimedOut(why=why):
                self._give_up(why)
            case Aborted(why=why):
                self._give_up(f"the peer broke the protocol: {why}")
            case ConnectionLost():
                self._give_up("the peer closed the connection in the middle of the association")
            case Interrupted():
                self._give_up("the association was interrupted from our side")
            case _:
                pass

    def _violated(self, what: str) -> NoReturn:
        self._give_up(f"the peer broke the protocol: {what}")

    def _give_up(self, why: str) -> NoReturn:
        """Abort, unless that is out of date, and raise."""
        self.abort()
        raise TemporaryError(f"{self._peer}: {why}")

    # What we say

    def _check_open(self) -> None:
        if self._over:
            raise TemporaryError(f"{self._peer}: the association is over; open a new one")
        # What came together with the last answer was not looked at yet: an abort, mostly.
        for event in self._events:
            self._check(event)
        if self._events:
            self._violated(f"it sent {type(self._events[0]).__name__} although nothing was asked")

    def _next_message_id(self) -> int:
        """1-65535 and around again: only one request is ever open."""
        self._message_id = self._message_id % 0xFFFF + 1
        return self._message_id

    def _write(self, events: Sequence[LinkEvent]) -> None:
        """Raise what ended the association while something was written."""
        for event in events:
            self._check(event)

    def _send_data(self, prepared: Prepared) -> None:
        """Send a data set, and notice when the peer does not want it any more."""
        outflow = self._outflow
        assert outflow is not None, "there is a prepared request"
        part, offset, left = prepared.part, prepared.offset, prepared.left
        while True:
            self._write(self._link.send(part))
            if not left:
                return
            if self._link.pending():
                self._events.extend(self._link.receive(0.0, "nothing"))
                for event in self._events:
                    self._check(event)
                if len(self._events) > _MOST_EARLY_EVENTS:
                    self._violated("it keeps talking while a data set is being sent to it")
            try:
                part, size = outflow.fill(prepared.file, offset, left, prepared.context_id, padding=prepared.padding)
            except (OSError, EOFError) as error:
                self._give_up(f"the file could not be read to its end, so the association was aborted: {error}")
            offset, left = offset + size, left - size


def _printable(text: str) -> str:
    """At most 64 characters, none of which can play tricks on a terminal or a log. Source: PS3.7 Table C.4-1."""
    return "".join(character if character.isprintable() else "?" for character in text[:64])
