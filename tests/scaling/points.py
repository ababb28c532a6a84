"""What several gateways took on one machine, beside what the model says of them: bench/cluster.json."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.shares import Point, points

from scaling.ledger_work import FIRST, RELEASE, Cost
from scaling.statements import Asked

_MEASURED: Final = Path(__file__).parents[2] / "bench" / "cluster.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A point, and what the model expects of the database there.

    Attributes:
        busy: Part of all processors of the machine that those who took part had.
        transactions, syncs: For each association.
    """

    point: Point
    busy: float
    transactions: float
    syncs: float


def checked(by_phase: Mapping[str, Cost], idle_minute: Asked) -> Sequence[Checked]:
    """In the order of the measurement."""
    document = json.loads(_MEASURED.read_text(encoding="utf-8"))
    once = by_phase[FIRST].once + by_phase[RELEASE].once
    return [_checked(point, once, idle_minute, document["processors"]) for point in points(document)]


def _checked(point: Point, once: Asked, idle_minute: Asked, processors: int) -> Checked:
    # Gateways go on looking for work meanwhile.
    waiting = point.gateways * point.seconds / 60 / point.associations
    return Checked(
        point=point,
        busy=point.rates[1] * sum(point.processor.values()) / processors,
        transactions=once.transactions + waiting * idle_minute.transactions,
        syncs=once.writes,
    )
