from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from stage.job.planning import Planning
from stage.ledger.clock import MovableClock
from stage.ledger.reception_desk import Reception
from stage.serve.cluster import Member, Time


@pytest.fixture
def time(clock: MovableClock) -> Time:
    return Time(clock)


@pytest.fixture
def member(desk: Reception, time: Time) -> Callable[..., Member]:
    """Makes a gateway of the cluster."""
    return partial(Member, desk, time)


@pytest.fixture
def planning(desk: Reception, tmp_path: Path) -> Planning:
    return Planning(desk, tmp_path / "payloads")
