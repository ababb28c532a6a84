"""What is known to lose must be seen to lose: a test that finds nothing there would find nothing anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from crash.controls import of_orthanc, of_storescp, with_relaxed_ledger, without_syncs
from crash.counts import Fault
from crash.disks import cannot_mount
from crash.trials import Trial

pytestmark = pytest.mark.sqlite


@pytest.mark.parametrize("control", [without_syncs, with_relaxed_ledger, of_storescp, of_orthanc])
def test_a_control_loses(control: Callable[[int], Iterator[Trial]]) -> None:
    if why := cannot_mount():
        pytest.skip(why)
    # A cut can come before anything was said, or just after somebody else on the machine had everything synced.
    assert any({Fault.NO_JOB.name, Fault.NOT_HELD.name} & trial.faults.keys() for trial in control(8))
