"""Whatever is refused or broken off, log and history say why and what to do, and nothing of a patient."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import pytest
import structlog

from harness import raw_peer
from harness.raw_peer import COMMAND, CT_CONTEXT, LAST, RELEASE, USER_ABORT, RawPeer, associate_rq, p_data, pdu
from harness.site import Site
from harness.waiting import eventually
from hilum.battery.instance import PATIENT_ID, PATIENT_NAME, Instance
from hilum.battery.octets import EXPLICIT

CT_DATA: Final = Instance(transfer_syntax=EXPLICIT, sop_instance="1.2.3")
KNOWN: Final = {"reject-unknown-sources": True, "sources": [{"host-ip": "127.0.0.1", "ae-title": "SCANNER"}]}
ELSEWHERE: Final = {"reject-unknown-sources": True, "sources": [{"host-ip": "10.0.0.9", "ae-title": "SCANNER"}]}

Provoke = Callable[[Site], None]


def asks(**how: str) -> Provoke:
    """Asks for an association and goes when it was answered."""
    return sends(associate_rq(**how))  # type: ignore[arg-type]


def sends(*data: bytes) -> Provoke:
    """Sends it on a new connection, and goes when the other side says something or closes."""

    def provoke(site: Site) -> None:
        with RawPeer.connect(site.port) as peer:
            peer.send(*data)
            peer.pdu()

    return provoke


def then(*data: bytes, reads: bool = True) -> Provoke:
    """The same on an association."""

    def provoke(site: Site) -> None:
        with RawPeer.connect(site.port) as peer:
            peer.associate()
            peer.send(*data)
            if reads:
                peer.pdu()

    return provoke


def stores(uid: str, content: bytes) -> Provoke:
    """A C-STORE that is answered."""

    def provoke(site: Site) -> None:
        with RawPeer.connect(site.port) as peer:
            peer.associate(CT_CONTEXT)
            peer.send(raw_peer.store_rq(uid), raw_peer.data_set(content))
            peer.status()
            peer.release()

    return provoke


def one_too_many(site: Site) -> None:
    with ExitStack() as stack:
        for _ in range(site.settings.dicom.scp.max_associations):
            stack.enter_context(RawPeer.connect(site.port)).associate()
        asks()(site)


def crowd(site: Site) -> None:
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(RawPeer.connect(site.port))
        with RawPeer.connect(site.port) as peer:
            peer.pdu()


def waits(*data: bytes) -> Provoke:
    """Sends it on an association and waits until the other side has enough."""

    def provoke(site: Site) -> None:
        with RawPeer.connect(site.port) as peer:
            peer.associate()
            peer.send(*data)
            while peer.pdu()[0]:
                pass

    return provoke


def stop_meanwhile(site: Site) -> None:
    with RawPeer.connect(site.port) as peer:
        peer.associate()
        assert site.gateway is not None
        site.gateway.stop(timedelta(0))
        peer.pdu()


def spool_vanishes(site: Site) -> None:
    with RawPeer.connect(site.port) as peer:
        peer.associate(CT_CONTEXT)
        peer.send(raw_peer.store_rq("1.2.3"), raw_peer.data_set(CT_DATA.encode()))
        assert peer.status() == 0
        for folder in [path for path in site.spool.iterdir() if path.is_dir()]:
            shutil.rmtree(folder)
        peer.send(RELEASE)
        peer.pdu()


def stored_then(*data: bytes) -> Provoke:
    """An instance is stored, then this is sent."""

    def provoke(site: Site) -> None:
        with RawPeer.connect(site.port) as peer:
            peer.associate(CT_CONTEXT)
            peer.send(raw_peer.store_rq("1.2.3"), raw_peer.data_set(CT_DATA.encode()))
            assert peer.status() == 0
            peer.send(*data)

    return provoke


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Something that ends badly.

    Attributes:
        event: What the log calls it.
        why: Regular expression of the cause.
        remedy: Of what to do.
        scp: How the gateway is configured.
        storage: As ``scp``.
        history_remedy: Where that of the history is another.
    """

    provoke: Provoke
    event: str
    why: str
    remedy: str
    scp: Mapping[str, Any] = field(default_factory=dict)
    storage: Mapping[str, Any] = field(default_factory=dict)
    history_remedy: str = ""


VENDOR: Final = r"the DICOM standard here.*vendor"
A_BAD_ITEM: Final = raw_peer.pdu(1, associate_rq()[6:] + b"\x99\0\xff\xff")
WRONG_VERSION: Final = associate_rq()[:6] + b"\0\2" + associate_rq()[8:]
WRONG_CONTEXT: Final = associate_rq().replace(b"1.2.840.10008.3.1.1.1", b"1.2.840.10008.3.1.1.2")
BEGUN: Final = raw_peer.store_rq("1.2.3") + p_data(3, 0, CT_DATA.encode()[:200])

CAUSES: Final[Mapping[str, Cause]] = {
    "calling title unknown": Cause(
        provoke=asks(calling="STRANGER"),
        scp=KNOWN,
        event="association.rejected",
        why="calling AE title 'STRANGER' from 127.0.0.1 is not in dicom.scp.sources",
        remedy=r"add \{host-ip: 127.0.0.1, ae-title: STRANGER\} to dicom.scp.sources",
    ),
    "calling title in another case": Cause(
        provoke=asks(calling="scanner"),
        scp=KNOWN,
        event="association.rejected",
        why="it has 'SCANNER': upper and lower case matter",
        remedy="add .* to dicom.scp.sources",
    ),
    "calling title from another address": Cause(
        provoke=asks(),
        scp=ELSEWHERE,
        event="association.rejected",
        why="'SCANNER' came from 127.0.0.1, but dicom.scp.sources has it for 10.0.0.9",
        remedy="if 127.0.0.1 is that device, add .* to dicom.scp.sources",
    ),
    "calling title impossible": Cause(
        provoke=asks(calling="A\nB"),
        event="association.rejected",
        why=r"calling AE title 'A\\nB' from 127.0.0.1 is not valid",
        remedy="set the device's own AE title",
    ),
    "called title unknown": Cause(
        provoke=asks(called="OTHER"),
        event="association.rejected",
        why="called AE title 'OTHER' is not in dicom.scp.ae-titles",
        remedy="let the device call 'HILUM', or add ae-title OTHER",
    ),
    "called title in another case": Cause(
        provoke=asks(called="Hilum"),
        event="association.rejected",
        why="it has 'HILUM': upper and lower case matter",
        remedy="let the device call 'HILUM'",
    ),
    "called title empty": Cause(
        provoke=asks(called=""),
        event="association.rejected",
        why="called AE title '' is not valid",
        remedy="let the device call 'HILUM'",
    ),
    "protocol version": Cause(
        provoke=sends(WRONG_VERSION),
        event="association.rejected",
        why="protocol version 0002H does not include version 1",
        remedy="ask its vendor for DICOM 3.0",
    ),
    "application context": Cause(
        provoke=sends(WRONG_CONTEXT),
        event="association.rejected",
        why="application context '1.2.840.10008.3.1.1.2' is not",
        remedy="ask its vendor for DICOM 3.0",
    ),
    "too many associations": Cause(
        provoke=one_too_many,
        scp={"max-associations": 1},
        event="association.rejected",
        why="1 associations are open and dicom.scp.max-associations is 1",
        remedy="raise max-associations",
    ),
    "disk full": Cause(
        provoke=asks(),
        storage={"reserve-gb": 1_000_000},
        event="association.rejected",
        why="free|reserve|full",
        remedy="free or add storage, see storage.watermark-percent and reserve-gb",
    ),
    "HTTP": Cause(
        provoke=sends(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"),
        event="connection.dropped",
        why="unknown type 47H, which is how HTTP begins",
        remedy="let it use another port",
    ),
    "TLS": Cause(
        provoke=sends(b"\x16\x03\x01\0\xc8\x01" + bytes(64)),
        event="connection.dropped",
        why="unknown type 16H, which is how TLS begins",
        remedy="let it use another port",
    ),
    "data before the request": Cause(
        provoke=sends(raw_peer.echo_rq()),
        event="connection.dropped",
        why="the peer sent P_DATA_TF in state Sta2",
        remedy=VENDOR,
    ),
    "a request that cannot be read": Cause(
        provoke=sends(A_BAD_ITEM),
        event="connection.dropped",
        why="item 99H says 65535 bytes, but the A-ASSOCIATE-RQ has only 0 left",
        remedy=VENDOR,
    ),
    "a request that is too long": Cause(
        provoke=sends(b"\x01\0\xff\xff\xff\xff"),
        event="connection.dropped",
        why="ASSOCIATE_RQ of 4294967295 bytes; 68 to 1048576 are allowed",
        remedy=VENDOR,
    ),
    "half a request": Cause(
        provoke=sends(associate_rq()[:60]),
        scp={"timeouts": {"artim": 1}},
        event="connection.dropped",
        why="no complete A-ASSOCIATE-RQ came within 1 s",
        remedy="dicom.scp.timeouts.artim",
    ),
    "abort before the request": Cause(
        provoke=sends(USER_ABORT),
        event="connection.dropped",
        why=r"the peer's application aborted .*\(source 0, reason 0\)",
        remedy="the sender's log says why",
    ),
    "connections without request": Cause(
        provoke=crowd,
        scp={"limits": {"pre-association-per-host": 3}},
        event="connection.dropped",
        why="3 connections without an association .* limits.pre-association-per-host",
        remedy="dicom.scp.limits",
    ),
    "abort by the peer": Cause(
        provoke=then(USER_ABORT),
        event="association.ended",
        why=r"the peer's application aborted the association \(source 0, reason 0\)",
        remedy="the sender's log says why",
    ),
    "connection lost within an instance": Cause(
        provoke=then(BEGUN, reads=False),
        event="association.ended",
        why="ended without release or abort",
        remedy="check the network, and whether the sender has crashed",
    ),
    "connection lost after an instance": Cause(
        provoke=stored_then(),
        event="association.ended",
        why="ended without release or abort",
        remedy="check the network, and whether the sender has crashed",
        history_remedy="send it again, or take it as it is: hilum accept",
    ),
    "abort after an instance that is accepted all the same": Cause(
        provoke=stored_then(USER_ABORT),
        scp={"ae-titles": [{"ae-title": "HILUM", "aborted-associations": "accept"}]},
        event="association.ended",
        why="the peer's application aborted",
        remedy="the sender's log says why",
        history_remedy="^$",
    ),
    "nothing comes": Cause(
        provoke=waits(),
        scp={"timeouts": {"idle": 1}},
        event="association.ended",
        why="nothing came for 1 s",
        remedy="dicom.scp.timeouts.idle",
    ),
    "half a PDU": Cause(
        provoke=waits(raw_peer.echo_rq()[:20]),
        scp={"timeouts": {"pdu": 1}},
        event="association.ended",
        why="a PDU was not complete after 1 s",
        remedy="dicom.scp.timeouts.pdu",
    ),
    "unknown PDU": Cause(
        provoke=then(pdu(0x99, b"")),
        event="association.ended",
        why="unknown type 99H in state Sta6",
        remedy=VENDOR,
    ),
    "second request": Cause(
        provoke=then(associate_rq()),
        event="association.ended",
        why="the peer sent ASSOCIATE_RQ in state Sta6",
        remedy=VENDOR,
    ),
    "PDU too long": Cause(
        provoke=then(b"\x04\0\x7f\xff\xff\xff"),
        event="association.ended",
        why="P_DATA_TF of 2147483647 bytes; 6 to 131072 are allowed",
        remedy=VENDOR,
    ),
    "PDV too long": Cause(
        provoke=then(pdu(4, b"\xff\xff\xff\xff\1\3")),
        event="association.ended",
        why="a PDV says 4294967295 bytes",
        remedy=VENDOR,
    ),
    "context not accepted": Cause(
        provoke=then(raw_peer.echo_rq(context_id=99)),
        event="association.ended",
        why="presentation context 99, which was not accepted",
        remedy=VENDOR,
    ),
    "command that cannot be read": Cause(
        provoke=then(p_data(1, COMMAND | LAST, b"\0\0\0\1\xff\xff\0\0")),
        event="association.ended",
        why=r"element \(0000,0100\) says 65535 bytes, but only 0 follow",
        remedy=VENDOR,
    ),
    "response to nothing": Cause(
        provoke=then(raw_peer.response(0x8030, 1, 0)),
        event="association.ended",
        why="a response, command field 8030H, came although nothing was asked",
        remedy=VENDOR,
    ),
    "command within a data set": Cause(
        provoke=then(BEGUN, raw_peer.echo_rq()),
        event="association.ended",
        why="a command came before the data set on presentation context 3 was complete",
        remedy=VENDOR,
    ),
    "instance too large": Cause(
        provoke=then(BEGUN),
        scp={"limits": {"object-gb": 0.000_000_1}},
        event="association.ended",
        why="a data set is larger than the 100 bytes of limits.object-gb",
        remedy="raise dicom.scp.limits.object-gb",
    ),
    "gateway stops": Cause(
        provoke=stop_meanwhile,
        event="association.ended",
        why="the gateway is stopping",
        remedy="send again when the gateway runs",
    ),
    "what was stored cannot be recorded": Cause(
        provoke=spool_vanishes,
        scp={"durability": "association"},
        event="association.ended",
        why="could not be synced to disk: .*No such file",
        remedy="see the log for what the gateway lacks",
    ),
    "another SOP class": Cause(
        provoke=then(raw_peer.store_rq("1.2.3", sop_class=raw_peer.MR), raw_peer.data_set(CT_DATA.encode())),
        event="instance.refused",
        why="SOP class is not that of the presentation context",
        remedy="the sender's log",
    ),
    "another instance": Cause(
        provoke=stores("1.2.4", CT_DATA.encode()),
        event="instance.refused",
        why="SOP Instance UID differs between command and data set",
        remedy="the sender mixes up instances",
    ),
    "data set cut off": Cause(
        provoke=stores("1.2.3", CT_DATA.encode()[:-3]),
        event="instance.refused",
        why=r"truncated: 3 bytes are missing in \(7FE0,0010\)",
        remedy="check it at the sender and send it again",
    ),
    "impossible UID": Cause(
        provoke=stores("1.2.x", CT_DATA.encode()),
        event="instance.refused",
        why="Affected SOP Instance UID is not a valid UID",
        remedy="the sender's log",
    ),
}


@pytest.mark.parametrize("cause", [pytest.param(cause, id=name) for name, cause in CAUSES.items()])
def test_log_and_history_say_why_and_what_to_do(make_site: Callable[..., Site], cause: Cause) -> None:
    with structlog.testing.capture_logs() as log:
        site = make_site({"dicom": {"scp": cause.scp}, "storage": cause.storage})
        site.start()
        cause.provoke(site)
        logged = eventually(
            lambda: [one for one in log if one["event"] == cause.event and "remedy" in one], what=cause.event
        )
        assert re.search(cause.why, logged[0]["why"]), logged
        assert re.search(cause.remedy, logged[0]["remedy"]), logged
        assert logged[0]["log_level"] == "warning"
        wanted = cause.history_remedy or cause.remedy
        noted = eventually(lambda: told(site, cause.why, wanted), what=f"a line of history; there is {lines(site)}")
    assert len(noted) == 1
    for secret in (PATIENT_NAME, PATIENT_ID):
        assert secret not in f"{log}{lines(site)}"


def test_strangers_who_hammer_at_the_port_fill_the_log_and_not_the_history(make_site: Callable[..., Site]) -> None:
    with structlog.testing.capture_logs() as log, make_site() as site:
        for _ in range(20):
            sends(b"GET / HTTP/1.1\r\n\r\n")(site)
        eventually(lambda: sum(one["event"] == "connection.dropped" for one in log) == 20, what="20 lines in the log")
        assert len(told(site, "HTTP", "port")) == 1


def test_who_only_looks_in_leaves_nothing_in_the_history(make_site: Callable[..., Site]) -> None:
    with structlog.testing.capture_logs() as log, make_site() as site:
        RawPeer.connect(site.port).reset()
        with RawPeer.connect(site.port) as peer:
            peer.associate()
        eventually(lambda: {one["event"] for one in log} >= {"connection.dropped", "association.ended"}, what="both")
        assert [line for line in lines(site) if line[0] in ("connection", "association")] == []


def lines(site: Site) -> Sequence[tuple[str, ...]]:
    return [(row.machine, row.event, row.why, row.remedy) for row in site.history()]


def told(site: Site, why: str, remedy: str) -> Sequence[object]:
    return [line for line in lines(site) if re.search(why, line[2]) and re.search(remedy, line[3])]
