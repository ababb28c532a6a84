"""The long form: runs every unit that was not run yet, then writes the page.

``python -m crash.prove PROOF LINES PAGE``: ``PROOF`` is a folder of tests that has a ``proofs.py``. What came of a unit
is one line of a file; a run that was interrupted goes on where it was. Lines of another state of Hilum are passed over,
unless ``PROVE_ALSO`` names it: then the page says so. A unit that could not be finished has no line. ``PROVE_WORKERS``
says how many run at a time, ``ONLY`` which parts; how much there is of each, the proofs say.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import logging
import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import structlog

import hilum
from crash.proofs import Proof
from crash.trials import Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What came of one unit of a part.

    Attributes:
        source: Digest of Hilum's code as it was run.
        error: Why it could not be finished; what it had found until then is kept.
    """

    part: str
    name: str
    source: str
    seconds: float
    trials: tuple[Trial, ...]
    error: str = ""

    def line(self) -> str:
        head = {"part": self.part, "name": self.name, "source": self.source, "seconds": round(self.seconds, 1)}
        return json.dumps(head | {"error": self.error, "trials": [one.fields() for one in self.trials]})

    @classmethod
    def of_line(cls, line: str) -> Self:
        fields: dict[str, Any] = json.loads(line)
        return cls(**fields | {"trials": tuple(map(Trial.of_fields, fields["trials"]))})


def main() -> None:
    name, lines, page = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    proof = _proof(name)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if why := proof.cannot_run():
        raise SystemExit(f"this {why}")
    parts = proof.parts()
    wanted = os.environ.get("ONLY", "").split() or list(parts)
    if unknown := set(wanted) - parts.keys():
        raise SystemExit(f"ONLY={' '.join(unknown)}: there are {', '.join(parts)}")
    lines.parent.mkdir(parents=True, exist_ok=True)
    source = _digest_of_hilum()
    sources = (source, *os.environ.get("PROVE_ALSO", "").split())
    unfinished = []
    with lines.open("a", encoding="utf-8") as file:
        file.write("\n")  # the last line of an interrupted run may have no end
        done = {(one.part, one.name) for one in _counted(lines, sources)}
        left = [(part, unit) for part in wanted for unit in parts[part].units if (part, unit) not in done]
        print(f"{len(left)} units to run; {len(done)} are done", flush=True)
        for unit in _run(name, left, source):
            if unit.error:
                unfinished.append(f"{unit.part}: {unit.name}: {unit.error}")
            else:
                file.write(f"{unit.line()}\n")
                file.flush()
    units = _counted(lines, sources)
    states = Counter(unit.source for unit in units)
    page.write_text(proof.page({part: _trials(units, part) for part in parts}, states, source), encoding="utf-8")
    print(f"wrote {page}")
    if failures := [*proof.failures({part: _trials(units, part) for part in wanted}), *unfinished]:
        raise SystemExit("\n".join(failures))


def _proof(name: str) -> Proof:
    proof: Proof = importlib.import_module(f"{name}.proofs").PROOF
    return proof


def _trials(units: Sequence[Unit], part: str) -> list[Trial]:
    return [trial for unit in units if unit.part == part for trial in unit.trials]


def _run(proof: str, left: Collection[tuple[str, str]], source: str) -> Iterator[Unit]:
    """Units by part and name, several at a time; each as it comes to its end."""
    workers = int(os.environ.get("PROVE_WORKERS") or os.cpu_count() or 1)
    begun = time.monotonic()
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        running: list[Future[Unit]] = [pool.submit(run_unit, proof, part, name, source) for part, name in left]
        try:
            for number, future in enumerate(as_completed(running), 1):
                unit = future.result()
                seconds = (time.monotonic() - begun) / number * (len(left) - number)
                _tell(unit, f"{number}/{len(left)}, {seconds / 60:.0f} min to go")
                yield unit
        finally:
            pool.shutdown(cancel_futures=True)


def run_unit(proof: str, part: str, name: str, source: str) -> Unit:
    """In a process of its own, which may run several."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that file systems are unmounted
    # What is done in an operator's place is logged as the gateway logs it.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    begun = time.monotonic()
    trials: list[Trial] = []
    error = ""
    try:
        for trial in _proof(proof).parts()[part].units[name]():
            trials.append(trial)  # noqa: PERF402  what came before an error is kept
    except Exception:  # noqa: BLE001  one that fails is told with the others
        error = traceback.format_exc()[-4000:]
    return Unit(
        part=part, name=name, source=source, seconds=time.monotonic() - begun, trials=tuple(trials), error=error
    )


def _tell(unit: Unit, progress: str) -> None:
    wrong = sum(len(which) for trial in unit.trials for which in trial.faults.values())
    each = unit.seconds / max(1, len(unit.trials))
    state = f"NOT FINISHED: {unit.error}" if unit.error else f"{wrong} wrong"
    print(f"[{progress}] {unit.part} {unit.name}: {len(unit.trials)} trials, {each:.2f} s each, {state}", flush=True)
    for trial in unit.trials:
        if trial.faults and unit.part != "controls":
            print(f"    {trial.what} at {trial.point}: {trial.faults}", flush=True)


def _counted(lines: Path, sources: Sequence[str]) -> list[Unit]:
    """The units that were finished with one of these states of Hilum; of a unit's lines the one of the first state."""
    found: dict[tuple[str, str], Unit] = {}
    if not lines.exists():
        return []
    for line in lines.read_text(encoding="utf-8").split("\n"):
        with suppress(json.JSONDecodeError):  # half of one, written when a run was interrupted
            unit = Unit.of_line(line)
            before = found.get((unit.part, unit.name))
            if unit.source in sources and not (before and sources.index(before.source) < sources.index(unit.source)):
                found[unit.part, unit.name] = unit
    return list(found.values())


def _digest_of_hilum() -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(hilum.__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


if __name__ == "__main__":
    main()
