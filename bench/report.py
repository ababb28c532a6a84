"""The page and the data of a run; pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from bench.load import Figure, Result
from bench.target import Verdict

_METHOD = """\
Every contender is a process of its own on the loopback, on the same disk, with the same data in the page cache. Of a
load all contenders run in turns (A B C A B C ...), each from a fresh start in an empty folder, after one instance to
warm up and a `sync`. The time is that of the sending programs, from the start of the first to the end of the last, so
it includes the answer to the release, and the sender's start, which is the same for all receivers. After each run
every stored data set is compared with the one sent (SHA-256) and emptied; a run that lost or changed one gives no
figures at all. Names stay until the end: ext4 looks again and again at the inodes of files that were just removed, so
that removing thousands would be paid for by whoever runs next. A ratio is made of the medians of this one run.

* **Hilum** runs `hilum serve` with one AE title without a workflow, once for each `durability`: `instance` syncs each
  file and its name before it answers, `association` syncs all before it answers the release.
* **DCMTK** `storescp` syncs nothing. It runs with its default options and `TCP_NODELAY=1` in its environment, and
  with `--fork` for more than one association. "Fastest options" adds what measured fastest, `--bit-preserving` and
  `--max-pdu 131072`. `storescu` has `TCP_NODELAY=1` too, unless the row says that it keeps Nagle's algorithm on.
* **Orthanc** runs without plug-ins, with its default options and `TCP_NODELAY=1`. "Fastest options" adds
  `MaximumPduLength` 131072 and takes MD5 away. It syncs each file unless the row says otherwise. **pynetdicom** is its
  application `storescp` with `--max-pdu 0`.
* **As it comes** is a peer without `TCP_NODELAY=1`, as most people run it: DCMTK, and Orthanc, which is built on it,
  then wait 40 ms for the sender's delayed acknowledgement at each instance. No target is measured against them, except
  the one for senders that keep Nagle's algorithm on.
* **The limit** is a plain socket loop that takes the same bytes over loopback into the same files, with nothing
  parsed and nothing answered but the end: without sync, with everything synced before that answer (as `association`
  does), and with each file and its folder synced before the next is read (as `instance` does). What it reaches stands
  beside each ratio: more than that this machine does not give to a receiver that promises the same.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Everything that a page tells."""

    rounds: int
    scale: float
    machine: Mapping[str, str]
    versions: Mapping[str, str]
    verdicts: Sequence[Verdict]
    results: Sequence[Result]


def data(run: Run) -> str:
    """The run as JSON: every value of every round."""
    document = {
        "rounds": run.rounds,
        "scale": run.scale,
        "machine": dict(run.machine),
        "versions": dict(run.versions),
        "targets": [_target(one) for one in run.verdicts],
        "loads": [_load(one) for one in run.results],
    }
    return json.dumps(document, indent=2) + "\n"


def _target(verdict: Verdict) -> dict[str, object]:
    found = verdict.value
    return asdict(verdict.target) | {
        "unit": verdict.unit,
        "value": found,
        "the_limit_reaches": verdict.limit,
        "other_modes": dict(verdict.beside),
        "passed": None if found is None else verdict.passed,
    }


def _load(result: Result) -> dict[str, object]:
    figures = {
        name: {"median": one.median, "min": one.least, "max": one.most, "values": list(one.values)}
        for name, one in result.figures.items()
    }
    return {name: getattr(result, name) for name in ("name", "title", "unit", "bytes", "instances")} | {
        "figures": figures
    }


def page(run: Run) -> str:
    """The run as Markdown."""
    return "\n".join(_page(run)) + "\n"


def _page(run: Run) -> Iterator[str]:
    measured = [one for one in run.verdicts if one.value is not None]
    passed = sum(one.passed for one in measured)
    yield "# Results of the bench"
    yield ""
    yield f"Written by `make bench`: {run.rounds} rounds."
    yield f"{passed} of {len(measured)} targets are reached; {len(run.verdicts) - len(measured)} were not measured."
    if run.scale < 1:
        yield f"**A quick look at {run.scale:g} of each load: no figure of it may be held against its target.**"
    yield ""
    yield from bullets(run.machine)
    yield from bullets(run.versions)
    yield ""
    yield "## Targets"
    yield ""
    yield "| what | measured | target | | the plain loop reaches | the same against |"
    yield "|---|---:|---:|---|---:|---|"
    for one in run.verdicts:
        yield _row(one)
    yield ""
    yield "## Method"
    yield ""
    yield _METHOD
    for result in run.results:
        yield from _table(result)


def bullets(facts: Mapping[str, str]) -> Iterator[str]:
    """A line of a page about machine or versions."""
    yield "* " + ", ".join(f"{name}: {value}" for name, value in facts.items())


def _row(verdict: Verdict) -> str:
    target = verdict.target
    at = "at most" if target.theirs is None else "at least"
    unit = verdict.unit or "x"
    if verdict.value is None:
        return f"| {target.what} | not measured | {at} {target.threshold:g} | | | |"
    mark = "reached" if verdict.passed else "**missed**"
    limit = "" if verdict.limit is None else f"{_number(verdict.limit)} x"
    beside = ", ".join(f"{name}: {_number(value)} x" for name, value in verdict.beside.items())
    cells = [target.what, f"{_number(verdict.value)} {unit}", f"{at} {target.threshold:g} {unit}", mark, limit, beside]
    return f"| {' | '.join(cells)} |"


def _table(result: Result) -> Iterator[str]:
    yield f"## {result.title[0].upper()}{result.title[1:]}"
    yield ""
    if result.note:
        yield result.note
        yield ""
    limits = {name: one for name, one in result.figures.items() if name.startswith("limit")}
    rates = " MB/s | instances/s |" if result.bytes else ""
    shares = "".join(f" of {name} |" for name in limits)
    yield f"| {result.name} | median, {result.unit} | min | max |{rates}{shares}"
    yield "|---|" + "---:|" * (3 + (2 if result.bytes else 0) + len(limits))
    for name, figure in result.figures.items():
        yield _line(name, figure, result, limits)
    yield ""


def _line(name: str, figure: Figure, result: Result, limits: Mapping[str, Figure]) -> str:
    cells = [name, *(_number(value) for value in (figure.median, figure.least, figure.most))]
    if result.bytes:
        cells += [f"{result.bytes / figure.median / 1e6:.0f}", f"{result.instances / figure.median:.0f}"]
    cells += [f"{limit.median / figure.median:.2f}" for limit in limits.values()]
    return f"| {' | '.join(cells)} |"


def _number(value: float) -> str:
    """Three digits that mean something."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
