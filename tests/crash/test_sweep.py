"""A fault at every so many-th system call of a life and of a start; the long form of this misses none of them."""

from __future__ import annotations

import random

import pytest

from crash import ledger_server
from crash.disks import cannot_mount
from crash.sweep import SWEEPS, Sweep, of_a_life, of_a_start

_STRIDE = {"kill": 22, "power cut": 28, "EIO once": 45, "EIO for a while": 60, "ENOSPC once": 45}


@pytest.mark.parametrize("sweep", SWEEPS, ids=lambda sweep: sweep.name)
def test_a_fault_in_any_step_of_a_life_loses_nothing(sweep: Sweep) -> None:
    if sweep.disk and (why := cannot_mount(sweep.disk)):
        pytest.skip(why)
    # A life makes fewer calls on the disk if the ledger is elsewhere.
    stride = _STRIDE[sweep.name] // (4 if ledger_server.is_used() else 1)
    # Another set of calls each time; a failure says which.
    trials = list(of_a_life(sweep, first=random.randint(1, stride), stride=stride))
    for trial in trials:
        trial.check()
    assert trials[-1].point is None, "it came to the end of a life"
    assert len({trial.point[0] for trial in trials if trial.point}) > 2, "it hit different steps"


def test_a_second_kill_during_a_start_loses_nothing() -> None:
    trials = list(of_a_start(SWEEPS[0], first=random.randint(1, 12), stride=12))
    for trial in trials:
        trial.check()
    assert "start" in {trial.point[0] for trial in trials if trial.point}
