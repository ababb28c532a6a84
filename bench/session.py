"""All contenders of a load, in turns: what disturbs the machine for a while disturbs all of them."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from bench.load import Load, Result, Run
from bench.settings import Settings


def run(settings: Settings, load: Load) -> Result:
    """Run a load; what came of it."""
    begin = time.monotonic()
    rounds = []
    count = min(settings.rounds, load.most_rounds)
    for number in range(1, count + 1):
        values: dict[str, float] = {}
        for contender in load.contenders:
            values |= in_empty_folder(settings.folder / "run", contender.run)
        _say(f"{load.name} {number}/{count}  {_line(values)}")
        rounds.append(values)
    _say(f"{load.name} took {time.monotonic() - begin:.0f} s")
    return Result.of(load, rounds)


def in_empty_folder(folder: Path, work: Run) -> Mapping[str, float]:
    """Run a contender on nothing, with nothing waiting to be written, and leave nothing."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.sync()  # the disk must not be busy with what the contender before has left
    try:
        return work(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _line(values: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.3g}" for name, value in values.items())


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
