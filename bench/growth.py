"""How cost grows: with associations, with the size of an object, with the ledger. `make bench ARGS=growth`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from bench import asking, dataset, filling, receiver, sender, session
from bench.dataset import DataSet, Shape
from bench.ledger import CLAIM, JOBS, PAGE
from bench.load import Contender, Load
from bench.machine import machine, versions
from bench.plot import Plot, svg
from bench.settings import Settings
from bench.transfer import ASSOCIATION, HILUM, LIMIT_END, LIMITS, Transfer, Transfers, contender

_ASSOCIATIONS: Final = (1, 2, 4, 8, 16, 32, 64)
#: Slices of all associations together.
_SLICES: Final = 1024
#: Bytes of an object, and how many of them are sent.
_SIZES: Final = {
    1 << 10: 1000,
    1 << 13: 1000,
    1 << 16: 1000,
    1 << 19: 500,
    1 << 22: 64,
    1 << 25: 16,
    1 << 28: 2,
    1 << 30: 1,
}
_LEDGERS: Final = (0, 1_000, 10_000, 100_000, 1_000_000)
_DCMTK: Final = "DCMTK storescp --fork"


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One quantity of each contender at each point.

    Attributes:
        values: Medians by contender, then by point.
    """

    name: str
    title: str
    across: str
    up: str
    points: Mapping[int, str]
    values: Mapping[str, Mapping[int, float]]


class Growth:
    """Measures the curves."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder = settings.folder / "data"
        self._transfers = Transfers(settings)

    def run(self) -> None:
        """Measure what is wanted, write `growth.json` and a plot of each curve."""
        makers = {"associations": self._associations, "size": self._size, "ledger": self._ledger}
        curves = [curve for name, make in makers.items() if self._settings.wants(name) for curve in make()]
        pages = self._settings.pages
        pages.mkdir(parents=True, exist_ok=True)
        document = {
            "rounds": self._settings.rounds,
            "scale": self._settings.scale,
            "machine": dict(machine(self._settings.folder)),
            "versions": dict(versions()),
            "curves": [{"name": one.name, "title": one.title, "unit": one.up, "values": one.values} for one in curves],
        }
        (pages / "growth.json").write_text(json.dumps(document, indent=2) + "\n")
        for one in curves:
            (pages / f"growth-{one.name}.svg").write_text(svg(_plot(one)))

    def _associations(self) -> Sequence[Curve]:
        rates: dict[str, dict[int, float]] = {}
        for count in _ASSOCIATIONS:
            each = self._settings.count(_SLICES) // count or 1
            series = [dataset.make(self._folder, dataset.CT_SLICE, each, 1000 + part) for part in range(count)]
            self._rates(f"{count} associations", series, rates, count)
        return [
            Curve(
                name="associations",
                title="Receiving 1,024 CT slices over several associations",
                across="associations at once",
                up="MB/s",
                points={count: str(count) for count in _ASSOCIATIONS},
                values=rates,
            )
        ]

    def _size(self) -> Sequence[Curve]:
        rates: dict[str, dict[int, float]] = {}
        for size, count in _SIZES.items():
            series = [dataset.make(self._folder, _shape(size), self._settings.count(count), 2000)]
            self._rates(f"{_bytes(size)} each", series, rates, size)
        return [
            Curve(
                name="size",
                title="Receiving objects of one size on one association",
                across="size of an object",
                up="MB/s",
                points={size: _bytes(size) for size in _SIZES},
                values=rates,
            )
        ]

    def _rates(
        self,
        title: str,
        series: Sequence[DataSet],
        rates: dict[str, dict[int, float]],
        point: int,
    ) -> None:
        """Add one point of every contender, and remove its data."""
        for one in series:
            one.warm()
        receivers = {**HILUM, _DCMTK: receiver.storescp("--fork"), LIMIT_END: LIMITS[LIMIT_END]}
        make = partial(Transfer, sender=sender.storescu, series=series, warm_up=self._transfers.warm_up)
        load = Load(
            name=title,
            title=title,
            contenders=[contender(name, make(receiver=start)) for name, start in receivers.items()],
        )
        amount = sum(one.bytes for one in series) / 1e6
        for name, figure in session.run(self._settings, load).figures.items():
            rates.setdefault(name, {})[point] = amount / figure.median
        for one in series:
            shutil.rmtree(one.folder)

    def _ledger(self) -> Sequence[Curve]:
        series = self._transfers.series(dataset.SMALL, 2000)
        rates: dict[str, dict[int, float]] = {}
        answers: dict[str, dict[int, float]] = {}
        for size in _LEDGERS:
            count = self._settings.count(size, 0)
            jobs = count * JOBS // 1_000_000
            filled = filling.fill(self._folder, count, jobs)
            load = Load(
                name=f"ledger of {count}",
                title="",
                contenders=[
                    Contender(name=ASSOCIATION, run=partial(self._receive, filled, series)),
                    *([Contender(name=CLAIM, run=partial(_ask, filled))] if jobs >= asking.LEAST_JOBS else []),
                ],
            )
            figures = session.run(self._settings, load).figures
            point = max(size, 100)  # an axis of powers of ten has no zero
            rates.setdefault(ASSOCIATION, {})[point] = sum(one.count for one in series) / figures[ASSOCIATION].median
            for name in (CLAIM, PAGE):
                if name in figures:
                    answers.setdefault(name, {})[point] = figures[name].median
        points = {max(size, 100): f"{size:,}" for size in _LEDGERS}
        across = "instances in the ledger"
        return [
            Curve(
                name="ledger-rate",
                title="Receiving 2,000 small instances",
                across=across,
                up="instances/s",
                points=points,
                values=rates,
            ),
            Curve(name="ledger", title="Asking the ledger", across=across, up="ms", points=points, values=answers),
        ]

    def _receive(self, filled: filling.Filled, series: Sequence[DataSet], folder: Path) -> Mapping[str, float]:
        keys: Mapping[str, Any] = {"storage": {"payloads": str(filled.payloads)}}
        filled.copy_to(folder)
        start = receiver.hilum("association", keys)
        transfer = Transfer(receiver=start, sender=sender.storescu, series=series, warm_up=self._transfers.warm_up)
        return {ASSOCIATION: transfer(folder)}


def _ask(filled: filling.Filled, folder: Path) -> Mapping[str, float]:
    claims = asking.claims(filled, folder)
    (folder / "hilum.db").unlink()
    return {CLAIM: max(claims.values()), PAGE: max(asking.pages(filled, folder).values())}


def _shape(size: int) -> Shape:
    """An image, or several frames, of so many bytes."""
    frame = min(size, dataset.CT_SLICE.pixels)
    columns = min(512, frame // 32)
    plain = replace(dataset.CT_SLICE, name=f"size-{size}", columns=columns, rows=frame // columns // 2)
    frames = size // frame
    return plain if frames == 1 else replace(plain, sop_class=dataset.ENHANCED_CT, frames=frames)


def _bytes(size: int) -> str:
    """As in ``512 KB``."""
    for unit in ("B", "KB", "MB"):
        if size < 1024:
            return f"{size} {unit}"
        size //= 1024
    return f"{size} GB"


def _plot(curve: Curve) -> Plot:
    return Plot(
        title=curve.title,
        across=curve.across,
        up=curve.up,
        lines={name: sorted(line.items()) for name, line in curve.values.items()},
        ticks=list(curve.points.items()),
    )
