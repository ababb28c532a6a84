"""A ledger that is counted."""

from __future__ import annotations

from collections.abc import Iterator

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
def database(ledger_url: str, metrics: Metrics) -> Iterator[Database]:
    database = Database(ledger_url, meter=metrics)
    yield database
    database.close()
