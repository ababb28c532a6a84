"""The page of ``make prove-cluster``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from crash.counts import Fault
from crash.report import Parts, bound, by_what, number_of_faults, seconds, shown, spread, table, when_and_where
from crash.trials import Trial, total, wrong

_INTRODUCTION: Final = """\
# Reliability of several gateways

What several gateways promise together, what was done to break that, and what came of it. Made by `make prove-cluster`,
which repeats all of it; a short form is part of `make test`. The code is in `tests/cluster/`. What one gateway promises
against power cuts, bad disks and kills at every single call is in [reliability](reliability.md).

## Promised

1. **Nothing is lost.** What was acknowledged and released is in exactly one job per workflow, and its results reach
   their destination, whichever gateway took it, and whichever of them is left.
2. **Nothing is done twice.** An attempt of a job is run once, and a job is run again only after an attempt of it has
   failed. A delivery is repeated only if its outcome could not be known.
3. **Late is too late.** A gateway that was taken for dead and goes on changes nothing: what it had not ended, others
   have, and what it had not yet promised, it does not promise any more.
4. **A restart is no event.** Gateways that are asked to end and started again one by one refuse nobody and break
   nothing off, behind a balancer that asks whether they are ready.

## How it is tested

Three `hilum serve` processes with the same spool, payloads and PostgreSQL database, HAProxy in front of them, which
sends the PROXY protocol, and eight senders that talk to HAProxy and write down what was acknowledged and released. AE
titles group at the release, or by study while its instances come to one gateway after the other. A PACS writes down
what it got and from which gateway, and the command of every job a line of each of its runs. The database server keeps
its files on a real disk with `fsync` on. Leases are {lease:g} s here.

After each fault everything has to come to its end, and then it is counted as in `make prove`: by other queries, another
walk through the folders, and the SHA-256 of each data set. For each count there is a test that provokes it.

"""

_FAULTS: Final = """\
## Faults at random moments

"""

_CONTROLS: Final = """\
## Controls

`make prove-cluster ONLY=controls`. Hilum without what keeps gateways apart, hurt and counted in the same way. Had these
done nothing wrong, the zeros above would mean nothing.

"""

_LIMITS: Final = """\
## What is not shown by this

* All processes are on one machine with one clock and one file system. A shared file system over a network has failures
  of its own: what is asked of it is in [operations](operations.md).
* The database server loses its processes, not its disk. What PostgreSQL itself promises is taken for granted.
* A balancer that dies takes its connections with it; only what senders were told counts then.
"""

_LOST: Final = (Fault.NO_JOB, Fault.NOT_HELD)
_COLUMNS: Final[Mapping[str, Sequence[Fault]]] = {
    "**lost**": _LOST,
    "in two jobs": (Fault.TWO_JOBS,),
    "run twice": (Fault.RUN_TWICE, Fault.RUN_AGAIN),
    "not delivered": (Fault.NOT_DELIVERED,),
    "repeated without a reason": (Fault.REPEATED,),
    "other bytes": (Fault.OTHER_BYTES,),
    "rows without file, files without row": (Fault.MISSING_FILE, Fault.UNKNOWN_FILE),
    "never sent": (Fault.PHANTOM,),
    "cut off": (Fault.CUT_OFF,),
}


def page(parts: Parts, states: Mapping[str, int], state: str) -> str:
    """All of it, in Markdown; see ``crash.proofs.Proof``."""
    from cluster.rig import LEASE

    faults, controls = parts["faults"], parts["controls"]
    return (
        f"{_INTRODUCTION.format(lease=LEASE)}{when_and_where(states, state)}\n\n"
        f"{_FAULTS}{_faults(faults)}\n{_CONTROLS}{_controls(controls)}\n## Recovery\n\n{_recovery(faults)}\n{_LIMITS}"
    )


def failures(parts: Parts) -> list[str]:
    """Why the proof failed; empty if it did not."""
    found = [f"{kind}: {number}" for kind, number in wrong(parts.get("faults", ())).items()]
    found += [f"{name}: nothing was run" for name, trials in parts.items() if not trials]
    for what, trials in by_what(parts.get("controls", ())).items():
        if not wrong(trials):
            found.append(f"{what}: nothing went wrong, so that the other counts prove nothing")
    return found


def _faults(trials: Sequence[Trial]) -> str:
    hurt = [trial for trial in trials if trial.is_fault]
    rows = [_row(what, some) for what, some in by_what(trials).items()]
    text = table(
        ["", "faults", "acknowledged", "of these released", "jobs", *_COLUMNS], [*rows, _row("**all**", trials)]
    )
    return (
        f"{text}\nAfter {shown(number_of_faults(hurt))} faults without a loss, the chance that one of them loses"
        f" something is, with 95 % confidence, {bound(hurt)} (the rule of three).\n\n"
        f"Of {shown(total(trials, 'unknown'))} instances the sender had no answer;"
        f" {shown(total(trials, 'found_unknown'))} of them were there, whole. Deliveries that came twice:"
        f" {shown(total(trials, 'repeated'))}, all among the {shown(total(trials, 'unknown_outcomes'))} whose outcome"
        f" could not be known. Attempts of jobs that were made because one before had failed:"
        f" {shown(total(trials, 'run_again'))}. Groups with instances that came to more than one gateway:"
        f" {shown(total(trials, 'spanning'))}. Gateways that ended by themselves, because they had been taken for dead,"
        f" and were started again: {shown(total(trials, 'revived'))}. Set aside for an operator:"
        f" {shown(sum(len(one.set_aside) for one in trials))}.\n"
    )


def _row(what: str, trials: Sequence[Trial]) -> list[str]:
    found = wrong(trials)
    promised = (total(trials, name) for name in ("acknowledged", "released", "jobs"))
    counted = (sum(found.get(kind, 0) for kind in kinds) for kinds in _COLUMNS.values())
    return [what, *map(shown, (number_of_faults(trials), *promised, *counted))]


def _controls(trials: Sequence[Trial]) -> str:
    rows = []
    for what, some in by_what(trials).items():
        found = ", ".join(f"{kind}: {shown(number)}" for kind, number in sorted(wrong(some).items()))
        rows.append([what.removeprefix("control: "), shown(len(some)), shown(total(some, "acknowledged")), found])
    return table(["", "faults", "acknowledged", "**wrong**"], rows)


def _recovery(trials: Sequence[Trial]) -> str:
    columns = {
        "taken over": [one.taken_over for one in trials if one.taken_over],
        "listening again": [one.listening for one in trials if one.listening],
        "all work done": [one.drained for one in trials if one.is_fault],
    }
    rows = [[name, shown(len(some)), *map(seconds, spread(some))] for name, some in columns.items() if some]
    return (
        table(["", "times", "median, s", "worst, s"], rows)
        + "\nTaken over: from the death of a gateway until nothing belonged to it any more, its lease included."
        " Listening again: from the start of the process, imports not included. All work done: after the senders had"
        " stopped, until nothing was left to do.\n"
    )
