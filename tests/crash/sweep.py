"""A fault at the first system call that touches the disk, at the second, ...: until one whole life ends without it."""

from __future__ import annotations

import errno
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from crash import reading
from crash.disks import Kind as DiskKind
from crash.gateways import StartFailedError
from crash.rig import Recovery, Rig
from crash.sender import Association, Sender
from crash.shim import CHANGING, EVERYTHING, GROWING, Action, Kind
from crash.trials import PER_SITE, Series, Trial, rigs
from harness.waiting import eventually

_SIZES: Final = (2_000, 20_000)
#: How long a disk that fails for good does so after the first call that it failed.
_FAILING: Final = 0.3
_UNARMED: Final = 0.01
_DYING: Final = 10.0
_ID: Final = re.compile(r"[0-9]{8}T[0-9]{12}-[0-9a-f]{8}|[a-z-]+-[0-9]{14}-[0-9a-f]{8}|2\.25\.[0-9]+|\b[0-9]+\b")
_STEPS: Final = {"peer": "receive", "hilum": "receive", "job": "job creation", "submit": "engine", "watch": "engine"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """One way to fail.

    Attributes:
        name: For people.
        disk: Needed for a power cut.
    """

    name: str
    action: Action
    kinds: Kind
    error: int = 0
    disk: DiskKind | None = None

    @property
    def ends(self) -> bool:
        """The process does not outlive the call."""
        return self.action in {Action.KILL, Action.CUT}


SWEEPS: Final = (
    Sweep(name="kill", action=Action.KILL, kinds=CHANGING),
    Sweep(name="power cut", action=Action.CUT, kinds=CHANGING, disk="ext4"),
    Sweep(name="EIO once", action=Action.FAIL_ONCE, kinds=EVERYTHING, error=errno.EIO),
    Sweep(name="EIO for a while", action=Action.FAIL_ON, kinds=EVERYTHING, error=errno.EIO),
    Sweep(name="ENOSPC once", action=Action.FAIL_ONCE, kinds=GROWING, error=errno.ENOSPC),
)


def of_a_life(
    sweep: Sweep,
    *,
    first: int = 1,
    stride: int = 1,
    ae: str = "HILUM",
    durability: str = "instance",
) -> Iterator[Trial]:
    """Receive two instances, group, run, collect, deliver, write the receipt, sweep: with a fault somewhere."""
    keys: Mapping[str, Any] = {"dicom": {"scp": {"durability": durability}}}
    # A power cut may take what was acknowledged and not released, if each instance is not synced by itself.
    held_before_release = durability == "instance" or sweep.action is not Action.CUT
    what = f"{sweep.name}, {'a life' if ae == 'HILUM' else 'a life with a window'}, durability {durability}"

    def one(rig: Rig, at: int) -> tuple[Recovery | None, tuple[str, str, str] | None]:
        rig.faults.arm(sweep.action, at=at, error=sweep.error, kinds=sweep.kinds)
        told = Sender(rig.ledger, rig.port).association(_SIZES, ae=ae)
        _wait_until_hit_or_over(rig, sweep)
        point = _point(rig, told) if rig.faults.hits else None
        return _recover(rig, sweep), point

    return _swept(what, sweep, one, first, stride, held_before_release=held_before_release, keys=keys)


def of_a_start(sweep: Sweep, *, first: int = 1, stride: int = 1) -> Iterator[Trial]:
    """The second fault: while a start looks after what the first one left.

    There is an association that was open, with two instances, and another one that was released at the last moment.
    """

    def one(rig: Rig, at: int) -> tuple[Recovery | None, tuple[str, str, str] | None]:
        _leave_work(rig)
        if sweep.action is Action.CUT:
            rig.cut()
            rig.power_up()
        else:
            rig.killed()
        rig.faults.arm(sweep.action, at=at, error=sweep.error, kinds=sweep.kinds)
        gateway = rig.begin_start()
        with suppress(StartFailedError):
            gateway.wait_until_listening()
        rig.faults.disarm()
        # What is hit once it listens belongs to the sweep of a life.
        is_hit = rig.faults.hits > 0 and (not gateway.port or rig.faults.hit_at < gateway.listening_at)
        point = _point(rig, None) if is_hit else None
        return _recover(rig, sweep), point

    return _swept(f"{sweep.name}, a start", sweep, one, first, stride)


def _swept(
    what: str,
    sweep: Sweep,
    one: Callable[[Rig, int], tuple[Recovery | None, tuple[str, str, str] | None]],
    first: int,
    stride: int,
    *,
    held_before_release: bool = True,
    keys: Mapping[str, Any] | None = None,
) -> Iterator[Trial]:
    with rigs(kind=sweep.disk, keys=keys) as make:
        at, number, point = first, 0, ("", "", "")
        while point is not None:
            if number % PER_SITE == 0:
                rig = make()
                rig.start()
                rig.drain()
                series = Series(rig, held_before_release=held_before_release, disk_failed=not sweep.ends)
            recovery, point = one(rig, at)
            yield series.judge(what, recovery, point=point)
            at, number = at + stride, number + 1


def _leave_work(rig: Rig) -> None:
    sender = Sender(rig.ledger, rig.port)
    with sender.opened(_SIZES):
        sender.association(_SIZES)


def _wait_until_hit_or_over(rig: Rig, sweep: Sweep) -> None:
    """The fault may come in any step, so nothing else tells when a life is over than that it is."""

    def over() -> bool:
        if rig.faults.hits:
            return rig.running.ended() if sweep.ends else True
        return not _left(rig)

    eventually(over, seconds=60, what="the fault or the end of the life", pause=0.005)
    if sweep.action is Action.FAIL_ON and rig.faults.hits:
        rig.running.ended(max(0.0, rig.faults.hit_at + _FAILING - time.monotonic()))
    rig.faults.disarm()


def _left(rig: Rig) -> str:
    try:
        return reading.unfinished(rig.places)
    except reading.NotYetError as error:
        return str(error)


def _recover(rig: Rig, sweep: Sweep) -> Recovery | None:
    """Start it again if it has ended."""
    rig.faults.disarm()
    # A thread can have been at its call when that was disarmed; and one that is hit takes a moment to die.
    if not rig.running.ended(_DYING if sweep.ends and rig.faults.hits else _UNARMED):
        return None
    if sweep.action is Action.CUT and rig.faults.hits:
        rig.cut(rig.faults.hit_at)
        rig.power_up()
    elif sweep.ends:
        rig.killed()
    else:
        status = rig.running.reap()
        assert status > 0, f"it ended with status {status} after an error of the disk: {rig.running.log()[-2000:]}"
    return rig.start()


def _point(rig: Rig, told: Association | None) -> tuple[str, str, str]:
    thread, call, path = rig.faults.point
    name = re.split(r"[-_ ]", thread)[0]
    step = "start" if thread == "main" else _STEPS.get(name, name)
    if step == "receive" and told is not None and told.release_asked_at < rig.faults.hit_at:
        step = "release"
    return step, call.removesuffix("64"), _ID.sub("*", path)
