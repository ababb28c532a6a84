"""A gateway in a process of its own that strangers attack, and what must be as before when they have gone."""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.process import GatewayProcess
from harness.raw_peer import AC, CT_CONTEXT, ECHO_CONTEXT, RawPeer, associate_rq, data_set, echo_rq, store_rq
from harness.site import Site
from harness.waiting import eventually
from hilum.ledger.database import Database
from hostile.objects import fresh_uid, identifiers, pixels
from hostile.vitals import MEGABYTE, Vitals, forget_peak, vitals

#: Seconds; as in ``KEYS``.
ARTIM, PDU, IDLE = 1, 2, 3
#: The largest data set that is taken, in bytes; as in ``KEYS``.
LARGEST = 30 * MEGABYTE
#: As in ``KEYS``.
PLACES = 5

KEYS: dict[str, Any] = {
    "dicom": {
        "scp": {
            "ae-titles": [{"ae-title": "HILUM"}, {"ae-title": "PATIENT", "timeout": 1, "timeout-group": "Patient"}],
            "timeouts": {"artim": ARTIM, "pdu": PDU, "idle": IDLE},
            "limits": {"object-gb": LARGEST / 1e9},
            "max-associations": PLACES,
        }
    },
    "workflows": [{"name": "one", "clara-ae-title": "PATIENT", "engine": "folder"}],
}

#: What a gateway may keep of an attack: memory that the allocator holds for the next one.
MEMORY_KEPT = 48 * MEGABYTE
#: Descriptors of connections to the database, which are kept for whoever writes next: two each, in two pools of five.
POOLED = 20
#: Threads of pools, which are started when first needed and then kept.
POOL_THREADS = 16


class Besieged:
    """Made by ``besieged``; the process runs until the end of the block around it."""

    def __init__(self, process: GatewayProcess) -> None:
        self.site = process.site
        self.port = process.port
        self.pid = process.process.pid
        self.log = process.log
        # All of 127.0.0.0/8 is this machine. The good peer is 127.0.0.1; nobody else shares its place before the door.
        self._strangers = (f"127.0.{net}.{host}" for net, host in itertools.product(range(1, 255), range(1, 255)))
        self.site.database = Database(self.site.settings.ledger.url)
        started = vitals(self.pid)
        self._warm_up()
        eventually(lambda: vitals(self.pid).sockets <= started.sockets, what="the end of the warm-up")
        self.base = vitals(self.pid)
        self.begin()

    def _warm_up(self) -> None:
        """Do once what makes a gateway as large as it stays."""
        for _ in range(20):
            self.is_served()
        for _ in range(3):
            with self.connect() as peer:
                peer.associate(CT_CONTEXT)
                uid = fresh_uid()
                peer.send(store_rq(uid), data_set(identifiers(uid) + pixels(bytes(2 * MEGABYTE)), fragment=60_000))
                assert peer.status() == 0
                peer.release()

    def stranger(self) -> str:
        """An address that nobody has come from yet."""
        return next(self._strangers)

    def connect(self, source: str | None = None, *, window: int = 0) -> RawPeer:
        """A connection, from an address of its own unless told."""
        return RawPeer.connect(self.port, source=source or self.stranger(), window=window)

    def _has_a_place(self) -> bool:
        with RawPeer.connect(self.port) as peer:
            peer.send(associate_rq(ECHO_CONTEXT))
            kind, _ = peer.pdu()
            if kind == AC:
                peer.release()  # answered once the place is free: this look takes none from the next peer
            return kind == AC

    def is_served(self) -> float:
        """A good peer gets the answer to its echo; how long the whole took it, in seconds.

        The promise is one second; more is allowed to a machine that runs other tests at the same time.
        """
        began = time.monotonic()
        with RawPeer.connect(self.port) as peer:
            peer.associate(ECHO_CONTEXT)
            peer.send(echo_rq())
            assert peer.status() == 0
            peer.release()
        seconds = time.monotonic() - began
        assert seconds < 5, f"an echo took {seconds:.1f} s"
        return seconds

    def has_room(self) -> None:
        """Until a place is free: an end that nobody announced is noticed a moment later."""
        eventually(lambda: self.vitals().sockets < self.base.sockets + PLACES, what="the end of earlier associations")

    def vitals(self) -> Vitals:
        return vitals(self.pid)

    def begin(self) -> None:
        """From now on ``growth`` is measured."""
        forget_peak(self.pid)
        self._before = self.vitals().memory

    @property
    def growth(self) -> int:
        """By how much the memory exceeded that of ``begin`` at the worst moment, in bytes."""
        return self.vitals().peak - self._before

    def since(self, position: int) -> list[str]:
        """Lines of the log behind a position."""
        return self.log.read_bytes()[position:].decode().splitlines()

    def events(self, position: int) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.since(position)]

    @property
    def log_size(self) -> int:
        return self.log.stat().st_size

    def parts(self) -> list[Path]:
        """Files of instances that are not whole."""
        # Unlike rglob, walk takes no offence at a folder that goes away meanwhile.
        return [
            Path(at) / name for at, _, names in os.walk(self.site.spool) for name in names if name.endswith(".part")
        ]

    def is_unharmed(self, log_position: int) -> None:
        """Everything is as it was before anybody came."""
        # A test's own last associations may take a moment to give their places back.
        eventually(self._has_a_place, what="a place for an association")
        self.is_served()
        eventually(lambda: not self.parts(), what="no part of an instance")
        self._falls_to("sockets", self.base.sockets)
        self._falls_to("threads", self.base.threads + POOL_THREADS)
        self._falls_to("descriptors", self.base.descriptors + POOLED)
        self._falls_to("memory", self.base.memory + MEMORY_KEPT)
        lines = self.since(log_position)
        assert [line for line in lines if "Traceback" in line or '"level": "error"' in line or ".fault" in line] == []

    def _falls_to(self, what: str, most: int) -> None:
        eventually(lambda: getattr(self.vitals(), what) <= most, what=f"{what} of at most {most}")


def besieged(site: Site) -> Iterator[Besieged]:
    """A running gateway; for a fixture."""
    with GatewayProcess(site) as process:
        gateway = Besieged(process)
        try:
            yield gateway
            assert process.process.poll() is None
        finally:
            site.database.close()
