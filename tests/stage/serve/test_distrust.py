"""What the last gateway leaves when its ledger cannot be trusted, and what the next one tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from hilum.ledger.database import Database
from hilum.serve import distrust
from stage.ledger.clock import MovableClock
from stage.ledger.reception_desk import Reception


@pytest.mark.sqlite
def test_the_next_start_tells_it_once(desk: Reception, database: Database, clock: MovableClock) -> None:
    distrust.leave(database.path, "the disk failed to sync the ledger")
    for _ in range(2):
        distrust.tell(database, "gateway", clock())
    [line] = desk.history(event="distrusted")
    assert line.why == "the gateway before this one ended: the disk failed to sync the ledger"
    assert "hilum fsck" in line.remedy
    assert sorted(path.name for path in database.path.parent.glob("*.distrusted")) == []


def test_a_disk_that_takes_no_file_does_not_matter(tmp_path: Path) -> None:
    distrust.leave(tmp_path / "not" / "there" / "hilum.db", "why")


def test_whoever_ended_well_left_nothing(desk: Reception, database: Database, clock: MovableClock) -> None:
    distrust.tell(database, "gateway", clock())
    assert desk.history(event="distrusted") == []
