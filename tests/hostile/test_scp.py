"""Cases S01-S38 of broken and malicious peers, each against one and the same gateway process.

``unharmed`` looks after each: a good peer is served, memory, descriptors and threads are those of the beginning, no
part of an instance is left, and nothing of ours broke.
"""

from __future__ import annotations

import random
import socket
import struct
import time
import zlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from harness.raw_peer import (
    ABORT,
    AC,
    COMMAND,
    CT,
    CT_CONTEXT,
    DATA,
    ECHO_CONTEXT,
    EXPLICIT,
    RELEASE,
    RJ,
    RQ,
    USER_ABORT,
    RawPeer,
    associate_ac,
    associate_rq,
    context_results,
    data_set,
    echo_rq,
    item,
    p_data,
    pdu,
    pdv,
    store_rq,
)
from harness.waiting import eventually
from hostile.besieged import ARTIM, IDLE, PDU, PLACES, Besieged
from hostile.objects import element, fresh_uid, identifiers, nested, pixels
from hostile.vitals import MEGABYTE, processor_seconds

pytestmark = pytest.mark.usefixtures("unharmed")

SUCCESS, INVALID_UID = 0x0000, 0x0117
DEFLATED = "1.2.840.10008.1.2.1.99"
LOCAL_LIMIT_EXCEEDED = (2, 3, 2)

#: How much later than its limit an end may come on a busy machine, in seconds.
GRACE = 3.0


def is_ended(peer: RawPeer, seconds: float) -> list[int]:
    """The gateway ends the connection in time; the types of the PDUs that it sent before."""
    peer.socket.settimeout(seconds + GRACE)
    kinds = []
    with suppress(ConnectionError):
        while kind := peer.pdu()[0]:
            kinds.append(kind)
    return kinds


def gives_up(peer: RawPeer, block: bytes) -> None:
    """The gateway aborts a peer that says this for ever, and then listens no longer than ARTIM."""
    began = time.monotonic()
    with suppress(OSError):
        while time.monotonic() - began < 20:
            peer.send(block)
    assert time.monotonic() - began < 10
    with suppress(ConnectionError):  # a reset may have destroyed what was said before
        assert peer.pdu()[0] == ABORT


def stores(peer: RawPeer, uid: str, content: bytes, *, context_id: int = 3) -> int:
    """The status of a C-STORE."""
    peer.send(store_rq(uid, context_id=context_id), data_set(content, context_id=context_id, fragment=100_000))
    return peer.status()


def refused_or_stored(status: int) -> bool:
    return status in {SUCCESS, INVALID_UID} or status >> 12 in {0xA, 0xC}


# S01-S05: what is no A-ASSOCIATE-RQ, or not in time


@pytest.mark.parametrize("declared", [0xFFFFFFF0, 0x00100001], ids=["4-gigabytes", "1-mebibyte-and-1"])
def test_s01_a_length_bomb_is_refused_by_its_header(gateway: Besieged, declared: int) -> None:
    with gateway.connect() as peer:
        peer.send(struct.pack(">BxI", RQ, declared), bytes(100))
        assert set(is_ended(peer, 1)) <= {ABORT}
    assert gateway.growth < 2 * MEGABYTE


def test_s02_a_data_pdu_longer_than_announced_is_refused_by_its_header(gateway: Besieged) -> None:
    with gateway.connect() as peer:
        peer.associate()
        peer.send(struct.pack(">BxI", DATA, 0x7FFFFFFF))
        kind, body = peer.pdu()
        assert (kind, body[2:]) == (ABORT, b"\x02\x06")
        assert is_ended(peer, 1) == []


@pytest.mark.parametrize(
    "greeting",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + bytes(190),
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x00" * 64,
    ],
    ids=["s03-http", "s04-tls", "ssh", "zeros"],
)
def test_s03_s04_another_protocol_is_turned_away_at_once(gateway: Besieged, greeting: bytes) -> None:
    with gateway.connect() as peer:
        began = time.monotonic()
        peer.send(greeting)
        assert peer.pdu()[0] in {0, ABORT}
        assert time.monotonic() - began < GRACE
        is_ended(peer, ARTIM)


def test_s05_whoever_is_slow_is_ended_by_its_limit_and_not_before(gateway: Besieged) -> None:
    drips: dict[str, tuple[bytes, bytes, float]] = {  # what is said first, what is dripped then, and the limit
        "nothing": (b"", b"", ARTIM),
        "3 bytes": (associate_rq()[:3], b"", ARTIM),
        "60 bytes": (associate_rq()[:60], b"", ARTIM),
        "a dripping request": (b"", associate_rq(), ARTIM),
        "a dripping PDU": (associate_rq(), store_rq(), PDU),
        "an idle association": (associate_rq(), b"", IDLE),
    }
    with ExitStack() as stack:
        began = time.monotonic()
        peers = {name: stack.enter_context(gateway.connect()) for name in drips}
        for name, (said, _, _) in drips.items():
            peers[name].send(said)
            if said == associate_rq():
                assert peers[name].pdu()[0] == AC
        ended: dict[str, float] = {}
        at = 0
        while len(ended) < len(peers):
            for name in peers.keys() - ended.keys():
                peer, drip = peers[name], drips[name][1]
                try:
                    if drip:
                        peer.send(drip[at : at + 1])
                    if not peer.silent():
                        ended[name] = time.monotonic() - began
                except ConnectionError:
                    ended[name] = time.monotonic() - began
            at += 1
            assert time.monotonic() - began < IDLE + GRACE, peers.keys() - ended.keys()
            time.sleep(0.05)
    for name, (_, _, limit) in drips.items():
        assert limit - 0.2 < ended[name] < limit + GRACE, (name, ended)


def test_s06_half_open_connections_keep_no_good_peer_waiting(gateway: Besieged) -> None:
    with ExitStack() as stack:
        one_address = gateway.stranger()
        half_open = [stack.enter_context(gateway.connect(one_address)) for _ in range(200)]
        half_open += [stack.enter_context(gateway.connect()) for _ in range(50)]
        for peer in half_open:
            with suppress(ConnectionError):  # over the limit per host, and so gone already
                peer.send(associate_rq()[:50])
        for _ in range(5):
            gateway.is_served()
        assert gateway.vitals().threads <= gateway.base.threads + 16 + 50 + 4
        for peer in half_open:
            assert set(is_ended(peer, ARTIM + 1)) <= {ABORT}


# S07-S14: what costs memory or time


def test_s07_thousands_of_lying_sub_items_cost_nothing(gateway: Besieged) -> None:
    context = item(0x20, bytes((1, 0, 0, 0)) + b"\x40\0\xff\xff" * 16_000)
    head = struct.pack(">Hxx", 1) + b"HILUM".ljust(16) + b"SCANNER".ljust(16) + bytes(32)
    with gateway.connect() as peer:
        peer.send(pdu(RQ, head + item(0x10, b"1.2.840.10008.3.1.1.1") + context))
        assert is_ended(peer, ARTIM)[0] in {RJ, ABORT}
    assert gateway.growth < 10 * MEGABYTE


def test_s08_the_largest_honest_request_is_accepted(gateway: Besieged) -> None:
    syntaxes = [EXPLICIT, *(f"1.2.826.0.1.3680043.10.{number}" for number in range(39))]
    with gateway.connect() as peer:
        results = context_results(peer.associate(*((2 * at + 1, CT, syntaxes) for at in range(128))))
        assert results == {2 * at + 1: (0, EXPLICIT) for at in range(128)}
        peer.release()


def test_s09_an_endless_object_ends_at_the_limit(gateway: Besieged) -> None:
    with gateway.connect() as peer:
        peer.associate()
        peer.send(store_rq(), data_set(identifiers("1.2.3"))[:-1])
    with gateway.connect() as peer:
        peer.associate()
        peer.send(store_rq(), p_data(3, 0, identifiers("1.2.3")))
        gives_up(peer, p_data(3, 0, bytes(100_000)))
    assert gateway.growth < 16 * MEGABYTE


def test_s10_an_endless_command_ends_early(gateway: Besieged) -> None:
    with gateway.connect() as peer:
        peer.associate()
        gives_up(peer, p_data(1, COMMAND, bytes(4096)))
    assert gateway.growth < 4 * MEGABYTE


@pytest.mark.parametrize(
    "body",
    [
        b"",
        struct.pack(">I", 0),
        struct.pack(">IB", 1, 1),
        struct.pack(">IBB", 0xFFFFFFFF, 1, 3) + bytes(10),
        struct.pack(">IBB", 13, 1, 3) + bytes(10),
        pdv(1, COMMAND, b"ab") + b"\0\0",
    ],
    ids=["empty", "0", "1", "4-gigabytes", "one-too-many", "rest"],
)
def test_s11_a_pdv_that_does_not_fit_its_pdu_ends_the_association(gateway: Besieged, body: bytes) -> None:
    before = processor_seconds(gateway.pid)
    with gateway.connect() as peer:
        peer.associate()
        peer.send(pdu(DATA, body))
        kind, said = peer.pdu()
        assert kind == ABORT
        assert said[2] == 2
        is_ended(peer, ARTIM)
    assert processor_seconds(gateway.pid) - before < 0.5


@pytest.mark.parametrize(
    "damage",
    [
        b"\xe0\x7f\x10\x00OW\0\0\xf0\xff\xff\xff" + bytes(10),
        b"\xe0\x7f\x10\x00OW\0\0",
        nested(0x00081115, 1)[:-8] + b"\xe0\x7f",
    ],
)
def test_s12_a_data_set_that_lies_about_its_length_is_refused(gateway: Besieged, damage: bytes) -> None:
    uid = fresh_uid()
    with gateway.connect() as peer:
        peer.associate()
        assert stores(peer, uid, identifiers(uid) + damage) >> 12 == 0xC
        assert [path for path in gateway.site.spool.rglob("*.dcm") if uid.encode() in path.read_bytes()] == []
        peer.release()


@pytest.mark.parametrize("depth", [300, 10_000, 700_000])
def test_s13_deep_nesting_is_stored_behind_the_identifiers_and_refused_before(gateway: Besieged, depth: int) -> None:
    with gateway.connect() as peer:
        peer.associate()
        behind, before = fresh_uid(), fresh_uid()
        assert stores(peer, behind, identifiers(behind) + nested(0x00400275, depth)) == SUCCESS
        assert stores(peer, before, nested(0x00080006, depth) + identifiers(before)) >> 12 == 0xC
        peer.release()
    assert gateway.growth < 24 * MEGABYTE


def test_s14_a_deflate_bomb_is_not_blown_up(gateway: Besieged) -> None:
    def deflated(*parts: bytes, megabytes: int) -> bytes:
        packer = zlib.compressobj(9, wbits=-15)
        packed = b"".join(map(packer.compress, parts))
        packed += b"".join(packer.compress(bytes(1 << 20)) for _ in range(megabytes))
        return packed + packer.flush()

    behind, before = fresh_uid(), fresh_uid()
    context = (3, CT, [DEFLATED])
    pixels = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, 256 << 20)
    hidden = struct.pack("<HH2sHI", 0x0009, 0x0010, b"UN", 0, 64 << 20)
    # Packing takes longer than the gateway lets an association lie idle, where the machine is slow.
    shown, hiding = deflated(identifiers(behind) + pixels, megabytes=256), deflated(hidden, megabytes=64)
    assert max(len(shown), len(hiding)) < MEGABYTE
    with gateway.connect() as peer:
        peer.associate(context)
        assert stores(peer, behind, shown + b"\0" * (len(shown) % 2)) == SUCCESS
        assert stores(peer, before, hiding + b"\0" * (len(hiding) % 2)) >> 12 == 0xC
        peer.release()
    assert gateway.growth < 8 * MEGABYTE


# S15, S17, S33: what is taken for a name


HOSTILE_NAMES = [
    b"../../../../tmp/PWN",
    b"/etc/cron.d/x",
    b"..",
    b".",
    b"",
    b"a\\b",
    b"C:\\x",
    b"1.2\x003",
    b"1" * 65,
    b"1" * 255,
    b"1" * 4096,
    b"\n",
    b"%2e%2e%2f",
    b"CON",
    b"a/b",
    b"%s%n{0.__class__}",
    b"\x1b[2J\x1b]0;x\x07",
    "\N{PILE OF POO}".encode(),
]


def outside(gateway: Besieged) -> set[Path]:
    """What lies beside the folders that the gateway writes to."""
    folder = gateway.site.folder
    return {path for path in folder.parent.rglob("*") if not path.is_relative_to(folder)}


def test_s15_no_identifier_becomes_a_path(gateway: Besieged) -> None:
    before = outside(gateway)
    for name in HOSTILE_NAMES:
        with gateway.connect() as peer:
            peer.associate(called="PATIENT")
            assert stores(peer, fresh_uid(), identifiers(name)) != SUCCESS
            for attribute in ("patient", "study", "series"):
                uid = fresh_uid()
                assert refused_or_stored(stores(peer, uid, identifiers(uid, **{attribute: name})))  # type: ignore[arg-type]
            text = name.decode("latin-1")
            if text.isascii():
                peer.send(store_rq(text), data_set(identifiers(name)))
                assert peer.status() != SUCCESS, name
            peer.release()
    for name in HOSTILE_NAMES:
        if len(name) <= 16 and name.isascii():
            for title in ("called", "calling"):
                with gateway.connect() as peer:
                    peer.send(associate_rq(**{title: name.decode()}))  # type: ignore[arg-type]
                    kind, _ = peer.pdu()
                    assert kind in {AC, RJ} if title == "calling" else kind == RJ
                    if kind == AC:
                        peer.send(USER_ABORT)
    eventually(lambda: len(gateway.site.rows("jobs")) >= 1, what="a job")
    assert outside(gateway) == before
    assert not Path("/tmp/PWN").exists()
    made = eventually(lambda: _names_below(gateway.site.folder), what="the names of all files")
    assert [name for name in made if not name.isascii() or not name.isprintable() or name in {"CON", "x"}] == []


def test_s17_nobody_writes_lines_of_his_own_into_the_log(gateway: Besieged) -> None:
    position = gateway.log_size
    for title in ("A\nERROR root", "\x1b[2J\x1b]0;x\x07", "%s%n%s%n", "{0.__class__}", '","level":"x'):
        with gateway.connect() as peer:
            peer.send(associate_rq(called=title, calling=title))
            assert peer.pdu()[0] == RJ
    patient = b"\x1b[2J\x1b]0;x\x07\nERROR Doe^Jane"
    with gateway.connect() as peer:
        peer.associate()
        uid = fresh_uid()
        assert stores(peer, uid, identifiers(uid, patient=patient)) == SUCCESS
        peer.send(store_rq("1.2\x1b[2J\nERROR"), data_set(identifiers(uid)))
        assert peer.status() != SUCCESS
        peer.release()
    eventually(
        lambda: [one for one in gateway.events(position) if "released" in str(one)], what="the line about the release"
    )
    raw = gateway.log.read_bytes()[position:]
    assert [byte for byte in raw if byte < 0x20 and byte != 0x0A] == []
    # Each line is one event of ours: a forged one would be no JSON.
    assert {event["level"] for event in gateway.events(position)} <= {"info", "warning"}
    assert b"Doe" not in raw


def test_s33_a_link_where_the_next_file_will_be_is_not_followed(gateway: Besieged, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    links: list[Path] = []
    with gateway.connect() as peer:
        peer.associate()
        before = set(gateway.site.spool.iterdir())
        uid = fresh_uid()
        assert stores(peer, uid, identifiers(uid)) == SUCCESS
        [folder] = set(gateway.site.spool.iterdir()) - before
        assert folder.stat().st_mode & 0o077 == 0
        [first] = folder.glob("*.dcm")
        for suffix in (".part", ".dcm"):
            links.append(folder / f"{int(first.stem) + 1}{suffix}")
            links[-1].symlink_to(victim)
        with suppress(AssertionError):  # success, a refusal or an abort: anything but the file of another
            uid = fresh_uid()
            stores(peer, uid, identifiers(uid))
    assert victim.read_text() == "precious"
    for link in links:
        if link.is_symlink():
            link.unlink()


# S22-S26: many, and at any moment


def test_s22_a_flood_of_connections_passes(gateway: Besieged) -> None:
    source = gateway.stranger()
    seconds = []
    with ExitStack() as stack:
        for number in range(500):
            stack.enter_context(gateway.connect(source))
            if number % 100 == 99:
                seconds.append(gateway.is_served())
    assert len(seconds) == 5


def test_s22_associations_and_their_ends_leave_nothing(gateway: Besieged) -> None:
    def release(peer: RawPeer) -> None:
        peer.release()

    def abort(peer: RawPeer) -> None:
        peer.send(USER_ABORT)

    ends: Sequence[Callable[[RawPeer], None]] = (release, abort, RawPeer.reset)
    for how in ends:
        for _ in range(150):
            with gateway.connect() as peer:
                peer.send(associate_rq())
                if peer.pdu()[0] == AC:  # else the end of the last ones has not been noticed yet
                    how(peer)
    with gateway.connect() as peer:
        peer.reset()


def test_s23_a_session_may_end_at_every_byte(gateway: Besieged) -> None:
    uid = "1.2.826.0.1.3680043.10.2"
    request = associate_rq(CT_CONTEXT)
    spoken = store_rq(uid) + data_set(identifiers(uid)) + RELEASE
    position = gateway.log_size
    for cut in range(len(request) + len(spoken)):
        for ending in (RawPeer.reset, lambda peer: peer.socket.close()):
            gateway.has_room()
            with gateway.connect() as peer:
                peer.send(request[:cut])
                if cut > len(request):
                    assert peer.pdu()[0] == AC
                    peer.send(spoken[: cut - len(request)])
                ending(peer)
    for part in (b"", p_data(3, 0, b"half"), data_set(identifiers(uid))):
        gateway.has_room()
        with gateway.connect() as peer:
            peer.associate(CT_CONTEXT)
            peer.send(store_rq(uid), part, USER_ABORT)
    assert not [line for line in gateway.since(position) if "limits.pre-association" in line]


@pytest.mark.parametrize("second", [associate_rq(), associate_ac((3, 0, EXPLICIT))], ids=["rq", "ac"])
@pytest.mark.parametrize("half", [b"", p_data(3, 0, identifiers("1.2.3"))], ids=["before", "within"])
def test_s24_an_association_within_a_message_breaks_it(gateway: Besieged, second: bytes, half: bytes) -> None:
    with gateway.connect() as peer:
        peer.associate()
        peer.send(store_rq("1.2.3"), half, second)
        kind, body = peer.pdu()
        assert (kind, body[2:]) == (ABORT, b"\x02\x02")


def test_s25_a_peer_that_never_reads_keeps_nobody_waiting(gateway: Besieged) -> None:
    echoes = echo_rq() * 100
    with gateway.connect(window=2048) as peer:
        peer.associate(ECHO_CONTEXT)
        peer.socket.settimeout(1)
        with suppress(TimeoutError):
            peer.flood(echoes)
        for _ in range(5):
            gateway.is_served()
    assert gateway.growth < 8 * MEGABYTE


def test_s26_idle_peers_lose_their_places(gateway: Besieged) -> None:
    with ExitStack() as stack:
        for _ in range(PLACES):
            stack.enter_context(gateway.connect()).associate()
        with gateway.connect() as another:
            assert another.rejected() == LOCAL_LIMIT_EXCEEDED

        def let_in() -> bool:
            with gateway.connect() as another:
                another.send(associate_rq())
                return another.pdu()[0] == AC

        eventually(let_in, seconds=IDLE + GRACE, what="a free place")


# S29-S31, S35: data sets that are wrong in ways that are none of our business, or are


@pytest.mark.parametrize(
    "more",
    [
        element(0x00000010, b"US", b"\0\0"),
        element(0x00020010, b"UI", b"1.2"),
        struct.pack("<HHI", 0xFFFE, 0xE000, 0),
        element(0x00080005, b"CS", b"ISO_IR 999"),
        element(0x00080005, b"CS", b"\\" * 1000),
        element(0x00100010, b"PN", b"\x1b$B\xff\xfe\x1b(broken"),
        element(0x00400100, b"??", b"abcd"),
        struct.pack("<HH2sHI", 0x0040, 0x0100, b"UT", 0, 10 * MEGABYTE) + b"x" * (10 * MEGABYTE),
        element(0x00280010, b"US", b"\xff\xff") + element(0x00280011, b"US", b"\xff\xff") + pixels(b"ab"),
        struct.pack("<HHI", 0x0028, 0x0010, 2) + b"\xff\xff",
    ],
    ids=["0000", "0002", "FFFE", "charset", "charsets", "iso-2022", "vr", "10-MB", "rows", "implicit"],
)
def test_s29_s30_s35_an_odd_data_set_is_stored_as_it_is_or_refused(gateway: Besieged, more: bytes) -> None:
    uid = fresh_uid()
    content = identifiers(uid) + more
    with gateway.connect() as peer:
        peer.associate()
        status = stores(peer, uid, content)
        assert refused_or_stored(status)
        kept = [path for path in gateway.site.spool.rglob("*.dcm") if path.read_bytes().endswith(content)]
        assert len(kept) == (status == SUCCESS)
        peer.release()


@pytest.mark.parametrize("patient", [b"", b"  ", b"A\\B", b"x" * 65_000], ids=["empty", "blank", "two", "65-kB"])
def test_s31_an_odd_patient_id_harms_nobody(gateway: Besieged, patient: bytes) -> None:
    uid = fresh_uid()
    with gateway.connect() as peer:
        peer.associate(called="PATIENT")
        assert refused_or_stored(stores(peer, uid, identifiers(uid, patient=patient)))
        peer.release()


# S36-S38


def test_s36_mutated_sessions_are_survived(gateway: Besieged) -> None:
    chance = random.Random(36)
    uid = fresh_uid()
    seeds = [
        (associate_rq(), echo_rq() + RELEASE),
        (associate_rq(), store_rq(uid) + data_set(identifiers(uid) + pixels(bytes(500))) + RELEASE),
    ]
    for number in range(400):
        request, spoken = (bytearray(part) for part in chance.choice(seeds))
        victim = chance.choice([request, spoken, spoken, spoken])
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(victim))
            match chance.randrange(4):
                case 0:
                    victim[at] ^= 1 << chance.randrange(8)
                case 1:
                    victim[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
                case 2:
                    del victim[at : at + chance.randint(1, 8)]
                    victim = victim or bytearray(1)
                case _:
                    victim[at:at] = chance.randbytes(chance.randint(1, 8))
        with gateway.connect() as peer:
            peer.send(bytes(request))
            if victim is not request:
                peer.pdu()
            with suppress(ConnectionError):
                peer.send(bytes(spoken))
                peer.socket.shutdown(socket.SHUT_WR)
        gateway.has_room()
        if number % 100 == 99:
            gateway.is_served()


@pytest.mark.parametrize("kind", range(1, 8))
@pytest.mark.parametrize("associated", [False, True], ids=["sta2", "sta6"])
def test_s37_a_pdu_of_no_length_is_answered_and_no_loop(gateway: Besieged, kind: int, associated: bool) -> None:
    before = processor_seconds(gateway.pid)
    with gateway.connect() as peer:
        if associated:
            peer.associate()
        peer.send(struct.pack(">BxI", kind, 0))
        assert set(is_ended(peer, ARTIM)) <= {ABORT, RJ}
    assert processor_seconds(gateway.pid) - before < 0.5


@pytest.mark.parametrize("same", [True, False], ids=["same-bytes", "other-bytes"])
def test_s38_the_same_instance_twice_at_once_is_never_mixed(gateway: Besieged, same: bool) -> None:
    uid, patient = fresh_uid(), f"S38-{same}".encode()
    contents = [identifiers(uid, patient=patient) + pixels(bytes([fill]) * 200_000) for fill in (1, 1 if same else 2)]
    messages = [store_rq(uid) + data_set(content) for content in contents]
    with gateway.connect() as one, gateway.connect() as other:
        peers = (one, other)
        for peer in peers:
            peer.associate(called="PATIENT")
        half = len(messages[0]) // 2
        for peer, message in zip(peers, messages, strict=True):
            peer.send(message[:half])
        for peer, message in zip(peers, messages, strict=True):
            peer.send(message[half:])
        assert [peer.status() for peer in peers] == [SUCCESS, SUCCESS]
        for peer in peers:
            peer.release()

    def inputs() -> list[bytes]:
        files = [path for job in gateway.site.rows("jobs") for path in gateway.site.inputs(job)]
        return [found for path in files if uid.encode() in (found := path.read_bytes())]

    [kept] = eventually(inputs, what="the job of that patient")
    assert any(kept.endswith(content) for content in contents)


def _names_below(folder: Path) -> list[str]:
    """Empty if a folder got another name while it was looked at: look again."""
    try:
        return [path.name for path in folder.rglob("*")]
    except FileNotFoundError:
        return []
