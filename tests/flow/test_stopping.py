"""``hilum serve`` and SIGTERM, and what its service manager is told."""

from __future__ import annotations

import signal
import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from harness.process import GatewayProcess
from harness.raw_peer import ABORT, RawPeer, data_set, store_rq
from harness.service_manager import ServiceManager
from harness.site import Site
from harness.waiting import eventually
from hilum.ledger.database import Database

_UID = "1.2.826.0.1.3680043.8.498.1"


def instance(uid: str) -> bytes:
    """A data set of a CT instance, explicit VR little endian."""

    def element(tag: tuple[int, int], vr: bytes, value: str) -> bytes:
        data = value.encode() + (b"\0" if vr == b"UI" else b" ") * (len(value) % 2)
        return tag[0].to_bytes(2, "little") + tag[1].to_bytes(2, "little") + vr + len(data).to_bytes(2, "little") + data

    return (
        element((8, 0x16), b"UI", "1.2.840.10008.5.1.4.1.1.2")
        + element((8, 0x18), b"UI", uid)
        + element((0x20, 0xD), b"UI", "1.2.3")
        + element((0x20, 0xE), b"UI", "1.2.3.4")
    )


def store(peer: RawPeer, uid: str) -> None:
    peer.send(store_rq(uid), data_set(instance(uid)))
    assert peer.status() == 0


def refused(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(10)
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_at_sigterm_associations_end_by_themselves_and_nobody_else_comes_in(tmp_path: Path) -> None:
    site = Site(tmp_path, {"web": {"enabled": True, "port": 0}, "dicom": {"scp": {"drain-seconds": 600}}})
    with GatewayProcess(site) as gateway:
        web = gateway.started["dashboard"]
        with urllib.request.urlopen(f"{web}health/ready", timeout=120) as answer:
            assert answer.status == 200
        with RawPeer.connect(gateway.port) as open_one, RawPeer.connect(gateway.port) as connected:
            open_one.associate()
            store(open_one, f"{_UID}.1")
            gateway.process.send_signal(signal.SIGTERM)
            eventually(lambda: refused(gateway.port), what="the listener to close")
            connected.associate()  # who had connected before is served
            with pytest.raises(urllib.error.HTTPError, match="503"):
                urllib.request.urlopen(f"{web}health/ready", timeout=120)
            with urllib.request.urlopen(f"{web}health/live", timeout=120) as answer:
                assert answer.status == 200
            for peer, uid in ((open_one, f"{_UID}.2"), (connected, f"{_UID}.3")):
                store(peer, uid)
                peer.release()
        assert gateway.process.wait(60) == 0
    database = Database(site.settings.ledger.url)
    site.database = database
    assert [row.state for row in site.rows("associations")] == ["released", "released"]
    assert not [row for row in site.rows("jobs") if row.owner]
    database.close()


def test_what_does_not_end_in_time_is_aborted_and_held(tmp_path: Path) -> None:
    site = Site(tmp_path, {"dicom": {"scp": {"drain-seconds": 1}}})
    with GatewayProcess(site) as gateway, RawPeer.connect(gateway.port) as peer:
        peer.associate()
        store(peer, f"{_UID}.1")
        gateway.process.send_signal(signal.SIGTERM)
        assert peer.pdu()[0] == ABORT
        assert gateway.process.wait(60) == 0
    site.database = Database(site.settings.ledger.url)
    (held,) = site.rows("associations")
    assert held.state == "held"
    assert "the gateway is stopping" in held.why
    site.database.close()


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    site = Site(tmp_path, {"dicom": {"scp": {"drain-seconds": 600}}})
    with GatewayProcess(site) as gateway, RawPeer.connect(gateway.port) as peer:
        peer.associate()
        gateway.process.send_signal(signal.SIGTERM)
        eventually(lambda: refused(gateway.port), what="the listener to close")
        gateway.process.send_signal(signal.SIGINT)
        assert gateway.process.wait(30) == 128 + signal.SIGINT


def test_the_service_manager_hears_of_start_reload_and_stop(tmp_path: Path) -> None:
    site = Site(tmp_path, {})
    with ServiceManager(str(tmp_path / "notify")) as manager:
        told = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "4000000"}
        with GatewayProcess(site, environment=told) as gateway:
            manager.wait("READY=1")
            manager.wait("WATCHDOG=1")
            manager.wait("STATUS=0 associations")
            gateway.process.send_signal(signal.SIGHUP)
            assert int(manager.wait("MONOTONIC_USEC=").partition("=")[2]) > 0
            manager.wait("READY=1", 2)
            assert gateway.stop() == 0
        manager.wait("STOPPING=1")
    order = [one for one in manager.heard if one in {"READY=1", "RELOADING=1", "STOPPING=1"}]
    assert order == ["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]


def test_a_gateway_without_receive_and_web_listens_nowhere(tmp_path: Path) -> None:
    site = Site(tmp_path, {"web": {"enabled": True, "port": 0}})
    with GatewayProcess(site, environment={"HILUM_ROLES": "group,run,deliver"}) as gateway:
        assert gateway.started["roles"] == ["group", "run", "deliver"]
        assert (gateway.started["port"], gateway.started["web"]) == (0, None)
        assert '"roles.missing"' in gateway.log.read_text()
        assert gateway.stop() == 0
