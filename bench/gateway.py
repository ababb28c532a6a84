"""Loads on the process itself: its memory, and how soon it is there."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from bench import dataset, process, receiver, sender, stored
from bench.load import Contender, Load
from bench.process import Command
from bench.settings import Settings, tool
from bench.transfer import HILUM, Transfer, Transfers

HELP: Final = "hilum --help"
SERVE: Final = "hilum serve until it accepts"
_ASSOCIATIONS: Final = 4


class Gateways:
    """Makes the loads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def loads(self) -> list[Callable[[], Load]]:
        """The loads that are wanted."""
        makers = {"memory": self._memory, "start": self._start}
        return [make for name, make in makers.items() if self._settings.wants(name)]

    def _memory(self) -> Load:
        shape = replace(dataset.HUGE, frames=self._settings.count(dataset.HUGE.frames))
        huge = dataset.make(self._settings.folder / "data", shape, 1)
        huge.warm()
        warm_up = Transfers(self._settings).warm_up
        transfers = {
            name: Transfer(receiver=start, sender=sender.storescu, series=[huge] * _ASSOCIATIONS, warm_up=warm_up)
            for name, start in HILUM.items()
        }
        return Load(
            name="memory",
            title="resident memory after 4 associations have received an object of 2 GB each, side by side",
            contenders=[Contender(name=name, run=partial(_peak, name, one)) for name, one in transfers.items()],
            unit="MiB",
            note="The most that the process ever held (VmHWM), its start included.",
            most_rounds=2,
        )

    def _start(self) -> Load:
        return Load(
            name="start",
            title="how soon it is there",
            contenders=[
                Contender(name=HELP, run=_help),
                Contender(name=SERVE, run=_serve),
            ],
            note="Of the whole process; `serve` on an empty folder, so it makes its ledger too.",
        )


def _peak(name: str, transfer: Transfer, folder: Path) -> Mapping[str, float]:
    with transfer.receiver(folder) as endpoint:
        transfer.seconds(endpoint, folder)
        peak = process.peak_memory(endpoint.pid)
        sent = [one for series in (transfer.warm_up, *transfer.series) for one in series.digests]
        stored.check(endpoint.stored(), sent)
    return {name: peak}


def _help(folder: Path) -> Mapping[str, float]:
    return {HELP: process.seconds_of([Command(arguments=[tool("hilum"), "--help"])], folder)}


def _serve(folder: Path) -> Mapping[str, float]:
    begin = time.perf_counter()
    with receiver.hilum("instance", settled=False)(folder):
        return {SERVE: time.perf_counter() - begin}
