"""What so many studies a year ask of gateways, database and storage: measured costs, multiplied."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scaling.ledger_work import Cost
from scaling.statements import Asked

#: A year's studies come on so many days of so many hours, and in the busiest hour so many times the mean.
DAYS: Final = 250
HOURS: Final = 10
PEAK: Final = 3
#: Instances of a study, and bytes of an instance.
INSTANCES: Final = 200
BYTES: Final = 520_000
#: Connections of a gateway at most: ``ledger.connections`` and the one by which it is present.
CONNECTIONS: Final = 25
#: The part of the rate of the bench that a gateway is asked for in the busiest hour.
ROOM: Final = 0.5
_RESULTS: Final = Path(__file__).parents[2] / "bench" / "results.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """In the busiest hour, if a rate; all rates are for a second.

    Attributes:
        transactions, statements, round_trips, syncs: Asked of the database for the whole way, delivered once.
        stored: Bytes of a day.
    """

    studies_a_year: int
    studies: float
    instances: float
    bytes: float
    gateways: int
    connections: int
    transactions: float
    statements: float
    round_trips: float
    syncs: float
    stored: float


def measured_rate() -> float:
    """CT slices a second that one gateway took over four associations: see bench/results.md."""
    loads = json.loads(_RESULTS.read_text(encoding="utf-8"))["loads"]
    (load,) = (one for one in loads if one["name"] == "receive-ct-4")
    return float(load["instances"] / load["figures"]["Hilum, instance"]["median"])


def need(studies_a_year: int, cost: Cost, rate: float) -> Need:
    """For so many studies a year.

    Args:
        cost: Of the ledger, for an association on its whole way.
        rate: Instances a second that one gateway takes.
    """
    studies = studies_a_year / (DAYS * HOURS * 3600) * PEAK
    instances = studies * INSTANCES
    each = _of_a_study(cost)
    gateways = max(2, math.ceil(instances / rate / ROOM))
    return Need(
        studies_a_year=studies_a_year,
        studies=studies,
        instances=instances,
        bytes=instances * BYTES,
        gateways=gateways,
        connections=gateways * CONNECTIONS,
        transactions=studies * (each.reads + each.notes + each.writes),
        statements=studies * each.statements,
        round_trips=studies * each.round_trips,
        syncs=studies * each.writes,
        stored=studies_a_year / DAYS * INSTANCES * BYTES,
    )


def _of_a_study(cost: Cost) -> Asked:
    whole = cost.once
    for _ in range(INSTANCES):
        whole += cost.each
    return whole
