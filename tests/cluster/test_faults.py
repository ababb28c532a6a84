"""Faults of several gateways at random moments; the long form of this is `make prove-cluster`."""

from __future__ import annotations

import pytest

from cluster.faults import trials
from crash.trials import total

#: Three gateways, a database server and a balancer share the machine with the tests beside them.
pytestmark = [pytest.mark.besieged, pytest.mark.timeout(600)]


def test_what_one_gateway_leaves_another_one_ends() -> None:
    found = list(trials(["SIGKILL, taken over", "SIGSTOP for more than a lease"]))
    for trial in found:
        trial.check()
    assert total(found, "released") > 0
    assert all(trial.taken_over for trial in found[1:2])


def test_restarts_go_unnoticed() -> None:
    found = list(trials(["restart one by one", "database crashed"]))
    for trial in found:
        trial.check()
    assert total(found, "released") > 0
    assert total(found, "spanning") > 0
