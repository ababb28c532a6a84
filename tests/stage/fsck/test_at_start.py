"""What a start looks for, and that it costs nothing worth mentioning."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from types import FrameType

from structlog.testing import capture_logs

from hilum.fsck import Inspection
from hilum.job import payload
from hilum.ledger.database import Database
from hilum.ledger.tables import jobs
from stage.fsck.premises import Premises
from stage.ledger.clock import MovableClock


def test_folders_are_compared_rows_set_right_and_nothing_on_disk_is_touched(premises: Premises) -> None:
    shutil.rmtree(premises.folder(premises.ready))
    shutil.rmtree(premises.folder(premises.waiting))
    (premises.payloads / (payload._BUILDING + "x")).mkdir()
    shutil.copytree(premises.queued, premises.payloads / "scp-lung-copy")
    (premises.folder(premises.held) / "1.dcm").unlink()  # in a folder: not looked at
    files = premises.files()
    with capture_logs() as logs:
        found = premises.inspection.at_start(premises.clock())
    assert [(str(one.kind), one.repaired) for one in found] == [
        ("spool folder missing", False),
        ("spool folder gone", True),
        ("job folder unfinished", False),
        ("job folder unknown", False),
    ]
    assert premises.files() == files
    assert [line["event"] for line in logs] == ["fsck.finding"] * 4 + ["fsck.done"]
    assert logs[-1]["left"] == 3
    assert "spool folder gone" not in premises.at_start()


def test_each_start_tells_the_history_once(premises: Premises) -> None:
    shutil.rmtree(premises.folder(premises.waiting))
    for _ in range(3):
        premises.at_start()
    assert len(premises.desk.history(event="spool folder missing")) == 1


def test_payloads_that_are_not_mounted_are_one_finding_and_nothing_is_written_off(premises: Premises) -> None:
    premises.end_job()
    shutil.rmtree(premises.payloads)
    premises.payloads.mkdir()
    before = premises.desk.rows("jobs")
    assert premises.at_start() == ["root empty"]
    assert premises.desk.rows("jobs") == before


def test_it_looks_into_no_folder_that_a_job_has_and_asks_as_much_for_two_thousand_as_for_one(
    database: Database, clock: MovableClock, tmp_path: Path
) -> None:
    payloads = tmp_path / "payloads"
    payloads.mkdir()
    (tmp_path / "spool").mkdir()
    inspection = Inspection(database=database, spool=tmp_path / "spool", roots=(payloads,))

    def start() -> Counter[str]:
        with counted_calls() as calls:
            assert list(inspection.at_start(clock())) == []
        return calls

    start()  # statements are prepared once
    add_finished_jobs(database, payloads, range(1000), clock())
    one = start()
    add_finished_jobs(database, payloads, range(1000, 2000), clock())
    two = start()
    asked = ("scandir", "listdir", "stat", "lstat", "open", "execute")
    assert one["scandir"] > 0
    assert one["execute"] > 0
    assert {name: two[name] for name in asked} == {name: one[name] for name in asked}
    assert two.total() < 2.1 * one.total()


@contextmanager
def counted_calls() -> Iterator[Counter[str]]:
    """How often each function is called meanwhile by this thread, written in Python or in C, by its name."""
    calls: Counter[str] = Counter()

    def count(frame: FrameType, event: str, function: object) -> None:
        if event == "call":
            calls[frame.f_code.co_name] += 1
        elif event == "c_call":
            calls[getattr(function, "__name__", "")] += 1

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield calls
    finally:
        sys.setprofile(before)


def add_finished_jobs(database: Database, payloads: Path, numbers: Iterable[int], now: datetime) -> None:
    """Jobs that are over, each with its folder, which is still kept."""
    rows = []
    for number in numbers:
        folder = payloads / f"scp-lung-{number}"
        folder.mkdir()
        rows.append(
            {
                "id": f"{number:032x}",
                "name": folder.name,
                "state": "complete",
                "ae": "SCP",
                "workflow_name": "lung",
                "workflow": "w",
                "engine": "local",
                "destinations": [],
                "folder": str(folder),
                "instances": 1,
                "bytes": 1,
                "attempt": 1,
                "last_attempt": 1,
                "created_at": now,
                "not_before": now,
                "remove_at": now + timedelta(days=7),
            }
        )
    with database.write() as connection:
        connection.execute(jobs.insert(), rows)
