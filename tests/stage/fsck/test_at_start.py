"""What a start looks for, and that it costs nothing worth mentioning."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from time import process_time

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


def test_twenty_thousand_job_folders_are_compared_in_a_moment(
    database: Database, clock: MovableClock, tmp_path: Path
) -> None:
    payloads, count = tmp_path / "payloads", 20_000
    payloads.mkdir()
    rows = []
    for number in range(count):
        (payloads / f"scp-lung-{number}").mkdir()
        rows.append(
            {
                "id": f"{number:032x}",
                "name": f"scp-lung-{number}",
                "state": "complete",
                "ae": "SCP",
                "workflow_name": "lung",
                "workflow": "w",
                "engine": "local",
                "destinations": [],
                "folder": str(payloads / f"scp-lung-{number}"),
                "instances": 1,
                "bytes": 1,
                "attempt": 1,
                "last_attempt": 1,
                "created_at": clock(),
                "not_before": clock(),
                "remove_at": clock() + timedelta(days=7),
            }
        )
    with database.write() as connection:
        connection.execute(jobs.insert(), rows)
    (tmp_path / "spool").mkdir()
    inspection = Inspection(database=database, spool=tmp_path / "spool", roots=(payloads,))
    start = process_time()
    assert list(inspection.at_start(clock())) == []
    assert process_time() - start < 2  # seconds of the processor; a third of one where this was written
