"""A ledger on a file of its own, and a clock that a test moves."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.authority import Authority, new_authority
from harness.hook import Hook
from hilum.ledger.database import Database
from stage.ledger.clock import MovableClock
from stage.ledger.reception_desk import Reception


@pytest.fixture(scope="session")
def migrated_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new ledger, made by the migrations once; tests get copies, which takes a tenth of the time."""
    path = tmp_path_factory.mktemp("ledger") / "new.db"
    database = Database(f"sqlite:///{path}")
    database.migrate()
    database.close()
    return path


@pytest.fixture
def database(tmp_path: Path, migrated_ledger: Path) -> Iterator[Database]:
    """An empty ledger."""
    shutil.copy(migrated_ledger, tmp_path / "hilum.db")
    database = Database(f"sqlite:///{tmp_path / 'hilum.db'}")
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
