"""Loads that move instances from a sender to a receiver."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from bench import dataset, process, receiver, sender, stored
from bench.dataset import DataSet, Shape
from bench.load import Contender, Load
from bench.receiver import Endpoint, Receiver
from bench.sender import Sender
from bench.settings import Settings

INSTANCE: Final = "Hilum, instance"
ASSOCIATION: Final = "Hilum, association"
DCMTK: Final = "DCMTK storescp"
DCMTK_FAST: Final = "DCMTK storescp, fastest options"
DCMTK_PLAIN: Final = "DCMTK storescp as it comes"
ORTHANC: Final = "Orthanc"
ORTHANC_FAST: Final = "Orthanc, fastest options"
ORTHANC_UNSYNCED: Final = "Orthanc, fastest options, syncing nothing"
ORTHANC_PLAIN: Final = "Orthanc as it comes"
PYNETDICOM: Final = "pynetdicom storescp"
LIMIT: Final = "limit, syncing nothing"
LIMIT_END: Final = "limit, synced at the end"
LIMIT_EACH: Final = "limit, each file synced"
LIMIT_DROP: Final = "limit, writing nothing"
HILUM_SEND: Final = "Hilum send"
STORESCU: Final = "DCMTK storescu"
STORESCU_PLAIN: Final = "DCMTK storescu as it comes"

HILUM: Final = {INSTANCE: receiver.hilum("instance"), ASSOCIATION: receiver.hilum("association")}
LIMITS: Final = {
    LIMIT: receiver.plain_loop("none"),
    LIMIT_END: receiver.plain_loop("end"),
    LIMIT_EACH: receiver.plain_loop("each"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """One run: a receiver, a sender, and a series for each association.

    Attributes:
        warm_up: One instance that the receiver gets before, so that nobody's first one counts.
        kept: Whether the receiver stores what it gets.
    """

    receiver: Receiver
    sender: Sender
    series: Sequence[DataSet]
    warm_up: DataSet
    kept: bool = True

    def __call__(self, folder: Path) -> float:
        """Seconds from the sender's start to its end; what was stored is checked."""
        with self.receiver(folder) as endpoint:
            seconds = self.seconds(endpoint, folder)
            if self.kept:
                sent = [one for series in (self.warm_up, *self.series) for one in series.digests]
                stored.check(endpoint.stored(), sent)
        return seconds

    def seconds(self, endpoint: Endpoint, folder: Path) -> float:
        """As for a call, with nothing checked."""
        process.seconds_of([sender.storescu(endpoint, self.warm_up.folder)], folder)
        os.sync()
        return process.seconds_of([self.sender(endpoint, one.folder) for one in self.series], folder)


def contender(name: str, transfer: Transfer) -> Contender:
    """A transfer as a contender of this name."""
    return Contender(name=name, run=lambda folder: {name: transfer(folder)})


class Transfers:
    """Makes the loads of receiving and sending, and their data."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._data = settings.folder / "data"

    @property
    def warm_up(self) -> DataSet:
        """A single small instance of its own."""
        return dataset.make(self._data, dataset.SMALL, 1, part=99)

    def series(self, shape: Shape, count: int, associations: int = 1) -> list[DataSet]:
        """A series for each association, read once."""
        made = [dataset.make(self._data, shape, self._settings.count(count), part) for part in range(associations)]
        for one in made:
            one.warm()
        return made

    def loads(self) -> list[Callable[[], Load]]:
        """The loads that are wanted; each makes its data when it is called."""
        nagle = {
            **HILUM,
            DCMTK_PLAIN: receiver.storescp(environment={}),
            DCMTK: receiver.storescp(),
            LIMIT: LIMITS[LIMIT],
        }
        one = {**HILUM, DCMTK: receiver.storescp(), DCMTK_FAST: receiver.storescp(*receiver.FAST), **LIMITS}
        forked = {
            **HILUM,
            DCMTK: receiver.storescp("--fork"),
            DCMTK_FAST: receiver.storescp("--fork", *receiver.FAST),
            **LIMITS,
        }
        everybody = {
            **one,
            ORTHANC: receiver.orthanc(),
            ORTHANC_FAST: receiver.orthanc(receiver.TUNED),
            ORTHANC_UNSYNCED: receiver.orthanc({**receiver.TUNED, "SyncStorageArea": False}),
            ORTHANC_PLAIN: receiver.orthanc(environment={}),
            PYNETDICOM: receiver.pynetdicom(),
        }
        receive = partial(partial, self._receive)
        all_loads: dict[str, Callable[[], Load]] = {
            "receive-ct-1": receive("500 CT slices on one association", everybody, dataset.CT_SLICE, 500),
            "receive-small-1": receive("2,000 small instances on one association", one, dataset.SMALL, 2000),
            "receive-multi-1": receive("4 objects of 200 MB on one association", one, dataset.MULTI_FRAME, 4),
            "receive-ct-4": receive(
                "500 CT slices on each of 4 associations", forked, dataset.CT_SLICE, 500, associations=4
            ),
            "receive-ct-16": receive(
                "125 CT slices on each of 16 associations", forked, dataset.CT_SLICE, 125, associations=16
            ),
            "receive-ct-nagle": receive(
                "500 CT slices from a sender that keeps Nagle's algorithm on",
                nagle,
                dataset.CT_SLICE,
                500,
                by=sender.storescu_as_it_comes,
                note="`as it comes`: without `TCP_NODELAY=1` in its own environment, as most of its users start it.",
            ),
            "receive-ct-from-hilum": receive(
                "500 CT slices on one association, sent by `hilum send`",
                one,
                dataset.CT_SLICE,
                500,
                by=sender.hilum_send,
            ),
            "send-ct": partial(self._send, "send 500 CT slices to `storescp --ignore`", dataset.CT_SLICE, 500),
            "send-small": partial(self._send, "send 2,000 small to `storescp --ignore`", dataset.SMALL, 2000),
        }
        return [partial(make, name) for name, make in all_loads.items() if self._settings.wants(name)]

    def _receive(
        self,
        title: str,
        receivers: dict[str, Receiver],
        shape: Shape,
        count: int,
        name: str,
        *,
        by: Sender = sender.storescu,
        associations: int = 1,
        note: str = "",
    ) -> Load:
        series = self.series(shape, count, associations)
        transfers = {
            receiver_name: Transfer(receiver=start, sender=by, series=series, warm_up=self.warm_up)
            for receiver_name, start in receivers.items()
        }
        return self._load(name, f"receive {title}", transfers, series, note)

    def _send(self, title: str, shape: Shape, count: int, name: str) -> Load:
        series = self.series(shape, count)
        ignoring = receiver.storescp("--ignore")
        pairs: dict[str, tuple[Receiver, Sender]] = {
            HILUM_SEND: (ignoring, sender.hilum_send),
            STORESCU: (ignoring, sender.storescu),
            LIMIT_DROP: (receiver.plain_loop("drop"), sender.plain),
        }
        if shape is dataset.CT_SLICE:  # 2,000 delayed acknowledgements would take a minute and a half each time
            pairs[STORESCU_PLAIN] = (ignoring, sender.storescu_as_it_comes)
        transfers = {
            sender_name: Transfer(receiver=start, sender=by, series=series, warm_up=self.warm_up, kept=False)
            for sender_name, (start, by) in pairs.items()
        }
        note = "Seconds of the whole program, its start included. The receiver keeps nothing, so nothing is checked."
        return self._load(name, title, transfers, series, note)

    def _load(
        self, name: str, title: str, transfers: dict[str, Transfer], series: Sequence[DataSet], note: str
    ) -> Load:
        return Load(
            name=name,
            title=title,
            contenders=[contender(key, transfer) for key, transfer in transfers.items()],
            bytes=sum(one.bytes for one in series),
            instances=sum(one.count for one in series),
            note=note,
        )
