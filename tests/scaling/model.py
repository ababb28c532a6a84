"""What so many studies a year ask of gateways, database and storage: measured costs, multiplied."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from scaling.figures import Figures, Point
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
#: The part of a processor that a gateway may use for receiving in the busiest hour.
ROOM: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """In the busiest hour, if a rate; all rates are for a second.

    Attributes:
        gateways: Each with a processor of its own.
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


def predicted(figures: Figures, point: Point) -> float:
    """Instances a second if all parties shared the processors without waiting for anything else."""
    return figures.cores / point.needed


def need(studies_a_year: int, cost: Cost, receiving: Point) -> Need:
    """For so many studies a year.

    Args:
        cost: Of the ledger, for an association on its whole way.
        receiving: What an instance costs a gateway.
    """
    studies = studies_a_year / (DAYS * HOURS * 3600) * PEAK
    instances = studies * INSTANCES
    each = _of_a_study(cost)
    gateways = max(2, math.ceil(instances * receiving.processor["gateways"] / ROOM))
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
