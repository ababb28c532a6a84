"""One object that is larger than the memory it may take, and many small ones from a sender that waits for each."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.data import make_instance, make_series
from harness.process import GatewayProcess
from harness.site import Site
from harness.waiting import eventually
from hilum.store.rescan import Scanned, rescan
from interop import dcmtk
from interop.copying import copy_to
from interop.dcmtk import Storescp

pytestmark = pytest.mark.interop

MakeSite = Callable[..., Site]
MEBIBYTE = 1024 * 1024
#: Delayed acknowledgement of Linux, seconds: what a sender with Nagle's algorithm loses for each instance.
DELAYED_ACK = 0.04


def enlarge(instance: Path, size: int) -> None:
    """Make the pixel data of an instance so long, without room on disk but for a mark in each mebibyte."""
    with instance.open("r+b") as file:
        content = file.read()
        value = content.index(b"\xe0\x7f\x10\x00OW\0\0") + 12
        file.seek(value - 4)
        file.write(size.to_bytes(4, "little"))
        file.truncate(value + size)
        for at in range(0, size, MEBIBYTE):
            file.seek(value + at)
            file.write(at.to_bytes(8, "little"))


def digest(path: Path) -> str:
    """SHA-256 of a data set that is too large to read at once."""
    found = rescan(path)
    assert isinstance(found, Scanned)
    with path.open("rb") as file:
        file.seek(found.meta.data_set_offset)
        return hashlib.file_digest(file, "sha256").hexdigest()


class Memory:
    """The resident memory of a process, in bytes."""

    def __init__(self, pid: int) -> None:
        self._folder = Path(f"/proc/{pid}")

    def _read(self, name: str) -> int:
        found = re.search(rf"^{name}:\s+(\d+) kB", (self._folder / "status").read_text(), re.MULTILINE)
        assert found is not None
        return int(found[1]) * 1024

    @property
    def now(self) -> int:
        return self._read("VmRSS")

    @property
    def peak(self) -> int:
        return self._read("VmHWM")

    def forget_peak(self) -> None:
        (self._folder / "clear_refs").write_text("5")


def test_200_megabytes_go_through_in_less_than_64_mebibytes_of_memory(make_site: MakeSite, tmp_path: Path) -> None:
    multiframe = "1.2.840.10008.5.1.4.1.1.7.3"  # Multi-frame Grayscale Word Secondary Capture
    small = make_instance(tmp_path / "small", sop_class=multiframe)
    large = make_instance(tmp_path / "large", sop_class=multiframe)
    enlarge(large, 200_000_000)
    with Storescp(tmp_path / "storescp") as storescp:
        site = make_site(copy_to(storescp.destination))
        with GatewayProcess(site) as gateway:

            def send(path: Path, jobs: int) -> None:
                dcmtk.storescu(gateway.port, "--propose-little", path)
                eventually(lambda: len(list(site.payloads.glob("*/receipt.json"))) == jobs, seconds=90, what="receipt")

            send(small, 1)  # what every first job loads is not the large one's doing
            memory = Memory(gateway.process.pid)
            before = memory.now
            memory.forget_peak()
            send(large, 2)
            assert memory.peak - before < 64 * MEBIBYTE
        assert sorted(digest(path) for path in storescp.paths()) == sorted([digest(small), digest(large)])


def test_a_sender_with_nagles_algorithm_is_not_slowed_down(make_site: MakeSite, tmp_path: Path) -> None:
    files = make_series(tmp_path / "ct", 150, patient="P1")
    with make_site() as site:

        def seconds(no_delay: str) -> float:
            began = time.monotonic()
            dcmtk.storescu(site.port, "--propose-little", *files, TCP_NODELAY=no_delay)
            return time.monotonic() - began

        usual = seconds("1")
        assert seconds("0") - usual < len(files) * DELAYED_ACK / 2
