from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from hilum.ledger import planning
from hilum.ledger.database import Database
from hilum.ledger.planning import NewJob
from hilum.model import JobId
from hilum.results.worker import CollectStep, ResultSettings
from stage.ledger.clock import MovableClock


@pytest.fixture
def finished(database: Database, clock: MovableClock, tmp_path: Path) -> Callable[..., Path]:
    """Makes finished jobs; gives the output folder."""

    def make(name: str = "job", *, engine: str = "local", destinations: tuple[str, ...] = ("PACS",)) -> Path:
        folder = tmp_path / "payloads" / name
        (folder / "output").mkdir(parents=True)
        (folder / "output" / "job.done").touch()
        job = NewJob(
            id=JobId(name),
            name=name,
            ae="SCP",
            workflow_name="lung",
            workflow="w",
            engine=engine,
            destinations=destinations,
            folder=folder,
            instances=0,
            bytes=0,
            tries=1,
        )
        with database.write() as connection:
            planning.adopted(connection, job, now=clock())
        return folder / "output"

    return make


@pytest.fixture
def step(database: Database) -> CollectStep:
    settings = ResultSettings(
        settle={"local": timedelta(), "folder": timedelta(seconds=5)},
        max_bytes=1_000_000,
        keep_failed=timedelta(days=30),
    )
    return CollectStep(database=database, owner="gateway", settings=lambda: settings)
