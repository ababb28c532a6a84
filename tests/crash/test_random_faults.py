"""Kills and power cuts at random moments; the long form of this is `make prove`."""

from __future__ import annotations

from typing import Literal

import pytest

from crash.disks import cannot_mount
from crash.trials import at_random, cut, kill, total


def test_a_kill_at_any_moment_loses_nothing() -> None:
    trials = list(at_random(kill, "kill", 10))
    for trial in trials:
        trial.check()
    assert total(trials, "released") > 0


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_a_power_cut_at_any_moment_loses_nothing(kind: Literal["ext4", "xfs"]) -> None:
    if why := cannot_mount(kind):
        pytest.skip(why)
    trials = list(at_random(cut, f"cut {kind}", 7, kind=kind))
    for trial in trials:
        trial.check()
    assert total(trials, "released") > 0
