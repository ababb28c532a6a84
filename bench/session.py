"""All contenders of a load, in turns: what disturbs the machine for a while disturbs all of them."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from bench.load import Load, Result, Run
from bench.settings import Settings


def run(settings: Settings, load: Load) -> Result:
    """Run a load; what came of it. It is kept, for a run that has to take up where this one broke off.

    With ``settings.resume`` what was kept is taken, if there is any, and nothing is run.
    """
    kept = settings.folder / "loads" / f"{load.name}.json"
    if settings.resume and kept.exists():
        return Result.of(load, json.loads(kept.read_text())["rounds"])
    result, rounds = _measure(settings, load)
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps({"rounds": rounds}, indent=1))
    return result


def _measure(settings: Settings, load: Load) -> tuple[Result, list[Mapping[str, float]]]:
    begin = time.monotonic()
    rounds: list[Mapping[str, float]] = []
    count = min(settings.rounds, load.most_rounds)
    for number in range(1, count + 1):
        values: dict[str, float] = {}
        for contender in load.contenders:
            values |= in_empty_folder(settings.runs, contender.run)
        _say(f"{load.name} {number}/{count}  {_line(values)}")
        rounds.append(values)
    _say(f"{load.name} took {time.monotonic() - begin:.0f} s")
    return Result.of(load, rounds), rounds


def in_empty_folder(folder: Path, work: Run) -> Mapping[str, float]:
    """Run a contender in a new folder, with nothing waiting to be written, and leave only names of empty files.

    Names stay until ``clear``: ext4 does not give the inode of a removed file to a new one for some minutes, and looks
    at each such inode again whenever a file is made. Whoever comes after a contender that left thousands would pay.
    """
    place = Path(tempfile.mkdtemp(prefix="run-", dir=_made(folder)))
    os.sync()  # the disk must not be busy with what the contender before has left
    try:
        return work(place)
    finally:
        for above, _, names in os.walk(place):
            for name in names:
                with suppress(OSError):  # a link without an end, a file of somebody else: it stays as it is
                    os.truncate(Path(above, name), 0)


def clear(folder: Path) -> None:
    """Remove what runs left in it."""
    shutil.rmtree(folder, ignore_errors=True)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _line(values: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.3g}" for name, value in values.items())


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
