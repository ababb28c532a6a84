"""What so many studies, or gateways, ask of database and storage: measured costs, multiplied."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hilum.config.settings import Ledger
from scaling.ledger_work import Cost
from scaling.statements import Asked

#: A year's studies come on so many days of so many hours, and in the busiest hour so many times the mean.
DAYS: Final = 250
HOURS: Final = 10
PEAK: Final = 3
#: Studies of a year for each study in a second of the busiest hour.
YEAR_OF_A_PEAK: Final = DAYS * HOURS * 3600 / PEAK
#: Instances of a study, and bytes of an instance.
INSTANCES: Final = 200
BYTES: Final = 520_000
#: The part of the rate of the bench that a gateway is asked for in the busiest hour.
ROOM: Final = 0.5
_RESULTS: Final = Path(__file__).parents[2] / "bench" / "results.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """In the busiest hour; rates are for a second.

    Attributes:
        connections: At most.
        transactions, statements, round_trips, syncs: Asked of the database for the whole way, delivered once, and by
            gateways that look for work.
    """

    gateways: int
    connections: int
    studies: float
    instances: float
    bytes: float
    transactions: float
    statements: float
    round_trips: float
    syncs: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What it is made of.

    Attributes:
        cost: Of the ledger, for an association on its whole way.
        idle_minute: What a gateway asks in a minute without work.
        rate: Instances a second that one gateway takes.
    """

    cost: Cost
    idle_minute: Asked
    rate: float

    def for_studies(self, studies_a_year: int) -> Need:
        """Two gateways at least, so that one can be restarted."""
        studies = studies_a_year / YEAR_OF_A_PEAK
        return self._need(max(2, math.ceil(studies * INSTANCES / self.rate / ROOM)), studies)

    def for_gateways(self, gateways: int) -> Need:
        """Each as busy as it is meant to be."""
        return self._need(gateways, gateways * self.rate * ROOM / INSTANCES)

    def _need(self, gateways: int, studies: float) -> Need:
        study = self.cost.once + self.cost.each.times(INSTANCES)
        idle = self.idle_minute.times(gateways)

        def asked(name: str) -> float:
            return float(studies * getattr(study, name) + getattr(idle, name) / 60)

        instances = studies * INSTANCES
        return Need(
            gateways=gateways,
            connections=gateways * (Ledger().connections + 1),  # and the one by which it is present
            studies=studies,
            instances=instances,
            bytes=instances * BYTES,
            transactions=asked("transactions"),
            statements=asked("statements"),
            round_trips=asked("round_trips"),
            syncs=asked("writes"),
        )


def measured_rate() -> float:
    """CT slices a second that one gateway took over four associations: see bench/results.md."""
    loads = json.loads(_RESULTS.read_text(encoding="utf-8"))["loads"]
    (load,) = (one for one in loads if one["name"] == "receive-ct-4")
    return float(load["instances"] / load["figures"]["Hilum, instance"]["median"])


def stored_a_day(studies_a_year: int) -> float:
    """Bytes."""
    return studies_a_year / DAYS * INSTANCES * BYTES
