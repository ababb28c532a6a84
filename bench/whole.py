"""Loads on a whole gateway: from a modality to the PACS, and how long each hand-over takes."""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench import dataset, process, receiver, sender, site, stored
from bench.dataset import DataSet
from bench.load import Contender, Load
from bench.process import FailedError
from bench.receiver import Endpoint, Receiver
from bench.settings import Settings
from bench.transfer import ORTHANC, ORTHANC_FAST, ORTHANC_PLAIN, Transfers

HILUM: Final = "Hilum"
WORKFLOW: Final = "A-RELEASE-RP to start of the workflow's process"
DELIVERY: Final = "job.done to first C-STORE at the PACS"

#: The workflow: its results are its inputs.
_COPY: Final = 'cp "$HILUM_INPUT"/* "$HILUM_OUTPUT"/'
_LUA: Final = "function OnStoredInstance(instance)\n  SendToModality(instance, 'pacs')\nend\n"
_PATIENCE: Final = 300.0


class WholeWay:
    """Makes the loads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._transfers = Transfers(settings)

    def loads(self) -> list[Callable[[], Load]]:
        """The loads that are wanted."""
        makers = {"whole-way": self._relay, "hand-over": self._hand_over}
        return [make for name, make in makers.items() if self._settings.wants(name)]

    def _relay(self) -> Load:
        (series,) = self._transfers.series(dataset.CT_SLICE, 500)
        relays: dict[str, Callable[[Endpoint, Path], Receiver]] = {
            HILUM: _hilum,
            ORTHANC: partial(_orthanc, receiver.orthanc),
            ORTHANC_FAST: partial(_orthanc, lambda keys: receiver.orthanc({**receiver.TUNED, **keys})),
            ORTHANC_PLAIN: partial(_orthanc, partial(receiver.orthanc, environment={})),
        }
        return Load(
            name="whole-way",
            title="500 CT slices from storescu's start to the last byte at the PACS",
            contenders=[
                Contender(name=name, run=partial(_relayed, name, start, series)) for name, start in relays.items()
            ],
            bytes=series.bytes,
            instances=series.count,
            note="Hilum: durability `instance`, a workflow that copies its inputs to its outputs, one destination. "
            "Orthanc: a Lua script with `SendToModality` for each instance. The PACS is DCMTK "
            "`storescp --fork` with its fastest options.",
        )

    def _hand_over(self) -> Load:
        series = dataset.make(self._settings.folder / "data", dataset.SMALL, self._settings.count(20, 5), part=50)
        single = [
            dataset.make(self._settings.folder / "data", dataset.SMALL, 1, part=100 + number)
            for number in range(series.count)
        ]
        return Load(
            name="hand-over",
            title="one small instance at a time through a whole gateway",
            contenders=[Contender(name=HILUM, run=partial(_handed_over, single))],
            unit="ms",
            note="Medians of a round's associations. The process's start is told by the process itself, so it "
            "includes the start of `sh` and `date`.",
        )


def _hilum(pacs: Endpoint, _folder: Path) -> Receiver:
    return receiver.hilum("instance", site.passing_through(["sh", "-c", _COPY], pacs.port, pacs.title))


def _orthanc(mode: Callable[[Mapping[str, Any]], Receiver], pacs: Endpoint, folder: Path) -> Receiver:
    script = folder / "route.lua"
    script.write_text(_LUA)
    destination = [pacs.title, "127.0.0.1", pacs.port]
    return mode({"LuaScripts": [str(script)], "DicomModalities": {"pacs": destination}})


@contextmanager
def _pacs(folder: Path) -> Iterator[tuple[Endpoint, Path]]:
    place = folder / "pacs"
    place.mkdir()
    with receiver.storescp("--fork", *receiver.FAST)(place) as endpoint:
        yield endpoint, place / "received"


def _relayed(
    name: str, relay: Callable[[Endpoint, Path], Receiver], series: DataSet, folder: Path
) -> Mapping[str, float]:
    with _pacs(folder) as (pacs, arrived), relay(pacs, folder)(folder) as endpoint:
        begin = time.time_ns()
        process.seconds_of([sender.storescu(endpoint, series.folder)], folder)
        last = _last_byte(arrived, series)
        stored.check(pacs.stored(), series.digests)
    return {name: (last - begin) / 1e9}


def _last_byte(arrived: Path, series: DataSet) -> int:
    """When the last byte was written, in nanoseconds since 1970; waits until everything is there."""
    least = series.bytes - series.count * 1000  # meta information differs between who writes it, by less than that
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        found = [entry.stat() for entry in os.scandir(arrived)]
        if len(found) == series.count and sum(one.st_size for one in found) >= least:
            time.sleep(0.2)  # whatever still writes shows in the digests
            return max(entry.stat().st_mtime_ns for entry in os.scandir(arrived))
        time.sleep(0.01)
    raise FailedError(f"{len(list(arrived.iterdir()))} of {series.count} instances came to the PACS")


def _handed_over(single: Sequence[DataSet], folder: Path) -> Mapping[str, float]:
    from bench.modality import Modality  # noqa: PLC0415  the only part that needs Hilum's own sender

    stamps = folder / "stamps"
    stamps.mkdir()
    command = f'd=${{HILUM_OUTPUT%/output}}; date +%s%N >{shlex.quote(str(stamps))}/"${{d##*/}}"; {_COPY}'
    with _pacs(folder) as (pacs, arrived):
        keys: Mapping[str, Any] = site.passing_through(["sh", "-c", command], pacs.port, pacs.title)
        with receiver.hilum("instance", keys)(folder) as endpoint:
            released: dict[str, int] = {}
            for number, one in enumerate(single):
                modality = Modality(endpoint)
                uid, moment = modality.send(one.paths()[0])
                released[uid] = moment
                _wait_for(arrived, number + 1)
                time.sleep(0.05 + 0.013 * (number % 7))  # or every association would meet the same beat of a timer
            stored.check(pacs.stored(), [digest for one in single for digest in one.digests])
            return _intervals(folder, stamps, arrived, released)


def _wait_for(arrived: Path, count: int) -> None:
    until = time.monotonic() + _PATIENCE
    while len(os.listdir(arrived)) < count:  # noqa: PTH208
        if time.monotonic() > until:
            raise FailedError("a result did not come to the PACS")
        time.sleep(0.005)


def _intervals(folder: Path, stamps: Path, arrived: Path, released: Mapping[str, int]) -> Mapping[str, float]:
    came = {path.name.split(".", 1)[1]: path.stat().st_mtime_ns for path in arrived.iterdir()}
    to_process, to_pacs = [], []
    for job in (folder / "payloads").iterdir():
        (given,) = (job / "input").iterdir()
        done = (job / "output" / "job.done").stat().st_mtime_ns
        to_process.append(int((stamps / job.name).read_text()) - released[given.stem])
        to_pacs.append(came[given.stem] - done)
    if len(to_process) != len(released):
        raise FailedError(json.dumps({"jobs": len(to_process), "associations": len(released)}))
    return {WORKFLOW: median(to_process) / 1e6, DELIVERY: median(to_pacs) / 1e6}
