"""Faults one after the other on one site, each followed by a restart, a drain and a count; what came of each."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from crash import reading
from crash.counts import Fault, Tally
from crash.disks import Folder, Kind, LoopDisk, healthy_folder
from crash.gateways import ForkServer
from crash.rig import AES, Recovery, Rig
from crash.sender import Load
from crash.shim import Faults

#: A site gets so many faults before the next one begins with nothing: each count looks at all that was ever sent to it.
PER_SITE: Final = 12
_LONGEST_LOAD: Final = 0.4
_REFUSED: Final = re.compile(r"/spool/held/[^/]+/[0-9]+\.(part|dcm)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One fault and what came of it. Numbers are of this trial alone.

    Attributes:
        what: The kind of fault.
        is_fault: Not so of the count that follows when everything that was held has been accepted.
        point: Step, system call and file at which it was put in, if that was chosen.
        faults: What was wrong, by kind of ``Fault``; each entry says where.
        listening: Seconds from the start until associations were accepted; 0 if there was no restart.
        drained: Seconds from then until everything had come to its end.
        unknown_outcomes: Answers of the PACS that were not read, or of which the note was lost.
        set_aside: What an operator had to ask for again.
        left: Files without a row after the disk had failed that went with the next start, or go with a held folder.
        taken_over: Seconds from the end of a gateway until nothing belonged to it any more; 0: nobody waited for that.
    """

    what: str
    is_fault: bool = True
    point: tuple[str, str, str] | None = None
    faults: dict[str, list[str]] = field(default_factory=dict)
    acknowledged: int = 0
    released: int = 0
    unknown: int = 0
    found_unknown: int = 0
    held: int = 0
    repeated: int = 0
    unknown_outcomes: int = 0
    quarantined: int = 0
    set_aside: tuple[str, ...] = ()
    left: int = 0
    jobs: int = 0
    run_again: int = 0
    spanning: int = 0
    revived: int = 0
    taken_over: float = 0.0
    listening: float = 0.0
    drained: float = 0.0

    def fields(self) -> dict[str, Any]:
        """For a file of JSON; what is as it is by default is left out."""
        empty = Trial(what=self.what)
        return {name: value for name, value in asdict(self).items() if name == "what" or value != getattr(empty, name)}

    @classmethod
    def of_fields(cls, fields: Mapping[str, Any]) -> Self:
        """From such a file."""
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()})

    def check(self) -> None:
        """Raises if anything was wrong."""
        assert not self.faults, f"{self.what} at {self.point}: {self.faults}"


_COUNTED: Final = (
    *("acknowledged", "released", "unknown", "found_unknown", "held", "repeated", "quarantined"),
    *("jobs", "run_again", "spanning", "revived"),
)


class Series:
    """The trials of one rig.

    Args:
        held_before_release: What was acknowledged is on disk before its association is released.
        disk_failed: So that files could not be removed, and have to be later.
        is_control: It is to lose, so what was set aside can be lost and stays where it is.
    """

    def __init__(
        self, rig: Rig, *, held_before_release: bool = True, disk_failed: bool = False, is_control: bool = False
    ) -> None:
        self.rig = rig
        self._held_before_release = held_before_release
        self._disk_failed = disk_failed
        self._is_control = is_control
        self._before = Tally()
        self._outcomes_before = 0

    def judge(self, what: str, recovery: Recovery | None = None, *, point: tuple[str, str, str] | None = None) -> Trial:
        """After a fault, and after the restart that it made necessary: drain, count, and tell what is new."""
        drained = self.rig.drain()
        set_aside = tuple(reading.set_aside(self.rig.places))
        if set_aside and not self._is_control:
            for one in set_aside:
                self._retry(one)
            self.rig.drain()
        tally, left = self._count()
        before, self._before = self._before, tally
        outcomes, self._outcomes_before = self.rig.unknown_outcomes - self._outcomes_before, self.rig.unknown_outcomes
        new = {kind: sorted({*which} - {*before.faults[kind]} - left) for kind, which in tally.faults.items()}
        return Trial(
            what=what,
            point=point,
            faults={kind.name: which for kind, which in new.items() if which},
            **{name: getattr(tally, name) - getattr(before, name) for name in _COUNTED},
            unknown_outcomes=outcomes,
            set_aside=set_aside,
            left=len(left),
            taken_over=recovery.taken_over if recovery else 0.0,
            listening=recovery.listening if recovery else 0.0,
            drained=drained,
        )

    def accept_held(self, what: str) -> Trial:
        """At the end: whatever is held is accepted, and then is in jobs like everything else."""
        self.rig.accept_held()
        drained = self.rig.drain()
        tally = self.rig.count(held_before_release=self._held_before_release, held_was_accepted=True)
        new = {kind: sorted({*which} - {*self._before.faults[kind]}) for kind, which in tally.faults.items()}
        faults = {kind.name: which for kind, which in new.items() if which}
        return Trial(what=what, is_fault=False, faults=faults, held=tally.held - self._before.held, drained=drained)

    def _count(self) -> tuple[Tally, set[str]]:
        """What stays, and which files without a row are excused.

        What could not be removed while the disk failed is tried again within a minute, and by the next start; a file of
        a refused instance goes at last, with the folder of its association.
        """
        tally = self._look()
        if not (self._disk_failed and self._new_files(tally)):
            return tally, set()
        self.rig.faults.slept += 61
        self.rig.running.ended(1.1)
        tally = self._look()
        if not (left := self._new_files(tally)):
            return tally, set()
        self.rig.running.stop()
        self.rig.start()
        self.rig.drain()
        tally = self._look()
        still = self._new_files(tally)
        return tally, {one for one in left if one not in still or _REFUSED.search(one)}

    def _look(self) -> Tally:
        return self.rig.count(held_before_release=self._held_before_release)

    def _new_files(self, tally: Tally) -> set[str]:
        return {*tally.faults[Fault.UNKNOWN_FILE]} - {*self._before.faults[Fault.UNKNOWN_FILE]}

    def _retry(self, what: str) -> None:
        """As an operator does."""
        command = [sys.executable, "-m", "hilum", "retry", "--config", str(self.rig.site.path), what]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: {done.stdout} {done.stderr}"


def kill(rig: Rig) -> Recovery:
    """SIGKILL at any moment of receiving or of what follows."""
    with disturbed(rig):
        rig.killed()
    return rig.start()


def cut(rig: Rig) -> Recovery:
    """No power at any moment of receiving or of what follows."""
    with disturbed(rig):
        rig.cut()
    rig.power_up()
    return rig.start()


@contextmanager
def disturbed(rig: Rig) -> Iterator[None]:
    """Senders at work, for a while; in some trials they have stopped, and jobs and deliveries go on."""
    load = Load(rig.ledger, rig.port, aes=AES)
    load.start()
    try:
        time.sleep(random.uniform(0, _LONGEST_LOAD))
        if random.random() < 0.3:
            load.stop()
            time.sleep(random.uniform(0, _LONGEST_LOAD))
        yield
    finally:
        load.stop()


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """Where rigs are made: a folder on a healthy disk, and a process that starts gateways."""

    folder: Path
    server: ForkServer
    faults: Faults


@contextmanager
def workshop() -> Iterator[Workshop]:
    """One, until the end of the block."""
    with healthy_folder() as folder:
        faults = Faults(folder / "control")
        with ForkServer(faults.path) as server:
            yield Workshop(folder=folder, server=server, faults=faults)


@contextmanager
def rigs(*, kind: Kind | None = None, **how: Any) -> Iterator[Callable[[], Rig]]:
    """Makes rigs, each on a disk of its own, one at a time: the next one ends the one before.

    Args:
        kind: Of the file system; ``None`` = an ordinary folder.
    """
    with workshop() as place, ExitStack() as one:
        made = 0

        def make() -> Rig:
            nonlocal made
            made += 1
            one.close()
            files = place.folder / f"files{made}"
            disk = LoopDisk(files, kind) if kind else Folder(files)
            return one.enter_context(Rig(place.folder / f"rig{made}", disk, place.server, place.faults, **how))

        yield make


def at_random(
    hurt: Callable[[Rig], Recovery],
    what: str,
    trials: int,
    *,
    kind: Kind | None = None,
    per_site: int = PER_SITE,
    held_before_release: bool = True,
    is_control: bool = False,
    **how: Any,
) -> Iterator[Trial]:
    """So many trials of a fault at random moments."""
    with rigs(kind=kind, **how) as make:
        for number in range(trials):
            if number % per_site == 0:
                rig = make()
                rig.start()
                series = Series(rig, held_before_release=held_before_release, is_control=is_control)
            yield series.judge(what, hurt(rig))
            if not is_control and (number % per_site == per_site - 1 or number == trials - 1):
                yield series.accept_held(what)


def total(trials: Sequence[Trial], name: str) -> int:
    """Of one number over all trials."""
    return sum(getattr(trial, name) for trial in trials)


def wrong(trials: Sequence[Trial]) -> dict[Fault, int]:
    """How much was wrong, by kind."""
    found: dict[Fault, int] = {}
    for trial in trials:
        for name, which in trial.faults.items():
            found[Fault[name]] = found.get(Fault[name], 0) + len(which)
    return found
