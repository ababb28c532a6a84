"""Many connections: admission, limits, reload and the end, seen from outside."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

import pytest
from structlog.typing import EventDict

from harness.raw_peer import ABORT, AC, ECHO_CONTEXT, RJ, RawPeer, associate_rq, data_set, echo_rq, store_rq
from harness.waiting import eventually
from hilum.association.admission import Source
from hilum.association.observer import (
    AssociationAccepted,
    AssociationEnded,
    AssociationRejected,
    ConnectionDropped,
    InstanceRefused,
)
from hilum.association.server import Server
from hilum.association.sink import Ending
from hilum.errors import LocalError, PermanentError, TemporaryError
from hilum.model import AETitle, Answer, AssociationInfo
from hilum.wire import NegotiationPolicy, Reject
from stage.association.recording_sink import Broken, Released, Stored
from stage.association.running_gateway import Gateway


def answer(gateway: Gateway, request: bytes, source: str = "127.0.0.1") -> tuple[int, ...]:
    """PDU type, and for a rejection result, source and reason."""
    with gateway.connect(source=source) as peer:
        peer.send(request)
        kind, body = peer.pdu()
        return (kind, *body[1:4]) if kind == RJ else (kind,)


# Admission


def test_a_stranger_is_rejected_and_the_operator_learns_the_remedy(gateway: Gateway) -> None:
    assert answer(gateway, associate_rq(calling="STRANGER", called="NOBODY")) == (RJ, 1, 1, 3)
    event = gateway.seen.wait(AssociationRejected)
    assert (event.calling, event.called, event.host) == ("STRANGER", "NOBODY", "127.0.0.1")
    assert event.reject == Reject.CALLING_NOT_RECOGNIZED
    assert event.remedy == "add {host-ip: 127.0.0.1, ae-title: STRANGER} to dicom.scp.sources"
    assert answer(gateway, associate_rq(called="NOBODY")) == (RJ, 1, 1, 7)
    assert answer(gateway, associate_rq(calling="")) == (RJ, 1, 1, 3)


def test_a_known_title_from_a_wrong_address_is_rejected(gateway: Gateway) -> None:
    gateway.configure(sources=(Source.parse("127.0.0.7", AETitle("SCANNER")),))
    assert answer(gateway, associate_rq()) == (RJ, 1, 1, 3)
    assert answer(gateway, associate_rq(), source="127.0.0.7") == (AC,)


def test_a_source_may_be_a_host_name(start: Callable[..., Gateway]) -> None:
    gateway = start()
    gateway.configure(sources=(Source.parse("localhost", AETitle("SCANNER")),))
    # The name is looked up when the settings are seen for the first time, which no association waits for.
    deadline = time.monotonic() + 20
    while answer(gateway, associate_rq()) != (AC,):
        assert time.monotonic() < deadline


def test_names_known_at_start_are_resolved_before_the_first_association(gateway: Gateway) -> None:
    gateway.configure(sources=(Source.parse("localhost", AETitle("SCANNER")),))
    second = Server(
        "127.0.0.1", 0, settings=lambda: gateway.settings, receiver=gateway.receiver, observer=gateway.receiver.observe
    )
    port = second.start()
    with RawPeer.connect(port) as peer:
        peer.associate()
    second.stop(timedelta(0))


def test_protocol_violations_in_the_request_are_rejected_and_reported(gateway: Gateway) -> None:
    request = associate_rq()
    assert answer(gateway, request[:6] + b"\0\2" + request[8:]) == (RJ, 1, 2, 2)
    assert gateway.seen.wait(AssociationRejected).reject == Reject.PROTOCOL_VERSION


def test_over_the_limit_is_a_transient_reject_at_once_until_a_place_is_free(gateway: Gateway) -> None:
    with gateway.connect() as first, gateway.connect() as second:
        first.associate()
        second.associate()
        assert gateway.server.open_count == 2
        began = time.monotonic()
        assert answer(gateway, associate_rq()) == (RJ, 2, 3, 2)
        assert time.monotonic() - began < 1
        first.release()
        assert answer(gateway, associate_rq()) == (AC,)


@pytest.mark.parametrize("how", ["release", "abort"])
def test_a_place_is_free_as_soon_as_the_peer_can_know(gateway: Gateway, how: str) -> None:
    gateway.configure(max_associations=1)
    checked = threading.Event()
    gateway.receiver.on_event = lambda event: isinstance(event, AssociationEnded) and checked.wait(10)
    with gateway.connect() as first, gateway.connect() as second:
        first.associate()
        if how == "release":
            first.release()
        else:
            first.send(associate_rq())  # breaks the protocol
            assert first.pdu()[0] == ABORT
        second.associate()
        checked.set()


def test_a_full_disk_is_a_transient_reject(gateway: Gateway) -> None:
    gateway.receiver.congested_because = "the disk is 90 % full"
    assert answer(gateway, associate_rq()) == (RJ, 2, 3, 1)
    assert gateway.seen.wait(AssociationRejected).why == "the disk is 90 % full"
    gateway.receiver.congested_because = None
    assert answer(gateway, associate_rq()) == (AC,)


def test_a_receiver_that_cannot_open_rejects_for_now(gateway: Gateway) -> None:
    def fail(_: AssociationInfo) -> None:
        raise TemporaryError("the spool is not mounted")

    gateway.receiver.on_open = fail
    assert answer(gateway, associate_rq()) == (RJ, 2, 3, 1)
    assert gateway.seen.wait(AssociationRejected).why == "the spool is not mounted"
    assert gateway.server.open_count == 0


def test_a_rejected_peer_can_read_its_rejection_although_it_went_on_sending(gateway: Gateway) -> None:
    with gateway.connect() as peer:
        peer.send(associate_rq(calling="STRANGER"))
        gateway.seen.wait(AssociationRejected)
        for _ in range(50):
            peer.send(data_set(bytes(4000)))
        assert peer.read(100) == b"\x03\0\0\0\0\x04\0\x01\x01\x03"


def test_verification_can_be_switched_off_without_losing_storage(gateway: Gateway) -> None:
    gateway.configure(negotiation=NegotiationPolicy(verification=False))
    with gateway.connect() as peer:
        body = peer.associate()
        assert b"\x21\0\0" + bytes([4 + 4 + len("1.2.840.10008.1.2")]) + b"\x01\0\x03" in body
        peer.send(store_rq(), data_set(b"ab"))
        assert peer.status() == 0


# Before the association


@pytest.mark.parametrize("length", [0, 3, 60])
def test_half_a_request_is_closed_when_artim_has_run(start: Callable[..., Gateway], length: int) -> None:
    gateway = start()
    gateway.configure(artim=0.3)
    began = time.monotonic()
    with gateway.connect() as peer:
        peer.send(associate_rq()[:length])
        assert peer.read(1) == b""
    assert 0.25 < time.monotonic() - began < 1.3
    assert "0.3 s" in gateway.seen.wait(ConnectionDropped).why


def test_artim_counts_the_whole_request_and_not_each_byte(gateway: Gateway) -> None:
    gateway.configure(artim=0.4)
    began = time.monotonic()
    with gateway.connect() as peer:
        peer.socket.settimeout(0.05)
        for byte in associate_rq():
            with contextlib.suppress(OSError):
                peer.send(bytes([byte]))
            try:
                assert peer.read(1) == b""
                break
            except TimeoutError:
                continue
            except ConnectionResetError:
                break
    assert time.monotonic() - began < 1.5


@pytest.mark.parametrize(
    "greeting", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + bytes(190)]
)
def test_another_protocol_is_turned_away_within_a_second(gateway: Gateway, greeting: bytes) -> None:
    began = time.monotonic()
    with gateway.connect() as peer:
        peer.send(greeting)
        kind, _ = peer.pdu()
        assert kind in (ABORT, 0)
        assert peer.read(1) == b""
    assert time.monotonic() - began < 1
    gateway.seen.wait(ConnectionDropped)


def test_what_follows_a_request_before_its_answer_breaks_it(gateway: Gateway) -> None:
    with gateway.connect() as peer:
        peer.send(associate_rq() + echo_rq())
        assert peer.pdu()[0] == ABORT
    gateway.seen.wait(ConnectionDropped)
    assert gateway.server.open_count == 0
    assert not gateway.seen.all(AssociationAccepted)


def test_half_open_connections_take_no_places_and_are_limited_per_host(gateway: Gateway) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(16):
            stack.enter_context(gateway.connect(source="127.0.0.2"))
        with gateway.connect(source="127.0.0.2") as one_more:
            assert one_more.read(1) == b""
        assert "this host" in gateway.seen.wait(ConnectionDropped).why
        assert gateway.server.open_count == 0
        assert answer(gateway, associate_rq()) == (AC,)


def test_half_open_connections_are_limited_in_all(gateway: Gateway) -> None:
    gateway.configure(pre_association=3)
    with contextlib.ExitStack() as stack:
        for number in range(3):
            stack.enter_context(gateway.connect(source=f"127.0.0.{number + 2}"))
        with gateway.connect() as one_more:
            assert one_more.read(1) == b""


def test_associations_do_not_count_as_half_open(gateway: Gateway) -> None:
    gateway.configure(pre_association=1)
    with gateway.connect() as peer:
        peer.associate()
        assert answer(gateway, associate_rq()) == (AC,)


# Settings


def test_new_settings_hold_for_new_associations_only(gateway: Gateway) -> None:
    with gateway.connect() as peer:
        peer.associate()
        gateway.configure(sources=())
        peer.send(echo_rq())
        assert peer.status() == 0
        assert answer(gateway, associate_rq()) == (RJ, 1, 1, 3)


# Addresses


def test_both_families_are_served_and_ipv4_peers_keep_their_address(start: Callable[..., Gateway]) -> None:
    gateway = start(host="::")
    gateway.configure(sources=(Source.parse("127.0.0.1", AETitle("SCANNER")), Source.parse("::1", AETitle("SCANNER"))))
    for host in ("127.0.0.1", "::1"):
        with gateway.connect(host=host) as peer:
            peer.associate(ECHO_CONTEXT)
        gateway.seen.wait(AssociationEnded, 1 if host == "127.0.0.1" else 2)
    assert [event.association.host for event in gateway.seen.all(AssociationAccepted)] == ["127.0.0.1", "::1"]


def server_on(gateway: Gateway, host: str, port: int) -> Server:
    return Server(
        host, port, settings=lambda: gateway.settings, receiver=gateway.receiver, observer=gateway.receiver.observe
    )


def test_an_address_that_cannot_be_bound_is_told_with_what_to_do(gateway: Gateway) -> None:
    with pytest.raises(TemporaryError, match=r"already in use; .*dicom\.scp\.port"):
        server_on(gateway, "127.0.0.1", gateway.port).start()
    with pytest.raises(TemporaryError, match=r"dicom\.scp\.host"):
        server_on(gateway, "192.0.2.1", 0).start()
    with pytest.raises(PermanentError, match=r"dicom\.scp\.host"):
        server_on(gateway, "no such host", 0).start()


def test_a_server_starts_once(gateway: Gateway) -> None:
    with pytest.raises(LocalError):
        gateway.server.start()


# Trouble and the end


@contextlib.contextmanager
def no_more_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    probe = os.dup(0)
    os.close(probe)
    resource.setrlimit(resource.RLIMIT_NOFILE, (probe, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_lack_of_descriptors_is_waited_out(gateway: Gateway, logged: Sequence[EventDict]) -> None:
    with RawPeer(socket.socket()) as peer:
        with no_more_descriptors():
            peer.socket.connect(("127.0.0.1", gateway.port))
            eventually(lambda: logged, what="a line of the log", pause=0.001)
            assert len(logged) < 5, "it spins"
        peer.associate()
    assert {line["event"] for line in logged} == {"listener.cannot_accept"}


def test_stopping_lets_associations_end_by_themselves(gateway: Gateway) -> None:
    with gateway.connect() as peer:
        peer.associate()
        stopping = threading.Thread(target=gateway.server.stop, args=(timedelta(seconds=20),))
        stopping.start()
        peer.send(store_rq(), data_set(b"ab"))
        assert peer.status() == 0
        peer.release()
    stopping.join(20)
    assert not stopping.is_alive()
    assert gateway.seen.all(Released)
    assert gateway.server.connection_count == 0
    with pytest.raises(ConnectionRefusedError):
        gateway.connect()


def test_stopping_aborts_what_does_not_end_in_time(gateway: Gateway) -> None:
    with gateway.connect() as idle, gateway.connect() as busy, gateway.connect() as waiting:
        idle.associate()
        busy.associate()
        busy.send(store_rq(), data_set(b"whole!"))
        assert busy.status() == 0
        busy.send(store_rq("1.2.4"), data_set(bytes(100_000))[:50_000])
        waiting.send(b"\1")
        gateway.server.stop(timedelta(0))
        assert gateway.server.connection_count == 0
        assert idle.pdu()[0] == ABORT
        assert waiting.read(1) == b""
    assert [broken.how for broken in gateway.seen.all(Broken)] == [Ending.STOPPED, Ending.STOPPED]
    assert len(gateway.seen.all(Stored)) == 1
    assert gateway.server.open_count == 0


def test_stopping_does_not_wait_for_peers_that_do_not_close(gateway: Gateway) -> None:
    gateway.configure(artim=300)
    with gateway.connect() as peer:
        peer.associate()
        peer.release()
        began = time.monotonic()
        gateway.server.stop(timedelta(seconds=20))
        assert time.monotonic() - began < 5


def test_a_peer_that_never_closes_is_closed_when_artim_has_run(gateway: Gateway) -> None:
    gateway.configure(artim=0.3)
    with gateway.connect() as peer:
        peer.associate()
        peer.release()
        gateway.seen.wait(AssociationEnded)
        # Once the other side has closed, what we send is answered with a reset.
        with pytest.raises(ConnectionError):
            peer.flood(b"x")


def test_many_associations_leave_nothing_behind(gateway: Gateway) -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    def visit(count: int) -> None:
        for _ in range(100):
            with gateway.connect() as peer:
                peer.associate(ECHO_CONTEXT)
                peer.release()
        gateway.seen.wait(AssociationEnded, count)

    visit(100)
    before = descriptors(), threading.active_count()
    visit(200)
    # The last thread or two may still be on their way out.
    assert descriptors() <= before[0] + 2
    assert threading.active_count() <= before[1] + 2


def test_events_of_one_association_come_in_order(gateway: Gateway) -> None:
    gateway.receiver.on_finish = lambda _: Answer(status=0xA900)
    with gateway.connect() as peer:
        peer.associate()
        peer.send(store_rq(), data_set(b"ab"))
        assert peer.status() == 0xA900
        peer.release()
    gateway.seen.wait(AssociationEnded)
    assert [type(event) for event in gateway.seen.all(object)] == [
        AssociationAccepted,
        InstanceRefused,
        Released,
        AssociationEnded,
    ]
