"""What `make bench ARGS=cluster` has measured, as a page: how fast several gateways are, and who needs the machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final, Self

from bench.report import bullets

#: Parties whose processor time was taken, in the order of a table.
PARTIES: Final = ("senders", "balancer", "gateways", "database")
#: What a server counted.
COUNTED: Final = ("transactions", "syncs", "log bytes")
_TITLES: Final = {"small": "9 KB", "ct": "512 KB"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One setup with one size of instances, as the medians of its rounds.

    Attributes:
        setup: Ledger with durability, number of gateways, size of instances, as a table says them.
        seconds: Of the median round.
        rates: Instances a second: of the slowest round, the median and the fastest.
        processor: Seconds of processor time for each instance, by party.
        counted: What the database server did for each association, by the names of ``COUNTED``.
        connected: Connections that it had then, the most that was seen.
    """

    setup: tuple[str, str, str]
    gateways: int
    associations: int
    seconds: float
    megabytes: float
    rates: tuple[float, float, float]
    processor: Mapping[str, float]
    counted: Mapping[str, float]
    connected: float

    @classmethod
    def of(cls, document: Mapping[str, Any], name: str, shape: str) -> Self:
        """From the document of a run."""
        figures = document["figures"]
        count, associations = document["instances"][shape], document["associations"]
        seconds = figures[f"{name} {shape} seconds"]
        ledger, gateways, durability = name.split(" ")

        def each(names: Sequence[str], number: int) -> Mapping[str, float]:
            found = {one: figures.get(f"{name} {shape} {one}") for one in names}
            return {one: median(values) / number for one, values in found.items() if values is not None}

        return cls(
            setup=(f"{ledger}, {durability}", gateways, _TITLES[shape]),
            gateways=int(gateways),
            associations=associations,
            seconds=median(seconds),
            megabytes=document["bytes"][shape] / 1e6 / median(seconds),
            rates=(count / max(seconds), count / median(seconds), count / min(seconds)),
            processor=each(PARTIES, count),
            counted=each(COUNTED, associations),
            connected=max(figures.get(f"{name} {shape} connected", [0.0])),
        )


def points(document: Mapping[str, Any]) -> Sequence[Point]:
    """Every setup with every size, in the order of the measurement."""
    names = dict.fromkeys(" ".join(name.split(" ")[:3]) for name in document["figures"])
    return [Point.of(document, name, shape) for name in names for shape in document["instances"]]


def page(document: Mapping[str, Any]) -> str:
    """The whole page."""
    found = points(document)
    facts = "\n".join([*bullets(document["machine"]), *bullets(document["versions"])])
    sent = " and ".join(f"{count} instances of {_TITLES[shape]}" for shape, count in document["instances"].items())
    return f"""\
# What several gateways take on one machine

Written by `make bench ARGS=cluster`.

{facts}

{document["rounds"]} rounds, medians, scale {document["scale"]:g}. {document["associations"]} associations side by side
send {sent} to HAProxy, which hands them to the gateways in turns.
Gateways, HAProxy, the database and the senders share the machine, so this shows what an instance costs whom, not what
several machines would take.

{table(_rates(found))}
Milliseconds of processor time for each instance:

{table(_processors(found))}
What the server of the database did for each association, and the connections that it had:

{table(_database(found))}"""


def table(rows: Iterator[Sequence[str]]) -> str:
    """In Markdown, the first row as its head; numbers are in all columns but the first."""
    head, *body = rows
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _rates(points: Sequence[Point]) -> Iterator[Sequence[str]]:
    yield "", "gateways", "instances of", "instances/s", "slowest round", "fastest round", "MB/s"
    for point in points:
        slow, middle, fast = (f"{rate:,.0f}" for rate in point.rates)
        yield (*point.setup, middle, slow, fast, f"{point.megabytes:.0f}")


def _processors(points: Sequence[Point]) -> Iterator[Sequence[str]]:
    yield "", "gateways", "instances of", *PARTIES, "together"
    for point in points:
        each = (f"{1000 * point.processor[party]:.2f}" if party in point.processor else "" for party in PARTIES)
        yield (*point.setup, *each, f"{1000 * sum(point.processor.values()):.2f}")


def _database(points: Sequence[Point]) -> Iterator[Sequence[str]]:
    yield "", "gateways", "instances of", *COUNTED, "connections"
    for point in points:
        if point.counted:
            yield (*point.setup, *(f"{point.counted[one]:,.0f}" for one in COUNTED), f"{point.connected:.0f}")
