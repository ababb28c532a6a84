"""A ledger that is counted."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hilum.ledger.database import Database
from hilum.observe.metrics import Metrics
from hilum.observe.names import Names


@pytest.fixture
def metrics() -> Metrics:
    made = Metrics()
    made.know(
        Names(
            called=frozenset({"SCP"}),
            calling=frozenset({"SCANNER"}),
            destinations=frozenset({"PACS"}),
            workflows=frozenset({"lung"}),
            engines=frozenset({"local"}),
        )
    )
    return made


@pytest.fixture
def database(tmp_path: Path, migrated_ledger: Path, metrics: Metrics) -> Iterator[Database]:
    shutil.copy(migrated_ledger, tmp_path / "hilum.db")
    database = Database(f"sqlite:///{tmp_path / 'hilum.db'}", meter=metrics)
    yield database
    database.close()
