"""Loads on a ledger of a million instances."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from bench import asking, dataset, filling, receiver, sender
from bench.filling import Filled
from bench.load import Contender, Load
from bench.settings import Settings
from bench.transfer import Transfer, Transfers

EMPTY: Final = "Hilum, empty ledger"
FULL: Final = "Hilum, 1 million instances"
CLAIM: Final = "the slowest claim"
PAGE: Final = "the slowest view"
OVERVIEW: Final = "the overview of the dashboard"

INSTANCES: Final = 1_000_000
JOBS: Final = 20_000


class Ledgers:
    """Makes the loads on a large ledger, and the ledger."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def loads(self) -> list[Callable[[], Load]]:
        """The loads that are wanted."""
        makers = {"ledger-receive": self._receive, "ledger-ask": self._ask}
        return [make for name, make in makers.items() if self._settings.wants(name)]

    def _filled(self) -> Filled:
        count = self._settings.count
        return filling.fill(self._settings.folder / "data", count(INSTANCES, 20_000), count(JOBS, 400))

    def _receive(self) -> Load:
        transfers = Transfers(self._settings)
        series = transfers.series(dataset.SMALL, 2000)
        filled = self._filled()
        transfer = partial(Transfer, sender=sender.storescu, series=series, warm_up=transfers.warm_up)

        def full(folder: Path) -> Mapping[str, float]:
            keys: Mapping[str, Any] = {"storage": {"payloads": str(filled.payloads)}}
            filled.copy_to(folder)
            return {FULL: transfer(receiver=receiver.hilum("association", keys))(folder)}

        def empty(folder: Path) -> Mapping[str, float]:
            return {EMPTY: transfer(receiver=receiver.hilum("association"))(folder)}

        return Load(
            name="ledger-receive",
            title="receive 2,000 small instances, ledger empty and with 1 million instances and 20,000 jobs",
            contenders=[Contender(name=EMPTY, run=empty), Contender(name=FULL, run=full)],
            bytes=sum(one.bytes for one in series),
            instances=sum(one.count for one in series),
            note="Durability `association`. The gateway runs all its steps on that ledger meanwhile.",
        )

    def _ask(self) -> Load:
        filled = self._filled()

        def claims(folder: Path) -> Mapping[str, float]:
            found = asking.claims(filled, folder)
            return {CLAIM: max(found.values()), **found}

        def pages(folder: Path) -> Mapping[str, float]:
            found = asking.pages(filled, folder)
            return {PAGE: max(found.values()), **found}

        def overview(folder: Path) -> Mapping[str, float]:
            found = asking.dashboard(filled, folder)
            return {OVERVIEW: max(found.values()), **found}

        return Load(
            name="ledger-ask",
            title="ask a ledger of 1 million instances and 20,000 jobs",
            contenders=[
                Contender(name=CLAIM, run=claims),
                Contender(name=PAGE, run=pages),
                Contender(name=OVERVIEW, run=overview),
            ],
            unit="ms",
            note="A claim is that of a whole step, with work waiting: its transactions, what it syncs, and the "
            "question when something is due next. The views are all functions of `hilum.ledger.views`. "
            "The overview is loaded from a gateway that runs all its steps on that ledger. "
            "Each value is the median of nine.",
        )
