"""A cable that can be cut: a virtual link between this machine and a network namespace of the test's own."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


class Cable:
    """Two ends: ``here`` is an address of this machine, ``there`` the one of the namespace.

    Nothing that goes to ``there`` leaves the machine: if the link is not used, the route of last resort swallows it.
    """

    def __init__(self) -> None:
        number = os.getpid() % 60_000 + 1000
        self.space, self.near, self.far = f"hilum{number}", f"hn{number}", f"hf{number}"
        block = f"10.213.{number // 250}"
        base = number % 62 * 4
        self.block, self.here, self.there = f"{block}.{base}/30", f"{block}.{base + 1}", f"{block}.{base + 2}"

    def lay(self) -> None:
        _ip("netns", "add", self.space)
        _ip("link", "add", self.near, "type", "veth", "peer", "name", self.far, "netns", self.space)
        _ip("address", "add", f"{self.here}/30", "dev", self.near)
        _ip("link", "set", self.near, "up")
        _ip("route", "add", "blackhole", self.block, "metric", "9999")
        self.inside("address", "add", f"{self.there}/30", "dev", self.far)
        self.inside("link", "set", self.far, "up")
        self.inside("link", "set", "lo", "up")

    def take_up(self) -> None:
        """As often as wanted; whatever is there of it goes."""
        for words in (
            ("netns", "delete", self.space),
            ("link", "delete", self.near),
            ("route", "delete", "blackhole", f"{self.there}/32"),
            ("route", "delete", "blackhole", self.block, "metric", "9999"),
        ):
            subprocess.run(["ip", *words], check=False, capture_output=True)

    def inside(self, *words: str) -> None:
        _ip("-n", self.space, *words)

    # Ways to cut it, each with what mends it.

    @contextmanager
    def no_route(self) -> Iterator[None]:
        """Packets from here disappear in silence, as behind a firewall."""
        _ip("route", "add", "blackhole", f"{self.there}/32")
        yield
        _ip("route", "delete", "blackhole", f"{self.there}/32")

    @contextmanager
    def unplugged(self) -> Iterator[None]:
        """The other end has no link."""
        self.inside("link", "set", self.far, "down")
        yield
        self.inside("link", "set", self.far, "up")

    @contextmanager
    def one_way(self) -> Iterator[None]:
        """What goes from here arrives, and nothing comes back."""
        self.inside("route", "add", "blackhole", f"{self.here}/32")
        yield
        self.inside("route", "delete", "blackhole", f"{self.here}/32")

    @contextmanager
    def slow(self, rate: str) -> Iterator[None]:
        """Both ends send at this rate at most."""
        shape = ("root", "tbf", "rate", rate, "burst", "16kb", "latency", "100ms")
        for space in ((), ("-n", self.space)):
            device = self.far if space else self.near
            made = subprocess.run(["tc", *space, "qdisc", "add", "dev", device, *shape], check=False)
            if made.returncode:
                pytest.skip("this kernel cannot slow a link down (sch_tbf)")
        yield


@contextmanager
def laid() -> Iterator[Cable]:
    """A cable for a test; skips it where none can be laid."""
    if os.geteuid() != 0:
        pytest.skip("only root can make network namespaces")
    if not (shutil.which("ip") and shutil.which("tc")):
        pytest.skip("needs ip and tc, in Debian's package iproute2")
    cable = Cable()
    try:
        try:
            cable.lay()
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespace can be made here: {error.stderr.strip()}")
        yield cable
    finally:
        cable.take_up()


@contextmanager
def far_pacs(cable: Cable, folder: Path, *, hold_at: int = 0) -> Iterator[subprocess.Popen[bytes]]:
    """``far_pacs.py`` at the other end."""
    program = Path(__file__).with_name("far_pacs.py")
    # Not "ip netns exec": that takes copies of all mounts along, and a disk whose power is cut beside this test would
    # stay mounted there, with no power for ever.
    enter = ["nsenter", f"--net=/run/netns/{cable.space}", sys.executable]
    command = [*enter, str(program), cable.there, str(folder), str(hold_at)]
    with (folder / "far.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            yield process
        finally:
            (folder / "go").touch()
            process.terminate()


class Attempts:
    """Counts the connections that are asked for over a cable: the different ports from which a SYN leaves here."""

    def __init__(self, cable: Cable) -> None:
        self.ports: set[int] = set()
        self._to = socket.inet_aton(cable.there)
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3))
        self._socket.bind((cable.near, 0))
        self._socket.settimeout(0.1)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen)

    def _listen(self) -> None:
        while not self._over.is_set():
            try:
                packet = self._socket.recv(2048)
            except TimeoutError:
                continue
            except OSError:
                return
            header = packet[14:]
            if packet[12:14] != b"\x08\x00" or header[9] != socket.IPPROTO_TCP or header[16:20] != self._to:
                continue
            segment = header[(header[0] & 0xF) * 4 :]
            if segment[13] & 0x12 == 0x02:  # SYN without ACK
                self.ports.add(struct.unpack(">H", segment[:2])[0])

    def __enter__(self) -> Attempts:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._socket.close()
