"""Tests of the test: what is known to lose, hurt and counted in the same way. If it loses nothing, the test is blind.

Two are Hilum with one promise taken out; two are programs of others, as they come, which promise nothing about power.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from crash.counts import Fault
from crash.disks import LoopDisk, healthy_folder
from crash.reading import data_set_digest
from crash.rig import Recovery, Rig
from crash.sender import Ledger, Sender
from crash.shim import Action, Kind
from crash.trials import Trial, at_random, cut, disturbed
from interop.dcmtk import Storescp
from interop.orthanc import Orthanc

_SIZES: Final = (20_000,) * 30


def without_syncs(trials: int) -> Iterator[Trial]:
    """Hilum on a disk that says of everything that it is safe: ``fsync`` does nothing and succeeds."""
    return at_random(_cut_of_a_liar, "control: fsync does nothing", trials, kind="ext4", per_site=1, is_control=True)


def _cut_of_a_liar(rig: Rig) -> Recovery:
    rig.faults.arm(Action.LIE, kinds=Kind.SYNC)
    with disturbed(rig):
        rig.cut()
    rig.faults.disarm()
    rig.power_up()
    return rig.start()


def with_relaxed_ledger(trials: int) -> Iterator[Trial]:
    """Hilum with SQLite's ``synchronous=NORMAL`` in every transaction, which is what many use."""
    environment = {"CRASH_SYNCHRONOUS": "NORMAL"}
    what = "control: ledger with synchronous=NORMAL"
    return at_random(cut, what, trials, kind="ext4", per_site=1, is_control=True, environment=environment)


def of_storescp(trials: int) -> Iterator[Trial]:
    """DCMTK's ``storescp``; what counts is which data sets are in its folder afterwards."""
    return _of_others("control: DCMTK storescp", trials, _storescp)


def of_orthanc(trials: int) -> Iterator[Trial]:
    """Orthanc with its own SQLite index; what counts is what its REST interface still knows."""
    return _of_others("control: Orthanc", trials, _orthanc)


def _of_others(what: str, trials: int, lose: Callable[[LoopDisk, Ledger], set[str]]) -> Iterator[Trial]:
    for _ in range(trials):
        ledger = Ledger()
        with healthy_folder() as folder, LoopDisk(folder) as disk:
            found = lose(disk, ledger)
        acknowledged = [one for told in ledger.associations for one in told.sent if ledger.counts(one.acknowledged_at)]
        lost = [one.uid for one in acknowledged if one.digest not in found]
        yield Trial(
            what=what,
            acknowledged=len(acknowledged),
            released=len(acknowledged),
            faults={Fault.NO_JOB.name: lost} if lost else {},
        )


def _storescp(disk: LoopDisk, ledger: Ledger) -> set[str]:
    with ExitStack() as running:
        receiver = running.enter_context(Storescp(disk.root / "storescp"))
        Sender(ledger, receiver.port).association(_SIZES)
        at = disk.cut()
        running.close()
    ledger.cut(at)
    disk.power_up()
    return _digests(disk.root)


def _orthanc(disk: LoopDisk, ledger: Ledger) -> set[str]:
    with ExitStack() as running:
        receiver = running.enter_context(Orthanc(disk.root / "orthanc"))
        Sender(ledger, receiver.port).association(_SIZES)
        at = disk.cut()
        running.close()
    ledger.cut(at)
    disk.power_up()
    with Orthanc(disk.root / "orthanc") as again:
        return set(again.digests())


def _digests(folder: Path) -> set[str]:
    return {data_set_digest(path) for path in folder.rglob("*") if path.is_file()}
