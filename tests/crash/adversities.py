"""Disks that fill up, fail, freeze; a locked ledger; clocks that jump; processes that pause. All of it ends.

Each function makes one site, brings the adversity over it while instances arrive, ends it, and yields what came of it.
"""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from crash.disks import Folder, LoopDisk, MemoryDisk
from crash.gateways import family
from crash.rig import Rig
from crash.sender import Association, Ending, Sender
from crash.trials import Series, Trial, Workshop, workshop
from harness.raw_peer import ECHO_CONTEXT, RawPeer, echo_rq
from harness.waiting import eventually

_SIZES: Final = (2_000, 20_000)
#: A command that is still at work when something happens to it.
_SLOW: Final[Mapping[str, Any]] = {
    "engines": {"copy": {"command": ["sh", "-c", 'sleep 0.5; cp "$HILUM_INPUT"/* "$HILUM_OUTPUT"/']}}
}
_BUSY_SECONDS: Final = 0.5
YEAR: Final = 365 * 86_400.0


def full_disk() -> Iterator[Trial]:
    """Spool and payloads fill up; the ledger has room elsewhere."""
    with _rig(disk=lambda folder: MemoryDisk(folder, megabytes=8), ledger_disk=Folder) as rig:
        yield from _through(rig, "disk full", _filled(rig.disk.root))


def full_ledger_disk() -> Iterator[Trial]:
    """The disk of the ledger fills up; spool and payloads have room."""
    with _rig(ledger_disk=lambda folder: MemoryDisk(folder, megabytes=8)) as rig:
        yield from _through(rig, "disk of the ledger full", _filled(rig.places.ledger.parent.parent))


def file_size_limit() -> Iterator[Trial]:
    """No file may be longer than this: first instances do not fit, then nothing does, the ledger's log included."""
    for limit in (12_000_000, 10_000, 0):
        with _rig() as rig:
            yield from _through(
                rig,
                f"file size limit {limit}",
                _limited(rig, resource.RLIMIT_FSIZE, limit),
                sizes=(2_000, 14_000_000) if limit > 1_000_000 else _SIZES,
            )


def few_descriptors() -> Iterator[Trial]:
    """The process has as many files open as it may."""
    with _rig() as rig:
        rig.start()
        Sender(rig.ledger, rig.port).association(_SIZES)
        rig.drain()
        opened = len(os.listdir(f"/proc/{rig.running.pid}/fd"))
        for more in (0, 2):
            with _limited(rig, resource.RLIMIT_NOFILE, opened + more):
                _send_several(rig, _SIZES)
            yield Series(rig, disk_failed=True).judge(f"{more} descriptors left")


def read_only() -> Iterator[Trial]:
    """The kernel finds an error in the file system and takes it away from everybody; mounting it again helps."""
    with _rig(disk=lambda folder: LoopDisk(folder, options="errors=remount-ro")) as rig:
        rig.start()
        series = Series(rig, disk_failed=True)
        assert isinstance(rig.disk, LoopDisk)
        Sender(rig.ledger, rig.port).association(_SIZES)
        with Sender(rig.ledger, rig.port).opened(_SIZES, ending=Ending.RELEASE):
            Path("/sys/fs/ext4", rig.disk.name, "trigger_fs_error").write_text("a test")
        told = _send_several(rig, _SIZES)
        assert not any(one.is_acknowledged for association in told for one in association.sent), "success, read-only"
        rig.killed()
        rig.disk.power_up()
        yield series.judge("file system turned read-only", rig.start())


def frozen() -> Iterator[Trial]:
    """Nothing that is written comes back, until it does. An echo is answered within a second meanwhile."""
    with _rig(disk=LoopDisk) as rig:
        rig.start()
        series = Series(rig)
        assert isinstance(rig.disk, LoopDisk)
        rig.disk.freeze()
        sending = threading.Thread(
            target=Sender(rig.ledger, rig.port, seconds=60).association, args=(_SIZES,), kwargs={"ae": "HILUM"}
        )
        try:
            sending.start()
            _wait_until_stuck(rig)
            longest = max(_echo(rig.port) for _ in range(5))
        finally:
            rig.disk.thaw()
        sending.join()
        assert longest < 1, f"an echo took {longest:.2f} s while the disk was frozen"
        yield series.judge("file system frozen")


def locked_ledger(*, busy_seconds: float = _BUSY_SECONDS) -> Iterator[Trial]:
    """Another process writes in the ledger for longer than the gateway waits for it."""
    with _rig(environment={"CRASH_BUSY_SECONDS": str(busy_seconds)}) as rig:
        yield from _through(rig, "ledger locked", _locked(rig, busy_seconds))


def clock_jump(seconds: float) -> Iterator[Trial]:
    """Somebody sets the clock while a window is open and a job runs; the second time the gateway is killed, too."""
    with _rig(keys=_SLOW) as rig:
        rig.faults.wall_ahead = max(0.0, -seconds)
        rig.start()
        series = Series(rig)
        for restart in (False, True):
            _leave_work(rig)
            # A gateway that runs keeps its own time, so that the second time this is news to the next one only.
            rig.faults.wall_ahead = max(0.0, seconds)
            if restart:
                rig.killed()
            recovery = rig.start() if restart else None
            yield series.judge(f"clock put by {seconds / YEAR:+g} years{' and a kill' if restart else ''}", recovery)


def stopped(*, seconds: float = 0.0) -> Iterator[Trial]:
    """The process is not run for longer than a lease holds: by default it only seems to have been so long."""
    with _rig(keys=_SLOW) as rig:
        rig.start()
        series = Series(rig)
        for delay in (0.1, 0.6):
            _leave_work(rig)
            rig.running.ended(delay)
            rig.running.send(signal.SIGSTOP)
            time.sleep(seconds)
            rig.faults.slept += 0.0 if seconds else 120.0
            rig.running.send(signal.SIGCONT)
            yield series.judge("SIGSTOP for longer than a lease")


def killed_jobs() -> Iterator[Trial]:
    """The command, its supervisor, or both are killed, as somebody does who looks for memory."""
    with _rig(keys=_SLOW) as rig:
        rig.start()
        series = Series(rig)
        for name, chosen in _VICTIMS.items():
            Sender(rig.ledger, rig.port).association(_SIZES)
            members = eventually(lambda: len(found := family(rig.token)) >= 2 and found, what="a job to run")
            for pid in chosen(sorted(members)):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            yield series.judge(f"{name} killed")


#: Process ids rise: the supervisor comes before its command, and that before what it starts.
_VICTIMS: Final[Mapping[str, Callable[[list[int]], list[int]]]] = {
    "supervisor of a job": lambda pids: pids[:1],
    "command of a job": lambda pids: pids[1:],
    "supervisor and command": lambda pids: pids,
}


# --- what they share


@contextmanager
def _rig(
    *,
    disk: Callable[[Path], Folder | LoopDisk | MemoryDisk] = Folder,
    ledger_disk: Callable[[Path], Folder | LoopDisk | MemoryDisk] | None = None,
    **how: Any,
) -> Iterator[Rig]:
    with workshop() as place, _made(place, disk, ledger_disk, how) as rig:
        yield rig


def _made(place: Workshop, disk: Any, ledger_disk: Any, how: Mapping[str, Any]) -> Rig:
    return Rig(
        place.folder / "rig",
        disk(place.folder / "files"),
        place.server,
        place.faults,
        ledger_disk=ledger_disk(place.folder / "ledger") if ledger_disk else None,
        **how,
    )


def _through(rig: Rig, what: str, adversity: Any, *, sizes: tuple[int, ...] = _SIZES) -> Iterator[Trial]:
    """Something was accepted before, something is sent meanwhile, and all is well again afterwards."""
    rig.start()
    series = Series(rig, disk_failed=True)
    Sender(rig.ledger, rig.port).association(_SIZES)
    with Sender(rig.ledger, rig.port).opened(_SIZES, ending=Ending.RELEASE):
        with adversity:
            told = _send_several(rig, sizes)
        assert not all(_is_whole(one) for one in told), f"{what}: nobody noticed"
    yield series.judge(what)
    after = Sender(rig.ledger, rig.port).association(sizes)
    assert _is_whole(after), f"{what}: it does not receive again: {after}"
    yield series.judge(f"after {what}")


def _send_several(rig: Rig, sizes: tuple[int, ...]) -> list[Association]:
    return [Sender(rig.ledger, rig.port).association(sizes, ae=ae) for ae in ("HILUM", "WINDOW", "HILUM")]


def _is_whole(told: Association) -> bool:
    return told.is_released and bool(told.sent) and all(one.is_acknowledged for one in told.sent)


@contextmanager
def _filled(root: Path) -> Iterator[None]:
    filler = root / "filler"
    descriptor = os.open(filler, os.O_WRONLY | os.O_CREAT)
    try:
        # Written and not reserved at one stroke: that takes all or nothing, and the gateway is at work meanwhile.
        with suppress(OSError):
            while True:
                os.write(descriptor, bytes(4096))
        yield
    finally:
        os.close(descriptor)
        filler.unlink()


@contextmanager
def _limited(rig: Rig, limit: int, value: int) -> Iterator[None]:
    """Of the running gateway; entered after its start."""
    before = resource.prlimit(rig.running.pid, limit)
    resource.prlimit(rig.running.pid, limit, (value, before[1]))
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            resource.prlimit(rig.running.pid, limit, before)


@contextmanager
def _locked(rig: Rig, seconds: float) -> Iterator[None]:
    with closing(sqlite3.connect(rig.places.ledger, timeout=30, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        begun = time.monotonic()
        yield
        time.sleep(max(0.0, begun + 2 * seconds - time.monotonic()))
        connection.execute("ROLLBACK")


def _leave_work(rig: Rig) -> None:
    """A window that is open, a job that runs, results that are on their way."""
    sender = Sender(rig.ledger, rig.port)
    sender.association(_SIZES)
    sender.association(_SIZES, ae="WINDOW")


def _echo(port: int) -> float:
    """Seconds for an association that asks for an echo."""
    begun = time.monotonic()
    with RawPeer.connect(port) as peer:
        peer.associate(ECHO_CONTEXT)
        peer.send(echo_rq())
        assert peer.status() == 0
        peer.release()
    return time.monotonic() - begun


def _wait_until_stuck(rig: Rig) -> None:
    """Some thread of the gateway waits for the disk."""

    def stuck() -> bool:
        for task in Path("/proc", str(rig.running.pid), "task").iterdir():
            with suppress(OSError):
                if (task / "stat").read_text().rpartition(") ")[2].startswith("D"):
                    return True
        return False

    eventually(stuck, what="the frozen disk to be noticed")
