"""What is known to go wrong must be seen: a test that finds nothing there would find nothing anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from cluster.controls import CONTROLS
from crash.trials import Trial

#: Three gateways, a database server and a balancer share the machine with the tests beside them.
pytestmark = [pytest.mark.besieged, pytest.mark.timeout(600)]


@pytest.mark.parametrize("name", CONTROLS)
def test_a_control_goes_wrong(name: str) -> None:
    control: Callable[[int], Iterator[Trial]] = CONTROLS[name]
    assert any(trial.faults for trial in control(2))
