"""One accepted connection from its first byte to its last: the body of its thread."""

from __future__ import annotations

import secrets
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from hilum.association import remedy
from hilum.association.admission import Rejected, admit
from hilum.association.capacity import Capacity
from hilum.association.introduction import Unheard, hear
from hilum.association.manners import STALL_SECONDS, Manners
from hilum.association.observer import (
    AssociationAccepted,
    AssociationEnded,
    AssociationRejected,
    ConnectionDropped,
    Early,
    Observer,
    Tally,
)
from hilum.association.provider import ObjectTooLargeError, Provider
from hilum.association.settings import AcceptorSettings
from hilum.association.sink import AssociationSink, Ending, Receiver
from hilum.association.transport import Interrupted, Link, LinkEvent, TimedOut, Wait
from hilum.clock import Clock
from hilum.errors import PeerError, PermanentError, TemporaryError
from hilum.model import AssociationId, AssociationInfo
from hilum.observe.durations import Durations
from hilum.wire import (
    Aborted,
    AssociateRefused,
    AssociateRequest,
    AssociateRequested,
    CommandReceived,
    Connection,
    ConnectionLost,
    DataReceived,
    Reject,
    ReleaseRequested,
    Role,
    State,
    negotiate,
)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How the association ended; ``how`` is ``None`` after a release."""

    how: Ending | None
    why: str = ""
    remedy: str = ""


class Acceptor:
    """Serves one peer.

    Args:
        sock: Just accepted; owned from now on.
        host: Numeric address of the peer.
        relayed: The peer is a load balancer: it must say by the PROXY protocol whose connection this is.
        settings: Gives the newest settings; asked again when the A-ASSOCIATE-RQ is complete.
        capacity: Already counts this connection as waiting.
    """

    def __init__(
        self,
        sock: socket.socket,
        host: str,
        port: int,
        *,
        relayed: bool,
        settings: Callable[[], AcceptorSettings],
        capacity: Capacity,
        receiver: Receiver,
        observer: Observer,
        clock: Clock,
    ) -> None:
        self._began = time.monotonic()
        self._host = host
        self._port = port
        self._relayed = relayed
        self._balancers_own = False  # no sender's: a health check, as far as anybody knows
        self._asked = threading.Event()
        self._settings = settings
        self._capacity = capacity
        self._receiver = receiver
        self._observer = observer
        self._clock = clock
        limits = settings()
        self._artim = limits.artim.total_seconds()
        self._connection = Connection(Role.ACCEPTOR, max_pdu_length=limits.max_pdu_length)
        self._link = Link(
            sock,
            self._connection,
            pdu_seconds=limits.pdu.total_seconds(),
            write_seconds=limits.write.total_seconds(),
        )
        self._seated = False
        self._association: AssociationInfo | None = None
        self._pauses, self._stalls = Durations(), Durations()
        self._refused: Counter[str] = Counter()
        self._provider: Provider | None = None
        self._cut_off = ""

    @property
    def tally(self) -> Tally:
        """What has come over the association so far; any thread may ask."""
        return Tally() if self._provider is None else self._provider.tally

    @property
    def association(self) -> AssociationInfo | None:
        """The association that is open on this connection; ``None`` before and after."""
        return self._association if self._seated else None

    @property
    def seated(self) -> bool:
        """Whether this connection is an open association."""
        return self._seated

    def wait_until_asked(self, seconds: float) -> bool:
        """Wait until the request for an association was answered, or never will be; ``False`` if time ran out."""
        return self._asked.wait(max(0.0, seconds))

    def interrupt(self) -> None:
        """Abort the association, or drop the connection that has none; any thread may call it."""
        self._link.interrupt()

    def cut_off(self, why: str) -> None:
        """Abort the association because an operator wants it; any thread may call it.

        Args:
            why: Who asked, and by what.
        """
        self._cut_off = why
        self._link.interrupt()

    def cut(self) -> None:
        """Wait for the peer no longer, not even to tell it; any thread may call it."""
        self._link.cut()

    def run(self) -> None:
        """Serve until the connection is closed; never raises."""
        try:
            request = self._await_request() if self._introduced() else None
            if request is not None:
                self._answer(request)
        except Exception:  # noqa: BLE001  whatever it was, it ends one connection and not the gateway
            _log.exception("association.fault")
            self._connection.abort()
        finally:
            self._asked.set()
            self._stand_up()
            # PS3.8 9.1.5: ARTIM runs once more while the peer should close; without a last PDU of ours it need not.
            said = self._connection.state is State.AWAITING_CLOSE
            self._link.close(self._artim if said else 0.0)
            self._capacity.leave(self._host)

    # Before the association

    def _introduced(self) -> bool:
        """Whether it is known whose connection this is; if not, that is reported.

        Source: The PROXY protocol, section 2: a receiver must not guess whether the header is there.
        """
        if not self._relayed:
            return True
        told = hear(self._link, self._began + self._artim)
        if isinstance(told, Unheard):
            if told.cause is not None:
                self._report_dropped(told.cause, told.why, told.remedy)
            return False
        if told is None or told[0] == self._host:
            self._balancers_own = True
            return True
        host, port = told
        full = self._capacity.know(self._host, host, per_host=self._settings().pre_association_per_host)
        if full is None:
            self._host, self._port = host, port
            return True
        self._observer(ConnectionDropped(host=host, port=port, cause=Early.TOO_MANY, why=full, remedy=remedy.TOO_MANY))
        return False

    def _await_request(self) -> AssociateRequest | None:
        """The complete A-ASSOCIATE-RQ; ``None`` if the connection ended before, which is then reported.

        Source: PS3.8 9.1.4, 9.1.5: ARTIM runs from the transport connection to the complete PDU.
        """
        request: AssociateRequest | None = None
        while request is None:
            left = self._began + self._artim - time.monotonic()
            for event in self._link.receive(left, "an A-ASSOCIATE-RQ"):
                match event:
                    case AssociateRequested():
                        request = event.request  # unless more came with it: nothing may follow before our answer
                    case AssociateRefused():
                        self._report_rejection(event, event.reject, event.why, remedy.OTHER_PROTOCOL)
                        return None
                    case ConnectionLost() if self._balancers_own and not self._connection.mid_pdu:
                        return None  # it has seen what it wanted: that we are here
                    case _ if (end := self._early_end(event)) is not None:
                        self._report_dropped(*end, remedy.before_association(event))
                        return None
                    case _:
                        pass
        return request

    def _report_dropped(self, cause: Early, why: str, known_remedy: str) -> None:
        self._observer(ConnectionDropped(host=self._host, port=self._port, cause=cause, why=why, remedy=known_remedy))

    def _early_end(self, event: LinkEvent) -> tuple[Early, str] | None:
        """Why the connection ends without an association, if the event ends it."""
        match event:
            case Aborted(by_peer=by_peer, why=why):
                return Early.BROKE_OFF if by_peer else Early.NOT_DICOM, why
            case TimedOut():
                return Early.TIMED_OUT, f"no complete A-ASSOCIATE-RQ came within {self._artim:g} s"
            case ConnectionLost():
                return Early.BROKE_OFF, "the peer closed the connection before it had sent an A-ASSOCIATE-RQ"
            case Interrupted():
                return Early.STOPPED, "the gateway is stopping"
            case _:
                return None

    def _answer(self, request: AssociateRequest) -> None:
        """Accept the request and serve the association, or reject it."""
        settings = self._settings()
        congested = self._receiver.congested()
        decision = self._capacity.admit(
            self._host,
            lambda count: admit(request, self._host, settings.rules, open_count=count, congested=congested),
        )
        self._asked.set()
        if isinstance(decision, Rejected):
            self._connection.reject(decision.reject)
            self._link.flush()
            self._report_rejection(request, decision.reject, decision.why, decision.remedy)
            return
        self._seated = True
        opened_at = self._clock()
        association = AssociationInfo(
            id=new_association_id(opened_at),
            calling=decision.calling,
            called=decision.called,
            host=self._host,
            port=self._port,
            opened_at=opened_at,
        )
        self._association = association
        try:
            sink = self._receiver.open(association)
        except (TemporaryError, PermanentError) as error:
            self._stand_up()
            self._connection.reject(Reject.CONGESTION)
            self._report_rejection(request, Reject.CONGESTION, str(error), "see the log for what the gateway lacks")
            return
        self._associate(request, settings, association, sink)

    def _report_rejection(
        self, request: AssociateRequest | AssociateRefused, reject: Reject, why: str, known_remedy: str
    ) -> None:
        self._observer(
            AssociationRejected(
                host=self._host,
                port=self._port,
                calling=request.calling,
                called=request.called,
                reject=reject,
                why=why,
                remedy=known_remedy,
            )
        )

    def _stand_up(self) -> None:
        """Free the place of the association; before the peer can know that it is over, so that it may come again."""
        if self._seated:
            self._seated = False
            self._capacity.end(self._host)

    # The association

    def _associate(
        self,
        request: AssociateRequest,
        settings: AcceptorSettings,
        association: AssociationInfo,
        sink: AssociationSink,
    ) -> None:
        """Accept, serve, and report how it went."""
        began = time.monotonic()
        provider = Provider(
            connection=self._connection,
            association=association,
            sink=sink,
            observer=self._observer,
            object_bytes=settings.object_bytes,
            log_commands=settings.log_commands,
        )
        self._provider = provider
        outcome = self._serve(request, settings, provider, sink)
        self._observer(
            AssociationEnded(
                association=association,
                how=outcome.how,
                why=outcome.why,
                remedy=outcome.remedy,
                tally=provider.tally,
                duration=timedelta(seconds=time.monotonic() - began),
                manners=Manners(
                    implementation=request.implementation_version_name or request.implementation_class_uid,
                    takes=self._connection.peer_max_pdu_length,
                    pdus=self._connection.pdus_received,
                    pauses=self._pauses,
                    stalls=self._stalls,
                    refused=dict(self._refused),
                ),
            )
        )

    def _accept(self, request: AssociateRequest, settings: AcceptorSettings, association: AssociationInfo) -> None:
        """Queue the A-ASSOCIATE-AC."""
        results = negotiate(request.contexts, settings.negotiation, common=request.common_extended)
        self._connection.accept(results)
        self._refused.update(result.abstract_syntax for result in results if not result.accepted)
        self._observer(
            AssociationAccepted(
                association=association,
                accepted_contexts=sum(result.accepted for result in results),
                proposed_contexts=len(results),
                implementation=request.implementation_version_name or request.implementation_class_uid,
            )
        )

    def _serve(
        self, request: AssociateRequest, settings: AcceptorSettings, provider: Provider, sink: AssociationSink
    ) -> _Outcome:
        """Serve to the end; the sink is released or broken, exactly once, when this returns."""
        try:
            self._accept(request, settings, provider.association)
            outcome = self._converse(provider, settings.idle.total_seconds())
            provider.abandon()
            if outcome.how is None:
                sink.release()
        except PeerError as error:
            self._connection.abort(error.source, error.reason)
            too_large = isinstance(error, ObjectTooLargeError)
            known = remedy.TOO_LARGE if too_large else remedy.of_ending(Ending.PROTOCOL_ERROR)
            outcome = _Outcome(Ending.PROTOCOL_ERROR, str(error), known)
        except (TemporaryError, PermanentError) as error:
            self._connection.abort()
            outcome = _Outcome(Ending.FAILED, str(error), remedy.of_ending(Ending.FAILED))
        except Exception as error:  # noqa: BLE001  see below
            # The peer must not take silence for success, and the sink must learn that nothing follows.
            _log.exception("association.fault")
            self._connection.abort()
            why = f"a fault of the gateway, {type(error).__name__}: see the log"
            outcome = _Outcome(Ending.FAILED, why, remedy.of_ending(Ending.FAILED))
        self._stand_up()
        if outcome.how is None:
            self._connection.confirm_release()
            self._link.flush()
        else:
            self._link.flush()
            provider.abandon()
            sink.broken(outcome.how, outcome.why)
        return outcome

    def _converse(self, provider: Provider, idle: float) -> _Outcome:
        """Take and answer messages until the peer asks for release or the association breaks.

        Raises:
            PeerError: The peer must be aborted.
        """
        while True:
            inside = provider.receiving
            events = self._link.flush() or self._link.receive(idle, "the next message")
            if inside and self._link.waited > STALL_SECONDS:
                self._stalls.add(int(self._link.waited * 1e9))
            run: list[memoryview] = []  # fragments of one data set that came with one read
            release = False
            for event in events:
                match event:
                    case DataReceived(data=data, last=last):
                        run.append(data)
                        if last:
                            provider.data(run, last=True)
                            run = []
                    case CommandReceived(context_id=context_id, command=command):
                        self._pauses.add(int(self._link.waited * 1e9))
                        if command.has_data:
                            self._link.widen()
                        provider.command(context_id, command)
                    case ReleaseRequested():
                        release = True  # unless more came with it: whatever follows breaks the association
                    case _ if (outcome := self._broken(event, idle)) is not None:
                        return outcome
                    case _:
                        pass
            if release:
                return _Outcome(None)
            if run:
                provider.data(run, last=False)

    def _broken(self, event: LinkEvent, idle: float) -> _Outcome | None:
        """How an event ends the association, if it does; what the peer must be told is queued."""
        match event:
            case Aborted(by_peer=by_peer, why=why):
                how = Ending.ABORTED if by_peer else Ending.PROTOCOL_ERROR
            case ConnectionLost():
                how, why = Ending.LOST, "the connection ended without release or abort"
            case TimedOut(why=why, wait=wait):
                self._connection.abort()
                how = Ending.TIMED_OUT
                if wait is Wait.NEXT:
                    why = f"nothing came for {idle:g} s"
            case Interrupted() if self._cut_off:
                self._connection.abort()
                return _Outcome(Ending.CUT_OFF, self._cut_off, remedy.CUT_OFF)
            case Interrupted():
                self._connection.abort()
                how, why = Ending.STOPPED, "the gateway is stopping"
            case _:
                return None
        return _Outcome(how, why, remedy.of_association(event))


def new_association_id(now: datetime) -> AssociationId:
    """Sorts by time of birth; not even two processes that share a spool make the same twice."""
    return AssociationId(f"{now:%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}")
