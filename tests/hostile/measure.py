"""Measures what hostile peers cost a gateway, and writes it into a page: ``python -m hostile.measure PAGE``."""

from __future__ import annotations

import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from harness.raw_peer import ECHO_CONTEXT, USER_ABORT, RawPeer, associate_rq, pdu
from harness.site import Site
from harness.waiting import eventually
from hostile.besieged import ARTIM, IDLE, KEYS, PDU, PLACES, Besieged, besieged
from hostile.vitals import MEGABYTE, Vitals

HALF_OPEN: Final = 200
DRIPPING: Final = 50
FLOODS_PER_SECOND: Final = 20
ECHOES_PER_SECOND: Final = 5
SIEGE_SECONDS: Final = 20
REPEATS: Final = 5000
#: Associations before memory is looked at for the first time: allocator and caches have then found their size.
WARM_UP: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Siege:
    """What was seen; echo times in seconds, a time each for connection, association, echo and release together."""

    echoes: list[float]
    during: Vitals
    after: Vitals


@dataclass(frozen=True, slots=True, kw_only=True)
class Repetition:
    """One way to come and go, many times over."""

    what: str
    seconds: float
    before: Vitals
    after: Vitals


def main() -> None:
    page = Path(sys.argv[1])
    with (
        tempfile.TemporaryDirectory(prefix="hilum-hostile-") as folder,
        contextmanager(besieged)(Site(Path(folder), KEYS)) as gateway,
    ):
        calm = [gateway.is_served() for _ in range(50)]
        base = gateway.vitals()
        siege = _besiege(gateway)
        repetitions = [_repeat(gateway, what, end) for what, end in _ENDS.items()]
    page.write_text(_report(base, calm, siege, repetitions), encoding="utf-8")
    print(f"wrote {page}")
    if max(siege.echoes) > 1:
        raise SystemExit(f"an echo took {max(siege.echoes):.2f} s, more than the second that is promised: see {page}")


def _besiege(gateway: Besieged) -> Siege:
    """Everybody comes at once; a good peer asks for echoes meanwhile."""
    over = threading.Event()
    crowds = [
        threading.Thread(target=_keep_open, args=(gateway, over, HALF_OPEN, associate_rq()[:50], False)),
        threading.Thread(target=_keep_open, args=(gateway, over, DRIPPING, associate_rq(), True)),
        threading.Thread(target=_flood, args=(gateway, over)),
    ]
    for crowd in crowds:
        crowd.start()
    seen, echoes = [], []
    until = time.monotonic() + SIEGE_SECONDS
    while time.monotonic() < until:
        began = time.monotonic()
        echoes.append(gateway.is_served())
        seen.append(gateway.vitals())
        time.sleep(max(0.0, 1 / ECHOES_PER_SECOND - (time.monotonic() - began)))
    over.set()
    for crowd in crowds:
        crowd.join()
    during = Vitals(
        memory=max(one.memory for one in seen),
        peak=max(one.peak for one in seen),
        descriptors=max(one.descriptors for one in seen),
        sockets=max(one.sockets for one in seen),
        threads=max(one.threads for one in seen),
    )
    return Siege(echoes=echoes, during=during, after=_settled(gateway))


def _keep_open(gateway: Besieged, over: threading.Event, count: int, words: bytes, drip: bool) -> None:
    """So many connections all the time, from four to an address; whoever is thrown out comes again."""
    addresses = [gateway.stranger() for _ in range(count // 4)]
    with ExitStack() as stack:
        peers: list[tuple[RawPeer, int] | None] = [None] * count
        while not over.is_set():
            for at, held in enumerate(peers):
                peer, said = held or (stack.enter_context(gateway.connect(addresses[at % len(addresses)])), 0)
                try:
                    part = words[said : said + 1] if drip else words[said:]
                    peer.send(part)
                    peers[at] = (peer, said + len(part)) if peer.silent() else None
                except OSError:
                    peers[at] = None
                if peers[at] is None:
                    peer.socket.close()
            over.wait(0.1)


def _flood(gateway: Besieged, over: threading.Event) -> None:
    """Length bombs, other protocols and garbage, each over a connection of its own."""
    words = [
        b"\x01\x00\xff\xff\xff\xf0" + bytes(100),
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        pdu(1, b"\xff" * 5000),
        b"\x16\x03\x01\x00\xc8\x01" + bytes(200),
    ]
    number = 0
    while not over.wait(1 / FLOODS_PER_SECOND):
        with suppress(OSError), gateway.connect() as peer:
            peer.send(words[number % len(words)])
        number += 1


def _settled(gateway: Besieged) -> Vitals:
    """Once all have gone."""
    eventually(lambda: gateway.vitals().sockets <= gateway.base.sockets, seconds=30, what="the end of all connections")
    return gateway.vitals()


def _release(peer: RawPeer) -> None:
    peer.associate(ECHO_CONTEXT)
    peer.release()


def _abort(peer: RawPeer) -> None:
    peer.associate(ECHO_CONTEXT)
    peer.send(USER_ABORT)


_ENDS: Final[dict[str, Callable[[RawPeer], None]]] = {
    "associate, release": _release,
    "associate, abort": _abort,
    "connect, reset": RawPeer.reset,
}


def _repeat(gateway: Besieged, what: str, come_and_go: Callable[[RawPeer], None]) -> Repetition:
    def many(count: int) -> None:
        for _ in range(count):
            gateway.has_room()
            with gateway.connect() as peer:
                come_and_go(peer)

    many(WARM_UP)
    before = _settled(gateway)
    began = time.monotonic()
    many(REPEATS)
    seconds = time.monotonic() - began
    print(f"{REPEATS} x {what}: {seconds:.0f} s")
    return Repetition(what=what, seconds=seconds, before=before, after=_settled(gateway))


def _report(base: Vitals, calm: list[float], siege: Siege, repetitions: list[Repetition]) -> str:
    lines = [
        "# Hostile peers",
        "",
        (
            "What broken and malicious peers cost a gateway. Made by `make hostile`; what each of them gets for "
            "an answer is tested in `tests/hostile/`."
        ),
        "",
        (
            f"Run on {datetime.now(UTC):%Y-%m-%d}: gateway and peers on the loopback of one machine, sharing its "
            f"processors. Timeouts of the gateway: artim {ARTIM} s, pdu {PDU} s, idle {IDLE} s; at most {PLACES} "
            "associations; limits of connections as shipped."
        ),
        "",
        "## Under siege",
        "",
        (
            f"For {SIEGE_SECONDS} s there are {HALF_OPEN} connections that send half a request and fall silent, "
            f"{DRIPPING} that send a request byte by byte, each coming again as soon as it is thrown out, and "
            f"{FLOODS_PER_SECOND} connections a second with length bombs, HTTP, TLS or garbage. A good "
            f"peer connects, associates, echoes and releases {ECHOES_PER_SECOND} times a second. "
            "Each such round is promised to take less than 1 s."
        ),
        "",
        "| rounds of the good peer | number | median | worst |",
        "| --- | --- | --- | --- |",
        _echo_row("in peace", calm),
        _echo_row("under siege", siege.echoes),
        "",
        "| the gateway | before | at most during | after |",
        "| --- | --- | --- | --- |",
        f"| memory, MB | {_mb(base.memory)} | {_mb(siege.during.memory)} | {_mb(siege.after.memory)} |",
        f"| descriptors | {base.descriptors} | {siege.during.descriptors} | {siege.after.descriptors} |",
        f"| of these sockets | {base.sockets} | {siege.during.sockets} | {siege.after.sockets} |",
        f"| threads | {base.threads} | {siege.during.threads} | {siege.after.threads} |",
        "",
        (
            "Memory that stays is what the allocator and SQLite's caches keep for the next peer. Descriptors and "
            "threads that stay belong to pools, which are filled when first needed: connections to the "
            "database and workers."
        ),
        "",
        "## Coming and going",
        "",
        f"{REPEATS:,} times each, after {WARM_UP:,} times to warm up.",
        "",
        "| each time | per second | memory, bytes a time | sockets left | descriptors more | threads more |",
        "| --- | --- | --- | --- | --- | --- |",
        *map(_repetition_row, repetitions),
        "",
    ]
    return "\n".join(lines)


def _echo_row(when: str, seconds: list[float]) -> str:
    return f"| {when} | {len(seconds)} | {statistics.median(seconds) * 1000:.0f} ms | {max(seconds) * 1000:.0f} ms |"


def _repetition_row(one: Repetition) -> str:
    before, after = one.before, one.after
    slope = (after.memory - before.memory) / REPEATS
    return (
        f"| {one.what} | {REPEATS / one.seconds:.0f} | {slope:.0f} | {after.sockets - before.sockets} "
        f"| {after.descriptors - before.descriptors} | {after.threads - before.threads} |"
    )


def _mb(size: int) -> str:
    return f"{size / MEGABYTE:.0f}"


if __name__ == "__main__":
    main()
