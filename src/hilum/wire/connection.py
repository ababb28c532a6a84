"""One DICOM upper-layer association, as acceptor or requestor, without the network.

The shell owns the socket and the clock; this core owns what is said. Whenever something happens in the world the shell
calls ``receive``, ``peer_closed`` or ``timer_expired``, acts on the events, writes ``data_to_send()``, and then looks
at ``closed`` and ``timer_running``.

Source: PS3.8 9.1, 9.2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from hilum.errors import LocalError, PeerError
from hilum.wire import acceptance, pdu
from hilum.wire.dimse import Command, encode_command
from hilum.wire.events import (
    Aborted,
    AssociateAccepted,
    AssociateRefused,
    AssociateRejected,
    AssociateRequested,
    ConnectionLost,
    Released,
    ReleaseRequested,
    WireEvent,
)
from hilum.wire.frame import Body, Frame
from hilum.wire.machine import DATA_WANTED, NEXT_STATE, RECEIVED, TRANSITIONS, UNREAD, Action, Event, State
from hilum.wire.negotiate import ContextResult, grant_roles
from hilum.wire.pdata import DataStream
from hilum.wire.pdu import AbortReason, PduType, Reject
from hilum.wire.request import AssociateRequest, decode_request, encode_request, protocol_version, titles
from hilum.wire.uids import APPLICATION_CONTEXT

#: What most often begins with a byte that is no PDU type.
_FOREIGN: Final = {0x16: ", which is how TLS begins"} | dict.fromkeys(b"DGHOP", ", which is how HTTP begins")


class Role(StrEnum):
    """Which side opened the association."""

    ACCEPTOR = "acceptor"
    REQUESTOR = "requestor"


class Connection:
    """One association, from the opened transport connection to its close. Not thread-safe.

    Sending to an association that is over does nothing: the event that says so is on its way to the shell, perhaps in
    the very list that it is working through. Sending what the state never allows is a bug and raises ``LocalError``.

    Attributes:
        role: Of the local side.
        max_pdu_length: Advertised and enforced, in bytes without the 6-byte header; 0 = no limit.
        state: Where the association stands.
        closed: The transport connection must be closed now, after writing ``data_to_send()``.
        pdus_received: Whole PDUs received, read or not.
        accepted: Accepted presentation contexts by ID; empty before the A-ASSOCIATE-AC.
        peer_max_pdu_length: What the peer takes, in bytes without the 6-byte header; 0 = no limit.

    Source: PS3.8 9.2 (machine), 9.1.5 (ARTIM), D.1 (maximum length).
    """

    def __init__(self, role: Role, *, max_pdu_length: int = 131072) -> None:
        """Begin: the acceptor with an open transport connection, the requestor perhaps still opening it.

        Raises:
            LocalError: No message would fit into the maximum length, or the length not into its field.
        """
        if max_pdu_length and not pdu.MIN_MAX_LENGTH <= max_pdu_length <= 0xFFFFFFFF:
            raise LocalError(f"a maximum PDU length is 0 or 8 to 4294967295 bytes, this is {max_pdu_length}")
        self.role = role
        self.max_pdu_length = max_pdu_length
        self.state = State.IDLE
        self.closed = True
        self.pdus_received = 0
        self.accepted: Mapping[int, ContextResult] = MappingProxyType({})
        self.peer_max_pdu_length = pdu.DEFAULT_MAX_LENGTH
        self._longest_data = max_pdu_length or 0xFFFFFFFF
        self._request: AssociateRequest | None = None
        self._out: list[bytes] = []
        self._deaf = role is Role.REQUESTOR  # nothing is heard before the request, nor when PDU boundaries are lost
        self._data_wanted = False
        self._frame = Frame()
        self._stream = DataStream(self.accepted)
        self._step(Event.TRANSPORT_INDICATED if role is Role.ACCEPTOR else Event.ASSOCIATE_REQUEST)

    # What the shell looks at

    @property
    def timer_running(self) -> bool:
        """Whether the ARTIM timer should run; it starts anew with each state in which it runs.

        Source: PS3.8 9.1.5, Tables 9-6, 9-8, 9-9.
        """
        return self.state in (State.AWAITING_ASSOCIATE, State.AWAITING_CLOSE)

    @property
    def mid_pdu(self) -> bool:
        """Whether a PDU has begun and is not complete: with ``pdus_received`` the base of a deadline per PDU."""
        return self._frame.begun and not self._deaf

    @property
    def max_fragment(self) -> int:
        """Longest even fragment, in bytes, that the peer takes in a PDU of its own; at most 1 MiB."""
        return pdu.max_fragment(self.peer_max_pdu_length)

    def data_to_send(self) -> list[bytes]:
        """Everything queued since the last call, in order, to be written whole; may be empty."""
        out, self._out = self._out, []
        return out

    # What happens in the world

    def receive(self, data: memoryview) -> list[WireEvent]:
        """Take what was read from the transport connection, split anywhere.

        Never raises for what the peer sends: breaking the protocol queues an A-ABORT and is reported as ``Aborted``.

        Args:
            data: Bytes; not kept, but ``DataReceived`` events point into it.

        Returns:
            What happened, in order. How a data set is cut into pieces depends on the split; nothing else does.
        """
        events: list[WireEvent] = []
        try:
            self._read(data, events)
        except PeerError as error:
            self._refuse(error, events)
        return events

    def peer_closed(self) -> list[WireEvent]:
        """The transport connection is gone: closed by the peer, broken, or given up by the shell."""
        if self.closed:
            return []
        action = self._step(Event.TRANSPORT_CLOSED)
        return [] if action is Action.STOP_TIMER else [ConnectionLost()]

    def timer_expired(self) -> list[WireEvent]:
        """The ARTIM timer ran out: sets ``closed``, unless it should not have been running. Nothing else happens.

        Source: PS3.8 9.1.5, Table 9-9, AA-2.
        """
        if self.timer_running:
            self._step(Event.TIMER_EXPIRED)
        return []

    # What the local side wants

    def request(self, request: AssociateRequest) -> None:
        """As requestor, with the transport connection open: ask for an association.

        The maximum length sent is the connection's own.

        Raises:
            LocalError: Not a requestor, already asked, or the request cannot be encoded.
        """
        if self._may(Event.TRANSPORT_CONFIRMED):
            self._out.append(encode_request(request, max_pdu_length=self.max_pdu_length))
            self._request = request
            self._deaf = False
            self._step(Event.TRANSPORT_CONFIRMED)

    def accept(self, results: Sequence[ContextResult]) -> None:
        """As acceptor: answer ``AssociateRequested`` with an A-ASSOCIATE-AC.

        Proposed roles are answered by ``grant_roles``; an asynchronous operations window is not, which means 1/1.

        Args:
            results: One for each proposed context, in the order of the proposal; all may be refusals.

        Raises:
            LocalError: There is no request to answer, or the results do not fit it.
        """
        if self._may(Event.ASSOCIATE_ACCEPT):
            request = self._request
            assert request is not None, "Sta3 is entered with a request only"
            roles = grant_roles(request.roles, results)
            self._out.append(acceptance.encode(request, results, roles, max_pdu_length=self.max_pdu_length))
            self._set_accepted(results)
            self._step(Event.ASSOCIATE_ACCEPT)

    def reject(self, reject: Reject) -> None:
        """As acceptor: answer ``AssociateRequested`` with an A-ASSOCIATE-RJ.

        Raises:
            LocalError: There is no request to answer.
        """
        if self._may(Event.ASSOCIATE_REJECT):
            self._out.append(pdu.encode_reject(reject))
            self._step(Event.ASSOCIATE_REJECT)

    def send_command(self, context_id: int, command: Command) -> None:
        """Queue a command set, in as many PDUs as the peer's maximum length makes necessary.

        Raises:
            LocalError: There is no such accepted context, the state allows no data, or the command cannot be encoded.
        """
        if self._may(Event.DATA_REQUEST):
            data = encode_command(command)
            size = self.max_fragment
            for start in range(0, len(data), size):
                fragment = data[start : start + size]
                last = start + size >= len(data)
                self._out.append(self._data_header(context_id, len(fragment), command=True, last=last) + fragment)

    def data_header(self, context_id: int, length: int, last: bool) -> bytes:
        """The 12 bytes that must precede ``length`` bytes of a data set on the wire.

        Args:
            context_id: Of the command that announced the data set.
            length: 0 to ``max_fragment``; odd only if it is the last fragment of an odd data set.
            last: Whether the data set ends with these bytes.

        Raises:
            LocalError: There is no such accepted context, the length does not fit, or the state allows no data, also
                because the association is over: bytes that the shell writes itself cannot be dropped here.
        """
        if not self._may(Event.DATA_REQUEST):
            raise LocalError(f"no data can be sent in state {self.state} ({self.state.name}): the association is over")
        return self._data_header(context_id, length, command=False, last=last)

    def _data_header(self, context_id: int, length: int, *, command: bool, last: bool) -> bytes:
        if context_id not in self.accepted:
            raise LocalError(f"presentation context {context_id} was not accepted")
        if not 0 <= length <= self.max_fragment:
            raise LocalError(f"a fragment of {length} bytes; the peer takes 0 to {self.max_fragment}")
        return pdu.encode_data_header(context_id, length, command=command, last=last)

    def release(self) -> None:
        """Ask for the end of the association; ``Released`` confirms it. Collisions are resolved here.

        Raises:
            LocalError: There is no association, or its release is already under way.
        """
        if self._may(Event.RELEASE_REQUEST):
            self._out.append(pdu.encode_release_rq())
            self._step(Event.RELEASE_REQUEST)

    def confirm_release(self) -> None:
        """Answer ``ReleaseRequested`` with an A-RELEASE-RP; nothing can be sent after it.

        Raises:
            LocalError: The peer has not asked for release.
        """
        if self._may(Event.RELEASE_RESPONSE):
            self._out.append(pdu.encode_release_rp())
            self._step(Event.RELEASE_RESPONSE)

    def abort(self, source: int = 0, reason: int = 0) -> None:
        """End the association at once, in whatever state; before there is one, just ask for the close.

        Args:
            source: 0 = the service user, 2 = the upper layer itself.
            reason: See ``AbortReason``; 0 with source 0.

        Raises:
            LocalError: Source or reason is not 0-255.
        """
        abort = pdu.encode_abort(source, reason)
        if self.state is State.AWAITING_ASSOCIATE:
            # Table 9-10 knows no local user in this state; the effect of giving up is that of the timer.
            self._step(Event.TIMER_EXPIRED)
        elif self._may(Event.ABORT_REQUEST) and self._step(Event.ABORT_REQUEST) is Action.SEND_USER_ABORT:
            self._out.append(abort)

    # The machine

    def _may(self, event: Event) -> bool:
        """Whether a wish of the local side can be fulfilled; ``False`` = the association is over.

        Raises:
            LocalError: This state never allows it.
        """
        if self.closed or self.state is State.AWAITING_CLOSE:
            return False
        if (self.state, event) not in TRANSITIONS:
            raise LocalError(f"{event.name} is not possible in state {self.state} ({self.state.name})")
        return True

    def _step(self, event: Event, to: State | None = None) -> Action:
        """Go where Table 9-10 says; ``to`` decides where it leaves a choice."""
        action = TRANSITIONS[self.state, event]
        self.state = to or NEXT_STATE[action]
        self.closed = self.state is State.IDLE
        self._deaf = self._deaf or self.closed
        self._data_wanted = self.state in DATA_WANTED
        if self._frame.body is Body.STREAMED and not self._data_wanted:
            self._frame.body = Body.SKIPPED
        return action

    def _read(self, data: memoryview, events: list[WireEvent]) -> None:
        frame = self._frame
        position, end = 0, len(data)
        while position < end and not self._deaf:
            if self._data_wanted and frame.at_boundary:
                position, count = self._stream.take_pdus(data, position, self._longest_data, events)
                self.pdus_received += count
            if frame.left:
                start, position = position, frame.take_body(data, position)
                if frame.body is Body.STREAMED:
                    self._stream.take(data, start, position, frame.left, events)
            else:
                position, whole = frame.take_header(data, position)
                if not whole:
                    return
                self._on_header(events)
            if not frame.left:
                self.pdus_received += 1
                if frame.body is Body.GATHERED:
                    self._on_pdu(frame.whole(), events)

    def _on_header(self, events: list[WireEvent]) -> None:
        """Decide from type and length alone, so that nothing is kept of what will be refused."""
        frame = self._frame
        kind, length = frame.kind, frame.left
        event = RECEIVED.get(kind, Event.INVALID_PDU_RECEIVED)
        if TRANSITIONS[self.state, event] in UNREAD:
            frame.body = Body.SKIPPED
            self._on_unread(event, events)
            return
        is_data = event is Event.DATA_RECEIVED
        low, high = (pdu.MIN_DATA_BYTES, self._longest_data) if is_data else pdu.LENGTHS[kind]
        if not low <= length <= high:
            raise PeerError(f"{PduType(kind).name} of {length} bytes; {low} to {high} are allowed")
        frame.body = Body.STREAMED if is_data else Body.GATHERED

    def _on_unread(self, event: Event, events: list[WireEvent]) -> None:
        """A PDU that has no place here. Source: PS3.8 Table 9-9, AA-1, AA-6, AA-7, AA-8."""
        was, kind = self.state, self._frame.kind
        unknown = event is Event.INVALID_PDU_RECEIVED
        action = self._step(event)
        if action is Action.IGNORE:
            return
        if action is Action.SEND_USER_ABORT:
            source, reason = 0, AbortReason.NOT_SPECIFIED
        else:
            source, reason = 2, AbortReason.UNRECOGNIZED_PDU if unknown else AbortReason.UNEXPECTED_PDU
        name = f"a PDU of unknown type {kind:02X}H{_FOREIGN.get(kind, '')}" if unknown else PduType(kind).name
        self._send_abort(action, source, reason, f"the peer sent {name} in state {was} ({was.name})", events)

    def _refuse(self, error: PeerError, events: list[WireEvent]) -> None:
        """A PDU broke the rules, and with it perhaps the boundaries of all that follow: read no further."""
        action = self._step(Event.INVALID_PDU_RECEIVED)
        self._deaf = True
        self._send_abort(action, error.source, error.reason, str(error), events)

    def _send_abort(self, action: Action, source: int, reason: int, why: str, events: list[WireEvent]) -> None:
        self._out.append(pdu.encode_abort(source, reason))
        if action is not Action.SEND_ABORT_AGAIN:
            events.append(Aborted(source=source, reason=reason, by_peer=False, why=why))

    def _on_pdu(self, body: bytes, events: list[WireEvent]) -> None:
        """A gathered PDU is complete. The state may have changed since its header came."""
        event = RECEIVED[self._frame.kind]
        match TRANSITIONS[self.state, event]:
            case Action.INDICATE_ASSOCIATE:
                self._on_request(body, events)
            case Action.CONFIRM_ACCEPTANCE:
                self._on_acceptance(body, events)
            case Action.CONFIRM_REJECTION:
                self._step(event)
                events.append(AssociateRejected(reject=pdu.decode_reject(body)))
            case Action.INDICATE_RELEASE:
                self._step(event)
                events.append(ReleaseRequested())
            case Action.CONFIRM_RELEASE:
                self._step(event)
                events.append(Released())
            case Action.INDICATE_COLLISION | Action.CONFIRM_RELEASE_IN_COLLISION:
                self._on_collision(event, events)
            case Action.INDICATE_PEER_ABORT | Action.CLOSE:
                self._on_abort(event, body, events)
            case _:
                self._on_unread(event, events)

    def _on_request(self, body: bytes, events: list[WireEvent]) -> None:
        """Source: PS3.8 Table 9-6, AE-6."""
        version = protocol_version(body)
        # PS3.8 Table 9-11: only bit 0 is looked at. What another version would put behind it is unknown.
        if not version & 1:
            why = f"protocol version {version:04X}H does not include version 1, which is bit 0"
            self._reject_at_once(body, Reject.PROTOCOL_VERSION, why, events)
            return
        request = decode_request(body)
        if request.application_context != APPLICATION_CONTEXT:
            why = f"application context {request.application_context[:64]!r} is not {APPLICATION_CONTEXT}"
            self._reject_at_once(body, Reject.APPLICATION_CONTEXT, why, events)
            return
        self._set_peer_max(request.max_pdu_length)
        self._request = request
        self._step(Event.ASSOCIATE_RQ_RECEIVED)
        events.append(AssociateRequested(request=request))

    def _reject_at_once(self, body: bytes, reject: Reject, why: str, events: list[WireEvent]) -> None:
        called, calling = titles(body)
        self._out.append(pdu.encode_reject(reject))
        self._step(Event.ASSOCIATE_RQ_RECEIVED, to=State.AWAITING_CLOSE)
        events.append(AssociateRefused(called=called, calling=calling, reject=reject, why=why))

    def _on_acceptance(self, body: bytes, events: list[WireEvent]) -> None:
        """Source: PS3.8 Table 9-6, AE-3."""
        request = self._request
        assert request is not None, "Sta5 is entered with a request only"
        answer = acceptance.decode(body, request.contexts)
        self._set_peer_max(answer.max_pdu_length)
        self._set_accepted(answer.results)
        self._step(Event.ASSOCIATE_AC_RECEIVED)
        events.append(
            AssociateAccepted(
                results=answer.results,
                implementation_class_uid=answer.implementation_class_uid,
                implementation_version_name=answer.implementation_version_name,
            )
        )

    def _on_collision(self, event: Event, events: list[WireEvent]) -> None:
        """Both sides asked for release: the requestor answers first, then the acceptor.

        The local user has asked for release itself, so it has nothing left to say and its answer is given here.

        Source: PS3.8 7.2.2, Table 9-8, AR-8, AR-9, AR-10.
        """
        if event is Event.RELEASE_RQ_RECEIVED and self.role is Role.ACCEPTOR:
            self._step(event, to=State.COLLISION_ACCEPTOR_PEER)
            return
        self._step(event)
        self.confirm_release()
        if event is Event.RELEASE_RP_RECEIVED:
            events.append(Released())

    def _on_abort(self, event: Event, body: bytes, events: list[WireEvent]) -> None:
        """Source: PS3.8 Table 9-9, AA-2, AA-3."""
        over = self.state is State.AWAITING_CLOSE
        self._step(event)
        if not over:
            source, reason = pdu.decode_abort(body)
            who = {0: "the peer's application", 2: "the peer's upper layer"}.get(source, "the peer")
            why = f"{who} aborted the association (source {source}, reason {reason})"
            events.append(Aborted(source=source, reason=reason, by_peer=True, why=why))

    def _set_peer_max(self, length: int | None) -> None:
        """Source: PS3.8 D.1."""
        if length is not None and 0 < length < pdu.MIN_MAX_LENGTH:
            raise PeerError(f"the peer takes PDUs of at most {length} bytes; no message fits into less than 8")
        self.peer_max_pdu_length = pdu.DEFAULT_MAX_LENGTH if length is None else length

    def _set_accepted(self, results: Sequence[ContextResult]) -> None:
        self.accepted = MappingProxyType({result.id: result for result in results if result.accepted})
        self._stream = DataStream(self.accepted)
