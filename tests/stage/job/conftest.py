from __future__ import annotations

from pathlib import Path

import pytest

from stage.job.engines import ToldEngine, Work
from stage.job.planning import Planning
from stage.ledger.reception_desk import Reception


@pytest.fixture
def planning(desk: Reception, tmp_path: Path) -> Planning:
    return Planning(desk, tmp_path / "payloads")


@pytest.fixture
def engine() -> ToldEngine:
    return ToldEngine()


@pytest.fixture
def work(planning: Planning, engine: ToldEngine) -> Work:
    """The steps, with one engine called ``local``."""
    return Work(planning, engines={"local": engine})
