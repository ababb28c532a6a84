"""A histogram of Prometheus that takes many observations at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from threading import Lock

from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from hilum.observe.durations import BOUNDS, Durations


class Spread(Collector):
    """A histogram that takes what threads have counted by themselves; its buckets are those of ``Durations``."""

    def __init__(self, name: str, documentation: str, labelnames: Sequence[str], registry: CollectorRegistry) -> None:
        self._new = partial(HistogramMetricFamily, name, documentation, labels=labelnames)
        self._sums: dict[tuple[str, ...], Durations] = {}
        self._guard = Lock()
        registry.register(self)

    def add(self, labels: tuple[str, ...], durations: Durations) -> None:
        """Count all of them."""
        with self._guard:
            self._sums.setdefault(labels, Durations()).add_all(durations)

    def describe(self) -> Iterable[Metric]:
        """As it is without any value."""
        return [self._new()]

    def collect(self) -> Iterable[Metric]:
        """As it is now."""
        family = self._new()
        for labels, total in list(self._sums.items()):
            numbers = total.cumulative()
            ends = [*map(_bound, BOUNDS), "+Inf"]
            family.add_metric(labels, list(zip(ends, map(float, numbers), strict=True)), sum_value=total.seconds)
        return [family]


def _bound(seconds: float) -> str:
    return str(float(seconds))
