"""Tests of the test: Hilum without what keeps gateways apart, hurt and counted in the same way. It has to go wrong.

What is taken out is taken out of the process of the gateway, by ``fence`` below; the product has no switch for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from cluster.faults import trials
from crash.trials import Trial

_LATE: Final = "SIGSTOP for more than a lease"


def without_leases(number: int) -> Iterator[Trial]:
    """Each gateway takes work for its own that another one has just claimed."""
    return _of("control: leases ignored", number, "leases")


def without_fences(number: int) -> Iterator[Trial]:
    """A gateway that was taken for dead records what it did, and ends associations that others have held."""
    return _of("control: fences ignored", number, "fences")


CONTROLS: Final[Mapping[str, Callable[[int], Iterator[Trial]]]] = {
    "without_leases": without_leases,
    "without_fences": without_fences,
}


def _of(what: str, number: int, missing: str) -> Iterator[Trial]:
    environment = {"CRASH_WITHOUT": missing}
    for trial in trials([_LATE] * number, is_control=True, environment=environment, seconds=0.5):
        yield Trial.of_fields(trial.fields() | {"what": what})
