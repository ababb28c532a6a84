"""Tests of the test: Hilum without what keeps gateways apart, at work and counted in the same way. It has to go wrong.

What is taken out is taken out in the process of the gateway, by ``without``; the product has no switch for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from cluster.faults import trials
from crash.trials import Trial

#: No gateway is hurt by it, so that none of them has an excuse.
_HARMLESS: Final = "balancer reloaded"


def without_leases(number: int) -> Iterator[Trial]:
    """Each gateway takes work for its own that another one has just claimed."""
    return _of("control: leases ignored", number, "leases")


def with_all_taken_for_dead(number: int) -> Iterator[Trial]:
    """Each gateway takes over from all others although they live, and they go on."""
    return _of("control: the living taken for dead", number, "life")


CONTROLS: Final[Mapping[str, Callable[[int], Iterator[Trial]]]] = {
    "without_leases": without_leases,
    "with_all_taken_for_dead": with_all_taken_for_dead,
}


def _of(what: str, number: int, missing: str) -> Iterator[Trial]:
    for trial in trials([_HARMLESS] * number, is_control=True, environment={"CRASH_WITHOUT": missing}):
        yield Trial.of_fields(trial.fields() | {"what": what})
