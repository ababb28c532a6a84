"""The parts of the long form: what is done how often, cut into units that can be run in any order and by themselves."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from crash import adversities, controls, report
from crash.disks import cannot_mount
from crash.sweep import SWEEPS, of_a_life, of_a_start
from crash.trials import Trial, at_random, cut, kill

Trials = Callable[[], Iterator[Trial]]

_IN_A_UNIT: Final = 48
#: A sweep is dealt out to so many units: each takes every so many-th call.
_HANDS: Final = 6

ADVERSITIES: Final[Mapping[str, Trials]] = {
    "full_disk": adversities.full_disk,
    "full_ledger_disk": adversities.full_ledger_disk,
    "file_size_limit": adversities.file_size_limit,
    "few_descriptors": adversities.few_descriptors,
    "read_only": adversities.read_only,
    "frozen": adversities.frozen,
    "locked_ledger": adversities.locked_ledger,
    "clock_jump forward": partial(adversities.clock_jump, adversities.YEAR),
    "clock_jump back": partial(adversities.clock_jump, -adversities.YEAR),
    "stopped": adversities.stopped,
    "killed_jobs": adversities.killed_jobs,
}
_LONG: Final[Mapping[str, Trials]] = {
    "stopped for a minute": partial(adversities.stopped, seconds=65),
    "locked_ledger for as long as the gateway waits": partial(adversities.locked_ledger, busy_seconds=10),
}
_CONTROLS: Final[Mapping[str, Callable[[int], Iterator[Trial]]]] = {
    "without_syncs": controls.without_syncs,
    "with_relaxed_ledger": controls.with_relaxed_ledger,
    "of_storescp": controls.of_storescp,
    "of_orthanc": controls.of_orthanc,
}
_CONTROL_TRIALS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Something that is repeated by `make prove ONLY=<name>`.

    Attributes:
        units: By name; each makes its own rigs.
    """

    name: str
    units: Mapping[str, Trials]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What ``crash.prove`` runs, and what it makes of that.

    Attributes:
        parts: By name.
        cannot_run: Why not here; empty if it can.
        page: From the trials of each part, how many units were run with which state of Hilum, and the present state.
        failures: From the trials of each part, why it failed; empty if it did not.
    """

    parts: Callable[[], dict[str, Part]]
    cannot_run: Callable[[], str]
    page: Callable[[report.Parts, Mapping[str, int], str], str]
    failures: Callable[[report.Parts], list[str]]


def parts() -> dict[str, Part]:
    """All of them, as large as ``PROVE_KILLS`` and ``PROVE_CUTS`` say."""
    made = (
        Part(name="controls", units={name: partial(one, _CONTROL_TRIALS) for name, one in _CONTROLS.items()}),
        Part(name="adversities", units=ADVERSITIES | _LONG),
        Part(name="sweeps", units=_sweeps()),
        Part(name="cuts", units=_random("cut", _number("PROVE_CUTS", 1000))),
        Part(name="kills", units=_random("kill", _number("PROVE_KILLS", 5000))),
    )
    return {part.name: part for part in made}


def _number(name: str, default: int) -> int:
    return int(os.environ.get(name) or default)


def _random(what: str, trials: int) -> dict[str, Trials]:
    """Every third unit has instances synced at the release only; power cuts alternate between file systems."""
    units: dict[str, Trials] = {}
    for number in range(-(-trials // _IN_A_UNIT)):
        count = min(_IN_A_UNIT, trials - number * _IN_A_UNIT)
        durability = "association" if number % 3 == 2 else "instance"
        keys = {"dicom": {"scp": {"durability": durability}}}
        if what == "kill":
            one: Trials = partial(at_random, kill, f"kill, durability {durability}", count, keys=keys)
        else:
            kind = ("ext4", "xfs")[number % 2]
            one = partial(
                at_random,
                cut,
                f"power cut, {kind}, durability {durability}",
                count,
                kind=kind,
                keys=keys,
                held_before_release=durability == "instance",
            )
        units[f"{number:04}, {count} times"] = one
    return units


def _sweeps() -> dict[str, Trials]:
    units: dict[str, Trials] = {}

    def deal(name: str, one: Callable[..., Iterator[Trial]]) -> None:
        for hand in range(1, _HANDS + 1):
            units[f"{name}, {hand} of {_HANDS}"] = partial(one, first=hand, stride=_HANDS)

    for sweep in SWEEPS:
        deal(f"{sweep.name}, a life", partial(of_a_life, sweep))
        deal(f"{sweep.name}, a start", partial(of_a_start, sweep))
        if sweep.ends:
            deal(f"{sweep.name}, a life with a window", partial(of_a_life, sweep, ae="WINDOW"))
            deal(f"{sweep.name}, a life, durability association", partial(of_a_life, sweep, durability="association"))
    return units


def _cannot_run() -> str:
    return cannot_mount("ext4") or cannot_mount("xfs")


PROOF: Final = Proof(parts=parts, cannot_run=_cannot_run, page=report.page, failures=report.failures)
