"""The page that says what was promised, what was done to it and what came of that."""

from __future__ import annotations

import os
import platform
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from crash.counts import Fault
from crash.trials import Trial, total, wrong

Parts = Mapping[str, Sequence[Trial]]

_INTRODUCTION: Final = """\
# Reliability

What Hilum promises about data that it has taken, what was done to break these promises, and what came of it. Made by
`make prove`, which repeats all of it; a short form is part of `make test`. The code is in `tests/crash/`.

## Promised

1. **Success means stored.** What was answered with 0000H is on disk (`durability: instance`), or on disk before the
   release is answered (`durability: association`).
2. **Release means accepted.** What was stored on an association whose release was answered reaches exactly one job per
   workflow, and its results reach their destinations.
3. **Any other end means held.** What was acknowledged before is kept aside for an operator.
4. **Bytes are kept.** What is handed on is, bit by bit, what came in.

This holds against the death of any process at any moment, loss of power, disks that are full, that fail, that freeze or
turn read-only, a locked ledger, clocks that jump and machines that sleep. It does not hold against a disk that loses
what it said was safe: see the first control.

## How it is tested

Real `hilum serve` processes. A sender writes down which instances were acknowledged, which associations released, and a
PACS what it got; both remember in the memory of the test, out of reach of the fault. After each fault the gateway is
started again, everything comes to its end, and an independent program, with its own queries and its own walk through
the folders, compares: each instance has random bytes of its own, whose SHA-256 is followed through spool, jobs and
PACS. What was read after the moment of a power cut does not count as said. For each of the counts below there is a test
that provokes it, to show that it would be seen.

A power cut is `FS_IOC_SHUTDOWN` without a flush of the log on a mounted ext4 (`commit=300`) or XFS: whatever had not
been put on disk is gone. Then every process of the site is killed, the file system unmounted, mounted, its journal
replayed. Calls that fail, and deaths at the k-th call, are put in by a library between gateway and libc.

"""

_RANDOM: Final = """\
## Faults at random moments

`make prove ONLY=kills`, `make prove ONLY=cuts`. Several senders at once release, abort and drop their associations,
which are grouped at the release, or by study while instances come. After a dozen faults on one site, everything that is
held there is accepted, and has to be in jobs, too.

"""

_SWEEPS: Final = """\
## A fault at every single call

`make prove ONLY=sweeps`. One life: two instances received, released, grouped, run, collected, delivered, the receipt
written, the spool swept; or a start after a first fault. The first call that touches the disk is hit, in the next life
the second, and so on to the last one. Numbers are points that were hit, by step; different ones (call and file) in
brackets.

"""

_ADVERSITIES: Final = """\
## Adversities

`make prove ONLY=adversities`. Each ends, and the counts are made then.

"""

_CONTROLS: Final = """\
## Controls

`make prove ONLY=controls`. What is known to lose, cut and counted in the same way. Had these lost nothing, the zeros
above would mean nothing. They lose less when something else on the machine has everything synced in between.

"""

_LIMITS: Final = """\
## What is not shown by this

* Disks that reorder or tear writes within a sector's promise, or lie about flushes: the loop device keeps the order.
* A fault in the middle of a system call. Between any two that change the disk a process can die, and does.
* Faults in the kernel, in SQLite or in the memory of the machine.
* Commands of jobs are copies of files; what a real command does twice when it is run twice is its own affair.
"""


def page(parts: Parts, states: Mapping[str, int], state: str) -> str:
    """All of it, in Markdown.

    Args:
        states: How many units were run with which state of Hilum.
        state: The present one.
    """
    return (
        f"{_INTRODUCTION}{when_and_where(states, state)}\n\n"
        f"{_RANDOM}{_random((*parts['kills'], *parts['cuts']))}"
        f"\n{_SWEEPS}{_sweeps(parts['sweeps'])}\n{_ADVERSITIES}{_adversities(parts['adversities'])}"
        f"\n{_CONTROLS}{_controls(parts['controls'])}\n## Recovery\n\n{_recovery(parts)}\n{_LIMITS}"
    )


def when_and_where(states: Mapping[str, int], state: str) -> str:
    """When something was run, on which machine, with which states of the code."""
    made = datetime.now(UTC).date().isoformat()
    machine = (
        f"Linux {platform.release().split('-')[0]}, {os.cpu_count()} processors, Python {platform.python_version()}"
    )
    return f"Run on {made}: {machine}.{_states(states, state)}"


def _states(states: Mapping[str, int], state: str) -> str:
    others = {name: count for name, count in states.items() if name != state}
    if not others:
        return ""
    told = ", ".join(f"{count} with the state {name}" for name, count in others.items())
    return (
        f" Of {sum(states.values())} units {states.get(state, 0)} were run with the present state of the code, {told}:"
        " what came between the two was judged not to touch what those units look at."
    )


def failures(parts: Parts) -> list[str]:
    """Why the proof failed; empty if it did not."""
    found = [
        f"{name}: {kind}: {number}"
        for name, trials in parts.items()
        if name != "controls"
        for kind, number in wrong(trials).items()
    ]
    found += [f"{name}: nothing was run" for name, trials in parts.items() if not trials]
    for what, trials in by_what(parts.get("controls", ())).items():
        if not _lost(trials):
            found.append(f"{what}: nothing was lost, so that the other counts prove nothing")
    return found


def _random(trials: Sequence[Trial]) -> str:
    lost = (Fault.NO_JOB, Fault.NOT_HELD)
    columns: dict[str, Callable[[Sequence[Trial]], object]] = {
        "faults": number_of_faults,
        "acknowledged": lambda some: total(some, "acknowledged"),
        "of these released": lambda some: total(some, "released"),
        "**lost**": lambda some: sum(wrong(some).get(kind, 0) for kind in lost),
        "in two jobs": lambda some: wrong(some).get(Fault.TWO_JOBS, 0),
        "not delivered": lambda some: wrong(some).get(Fault.NOT_DELIVERED, 0),
        "other bytes": lambda some: wrong(some).get(Fault.OTHER_BYTES, 0),
        "rows without file, files without row": lambda some: sum(
            wrong(some).get(kind, 0) for kind in (Fault.MISSING_FILE, Fault.UNKNOWN_FILE)
        ),
        "never sent": lambda some: wrong(some).get(Fault.PHANTOM, 0),
        "loss per fault, 95 %": bound,
    }
    grouped = by_what(trials)
    rows = [[what, *(shown(column(some)) for column in columns.values())] for what, some in grouped.items()]
    text = table(["", *columns], rows)
    repeated, doubtful = total(trials, "repeated"), total(trials, "unknown_outcomes")
    unknown, found = total(trials, "unknown"), total(trials, "found_unknown")
    return (
        f"{text}\nThe last column is the rule of three: after so many faults without a loss, the chance that one loses"
        f" something is, with 95 % confidence, below this.\n\nOf {shown(unknown)} instances the sender had no answer"
        f" that counts; {shown(found)} of them were there, whole. Deliveries that came twice: {shown(repeated)}, all"
        f" among the {shown(doubtful)} whose outcome could not be known. Set aside for an operator:"
        f" {shown(sum(len(one.set_aside) for one in trials))}.\n"
    )


def bound(trials: Sequence[Trial]) -> str:
    """Below which chance a fault loses something, by the rule of three."""
    if any(trial.faults for trial in trials):
        return "-"
    return f"< {300 / max(1, number_of_faults(trials)):.2f} %"


def number_of_faults(trials: Iterable[Trial]) -> int:
    """Counts after which something was hurt."""
    return sum(trial.is_fault for trial in trials)


def _sweeps(trials: Sequence[Trial]) -> str:
    steps = ("start", "receive", "release", "group", "job creation", "engine", "results", "deliver", "receipt", "sweep")
    rows = []
    for what, some in by_what(trials).items():
        points: dict[str, list[tuple[str, ...]]] = defaultdict(list)
        for trial in some:
            if trial.point:
                points[trial.point[0] if trial.point[0] in steps else "others"].append(trial.point)
        cells = [f"{len(points[step])} ({len({*points[step]})})" if points[step] else "" for step in (*steps, "others")]
        rows.append([what, str(sum(map(len, points.values()))), *cells, shown(sum(wrong(some).values()))])
    left = total(trials, "left")
    return (
        table(["", "points", *steps, "others", "**wrong**"], rows)
        + f"\nWrong is any of the counts above. While the disk failed, {shown(left)} files could not be removed; they"
        " were gone after the next start, or lie in the folder of a held association and go with it. Others are steps"
        " that only look whether there is something to do.\n"
    )


def _adversities(trials: Sequence[Trial]) -> str:
    rows = [
        [what, *map(shown, (total(some, "acknowledged"), total(some, "unknown"), sum(wrong(some).values())))]
        for what, some in by_what(trials).items()
    ]
    return table(["", "acknowledged", "refused or unanswered", "**wrong**"], rows)


def _controls(trials: Sequence[Trial]) -> str:
    rows = []
    for what, some in by_what(trials).items():
        acknowledged, lost = total(some, "acknowledged"), _lost(some)
        share = f"{100 * lost / max(1, acknowledged):.0f} %"
        rows.append([what.removeprefix("control: "), shown(len(some)), shown(acknowledged), shown(lost), share])
    return table(["", "power cuts", "acknowledged", "**lost**", ""], rows)


def _lost(trials: Iterable[Trial]) -> int:
    found = wrong(list(trials))
    return found.get(Fault.NO_JOB, 0) + found.get(Fault.NOT_HELD, 0)


def _recovery(parts: Parts) -> str:
    rows = []
    for name in ("kills", "cuts"):
        trials = [trial for trial in parts[name] if trial.listening]
        if trials:
            listening = [trial.listening for trial in trials]
            drained = [trial.listening + trial.drained for trial in trials]
            rows.append([f"after {name}", shown(len(trials)), *map(seconds, (*spread(listening), *spread(drained)))])
    columns = ["", "starts", "listening, median", "worst", "all work done, median", "worst"]
    return (
        table(columns, rows)
        + "\nSeconds from the start of the process; imports, about one more, are not in it: the process is forked.\n"
    )


def spread(numbers: Sequence[float]) -> tuple[float, float]:
    """Median and worst."""
    return statistics.median(numbers), max(numbers)


def seconds(number: float) -> str:
    return f"{number:.2f}"


def by_what(trials: Iterable[Trial]) -> dict[str, list[Trial]]:
    grouped: dict[str, list[Trial]] = defaultdict(list)
    for trial in trials:
        grouped[trial.what].append(trial)
    return dict(sorted(grouped.items()))


def shown(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """In Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
