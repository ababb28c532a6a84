"""What `make bench ARGS=cluster` has measured, and what follows from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final, Self

#: Parties whose processor time was taken, in the order of a table.
PARTIES: Final = ("senders", "balancer", "gateways", "database")
#: What a server counted.
COUNTED: Final = ("transactions", "syncs", "log bytes")
_FILE: Final = Path(__file__).parents[2] / "bench" / "cluster.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One setup with one size of instances, as the medians of its rounds.

    Attributes:
        rate: Instances a second.
        spread: From the slowest to the fastest round, as parts of the median.
        processor: Seconds of processor time for each instance, by party.
        counted: What the database server did for each association, by the names of ``COUNTED``.
    """

    ledger: str
    gateways: int
    durability: str
    shape: str
    rate: float
    spread: tuple[float, float]
    processor: Mapping[str, float]
    counted: Mapping[str, float]

    @property
    def needed(self) -> float:
        """Seconds of processor time for each instance, of all parties together."""
        return sum(self.processor.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """All of them, and what they were measured on.

    Attributes:
        bytes: Of one instance, by shape.
        connections: That each gateway had, the most that was seen.
    """

    machine: Mapping[str, str]
    versions: Mapping[str, str]
    rounds: int
    associations: int
    instances: Mapping[str, int]
    bytes: Mapping[str, float]
    cores: int
    connections: float
    points: tuple[Point, ...]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """From the document of a run."""
        found = document["figures"]
        instances, associations = document["instances"], document["associations"]
        points, connections = [], [0.0]
        for name in found:
            setup, _, what = name.rpartition(" ")
            if what != "seconds":
                continue
            ledger, gateways, durability, shape = setup.split(" ")
            seconds = found[name]
            count = instances[shape]
            points.append(
                Point(
                    ledger=ledger,
                    gateways=int(gateways),
                    durability=durability,
                    shape=shape,
                    rate=count / median(seconds),
                    spread=(median(seconds) / max(seconds), median(seconds) / min(seconds)),
                    processor={
                        party: median(found[f"{setup} {party}"]) / count
                        for party in PARTIES
                        if f"{setup} {party}" in found
                    },
                    counted={
                        one: median(found[f"{setup} {one}"]) / associations
                        for one in COUNTED
                        if f"{setup} {one}" in found
                    },
                )
            )
            connections.append(max(found.get(f"{setup} connected", [0.0])) / int(gateways))
        return cls(
            machine=document["machine"],
            versions=document["versions"],
            rounds=document["rounds"],
            associations=associations,
            instances=instances,
            bytes={shape: document["bytes"][shape] / count for shape, count in instances.items()},
            cores=int(document["machine"]["processor"].rpartition(", ")[2].split()[0]),
            connections=max(connections),
            points=tuple(points),
        )

    @classmethod
    def read(cls) -> Self:
        """As they are in the repository."""
        return cls.of(json.loads(_FILE.read_text(encoding="utf-8")))

    def point(self, ledger: str, gateways: int, durability: str, shape: str) -> Point:
        """One of them."""
        wanted = (ledger, gateways, durability, shape)
        (found,) = (one for one in self.points if (one.ledger, one.gateways, one.durability, one.shape) == wanted)
        return found
