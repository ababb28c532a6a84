"""Connections that a load balancer passes on: the PROXY protocol over real sockets, and from a real HAProxy."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from structlog.typing import EventDict

from harness.haproxy import HAProxy
from harness.proxy import LOCAL, v1, v2, v2_from
from harness.raw_peer import AC, RJ, RawPeer, associate_rq, data_set, echo_rq, store_rq
from harness.waiting import eventually
from hilum.association.admission import Balancer, Source
from hilum.association.observer import AssociationAccepted, AssociationRejected, ConnectionDropped, Early
from hilum.model import AETitle
from stage.association.recording_sink import Stored
from stage.association.running_gateway import Gateway

SCANNER = AETitle("SCANNER")
BALANCER = "127.0.0.1"


@pytest.fixture
def behind(gateway: Gateway) -> Gateway:
    """A gateway that believes ``BALANCER``, and knows one device."""
    gateway.configure(
        balancers=(Balancer.parse(BALANCER),), sources=(Source.parse("198.51.100.7", SCANNER),), max_associations=64
    )
    return gateway


@pytest.mark.parametrize("header", [v1("198.51.100.7", 4711), v2_from("198.51.100.7", 4711)])
def test_a_peer_behind_a_balancer_is_known_by_its_own_address(behind: Gateway, header: bytes) -> None:
    with behind.connect() as peer:
        peer.send(header)
        peer.associate()
        info = behind.server.talking()[0]
        assert (info.host, info.port) == ("198.51.100.7", 4711)
        peer.send(store_rq(), data_set(b"ab"))
        assert peer.status() == 0
        peer.release()
    with behind.connect() as peer:
        peer.send(v2_from("198.51.100.8"))
        assert peer.rejected() == (1, 1, 3)
    rejected = behind.seen.wait(AssociationRejected)
    assert rejected.host == "198.51.100.8"
    assert "came from 198.51.100.8" in rejected.why


@pytest.mark.parametrize("header", [v1("2001:db8::7"), v2_from("198.51.100.7")])
def test_a_header_may_come_in_any_pieces_and_with_what_follows(behind: Gateway, header: bytes) -> None:
    behind.configure(reject_unknown_sources=False)
    stream = header + associate_rq()
    for end in (1, len(header) - 1, len(header) + 1):
        with behind.connect() as peer:
            peer.send(stream[:end])
            peer.send(stream[end:])
            assert peer.pdu()[0] == AC
            peer.send(echo_rq())
            assert peer.status() == 0
            peer.release()
    with behind.connect() as peer:
        for byte in stream:
            peer.send(bytes((byte,)))
        assert peer.pdu()[0] == AC


def test_a_balancer_that_does_not_say_whose_connection_it_is_is_dropped(behind: Gateway) -> None:
    for count, data in enumerate((associate_rq(), b"PROXY TCP5 \r\n", v2(b"", 0x11)), start=1):
        with behind.connect() as peer:
            peer.send(data)
            with contextlib.suppress(ConnectionResetError):
                assert peer.read(1) == b""
        event = behind.seen.wait(ConnectionDropped, count)
        assert (event.host, event.cause) == (BALANCER, Early.NOT_INTRODUCED)
        assert "send-proxy-v2" in event.remedy
    assert not behind.seen.all(AssociationAccepted)


def test_artim_bounds_the_header_too(behind: Gateway) -> None:
    behind.configure(artim=0.2)
    with behind.connect() as peer:
        peer.send(b"PROXY TCP4 ")
        assert peer.read(1) == b""
    event = behind.seen.wait(ConnectionDropped)
    assert event.cause is Early.TIMED_OUT
    assert "no complete PROXY protocol header" in event.why


def test_from_anybody_else_a_header_is_no_header(behind: Gateway) -> None:
    with behind.connect(source="127.0.0.7") as peer:
        peer.send(v2_from("198.51.100.7"), associate_rq())
        assert peer.read(65536)[:1] in {b"", b"\x07"}
    assert behind.seen.wait(ConnectionDropped).cause is Early.NOT_DICOM
    behind.configure(balancers=())
    with behind.connect() as peer:
        peer.send(v1("198.51.100.7"), associate_rq())
        assert peer.read(65536)[:1] in {b"", b"\x07"}
    assert behind.seen.wait(ConnectionDropped, 2).cause is Early.NOT_DICOM


def test_a_balancers_own_connections_keep_its_address_and_its_looks_are_no_news(behind: Gateway) -> None:
    for look in (b"", v2(b"", 0, command=LOCAL), v1(BALANCER), b"PROXY UNKNOWN\r\n"):
        with behind.connect() as peer:
            peer.send(look)
        with behind.connect() as peer:
            peer.send(look)
            peer.reset()
    with behind.connect() as peer:
        peer.send(v2(b"", 0, command=LOCAL))
        assert peer.rejected() == (1, 1, 3)
    assert behind.seen.wait(AssociationRejected).host == BALANCER
    eventually(lambda: behind.server.connection_count == 0, what="all to end")
    assert not behind.seen.all(ConnectionDropped)


def test_limits_of_one_host_count_for_the_one_behind_the_balancer(behind: Gateway) -> None:
    behind.configure(pre_association_per_host=2)
    peers = [behind.connect() for _ in range(5)]
    try:
        for peer in peers[:3]:
            peer.send(v1("198.51.100.7"))
        event = behind.seen.wait(ConnectionDropped)
        assert (event.host, event.cause) == ("198.51.100.7", Early.TOO_MANY)
        peers[3].send(v1("198.51.100.8"))
        assert peers[3].rejected() == (1, 1, 3)
    finally:
        for peer in peers:
            peer.socket.close()


def test_a_balancer_may_be_a_host_name(start: Callable[..., Gateway]) -> None:
    gateway = start()
    gateway.configure(balancers=(Balancer.parse("localhost"),), sources=(Source.parse("198.51.100.7", SCANNER),))

    def admitted() -> bool:
        with gateway.connect() as peer:
            peer.send(v1("198.51.100.7"), associate_rq())
            return peer.read(1) == bytes((AC,))

    eventually(admitted, what="localhost to be known")


@pytest.mark.parametrize(
    "options", ["send-proxy check", "send-proxy-v2 check", "send-proxy-v2 proxy-v2-options crc32c,unique-id check"]
)
def test_haproxy_passes_on_the_address_and_its_checks_make_no_noise(
    gateway: Gateway, tmp_path: Path, options: str, logged: Sequence[EventDict]
) -> None:
    gateway.configure(balancers=(Balancer.parse(BALANCER),), sources=(Source.parse("127.0.0.7", SCANNER),))
    with HAProxy(tmp_path, {"gateway": (gateway.port, f"{options} inter 50ms")}) as balancer:

        def told(what: str) -> str:
            return balancer.servers()["gateway"][what]

        eventually(lambda: told("check_status") == "L4OK", what="a check that succeeds")
        first = int(told("lastchg") or 0)
        with RawPeer.connect(balancer.port, source="127.0.0.7") as peer:
            peer.associate()
            assert gateway.server.talking()[0].host == "127.0.0.7"
            peer.send(store_rq(), data_set(b"ab"))
            assert peer.status() == 0
            peer.release()
        with RawPeer.connect(balancer.port, source="127.0.0.8") as peer:
            peer.send(associate_rq())
            assert peer.pdu()[0] == RJ
        assert gateway.seen.wait(AssociationRejected).host == "127.0.0.8"
        eventually(lambda: int(told("lastchg") or 0) >= first + 1, what="a second of checks")
        assert told("status") == "UP"
        assert told("chkfail") == "0"
    eventually(lambda: gateway.server.connection_count == 0, what="all to end")
    assert len(gateway.seen.all(Stored)) == 1
    assert not gateway.seen.all(ConnectionDropped)
    assert list(logged) == []
