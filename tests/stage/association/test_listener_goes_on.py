"""Whatever goes wrong with one connection, the next one is served."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from structlog.typing import EventDict

from harness.raw_peer import ECHO_CONTEXT, RawPeer
from hilum.association.server import Server
from hilum.association.settings import AcceptorSettings
from stage.association.running_gateway import Gateway


def test_a_fault_of_ours_costs_one_connection_and_not_the_listener(logged: Sequence[EventDict]) -> None:
    gateway = Gateway()
    gateway.server.stop(timedelta())
    faults = [ValueError("a bug")]

    def settings() -> AcceptorSettings:
        if faults and server.connection_count == 0 and started:
            raise faults.pop()
        return gateway.settings

    started = False
    server = Server("127.0.0.1", 0, settings=settings, receiver=gateway.receiver, observer=lambda _event: None)
    port = server.start()
    started = True
    try:
        with RawPeer.connect(port) as peer:
            assert peer.read(1) == b""
        with RawPeer.connect(port) as peer:
            peer.associate(ECHO_CONTEXT)
            peer.release()
    finally:
        server.stop(timedelta(seconds=2))
    assert [line["event"] for line in logged] == ["listener.fault"]
