"""A ledger of its own for each test, and a clock that a test moves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.authority import Authority, new_authority
from harness.hook import Hook
from hilum.ledger.database import Database
from stage.ledger.clock import MovableClock
from stage.ledger.reception_desk import Reception


@pytest.fixture
def database(ledger_url: str) -> Iterator[Database]:
    """An empty ledger."""
    database = Database(ledger_url)
    yield database
    database.close()


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def desk(database: Database, clock: MovableClock, tmp_path: Path) -> Reception:
    """Takes associations into the ledger and the spool as the store does."""
    spool = tmp_path / "spool"
    spool.mkdir()
    return Reception(database, clock, spool)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Vouches for a server of localhost."""
    return new_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def hook() -> Iterator[Hook]:
    """An HTTP server that takes everything."""
    with Hook() as started:
        yield started
