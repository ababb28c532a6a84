from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.waiting import eventually
from hilum.ledger import views
from hilum.ledger.database import Database
from stage.cli.running import Hilum


@pytest.mark.timeout(300)
def test_the_demo_brings_results_to_the_pacs_goes_on_and_leaves_no_process(
    tmp_path: Path, environment: dict[str, str], hilum: Hilum
) -> None:
    folder, log = tmp_path / "demo", tmp_path / "demo.log"
    with log.open("w") as out:
        demo = subprocess.Popen(
            [sys.executable, "-m", "hilum", "demo", "--slices", "32", "--keep", "--folder", folder],
            stdout=out,
            stderr=subprocess.STDOUT,
            env=environment | {"PYTHONUNBUFFERED": "1"},
        )

    def ready() -> bool:
        assert demo.poll() is None, log.read_text()
        return "until Ctrl-C" in log.read_text()

    try:
        eventually(ready, seconds=240, what="the end of the demo")
        told = log.read_text()
        assert "32 of 32 instances accepted" in told
        assert "32 of 32 data sets in the job's input: SHA-256 as at the modality" in told
        assert "2 of 2 data sets in the PACS: SHA-256 as the workflow wrote them" in told
        assert max(map(len, told.splitlines())) <= 240
        assert len(list((folder / "pacs").glob("*.dcm"))) == 2
        assert len(list((folder / "modality").iterdir())) == 32

        again = re.search(r"hilum send (\S+) -aet MODALITY modality", told)
        assert again is not None
        assert hilum("send", again[1], "-aet", "MODALITY", folder / "modality").code == 0
        database = Database(f"sqlite:///{folder / 'hilum.db'}")
        with database.read() as connection:
            assert len(views.list_groups(connection)) == 2
        database.close()
    finally:
        demo.send_signal(signal.SIGINT)
        assert demo.wait(timeout=60) == 0, log.read_text()
    pids = [int(pid) for pid in re.findall(r"process (\d+)", told)]
    assert len(pids) == 2
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_folder_that_is_in_use_is_not_touched(hilum: Hilum, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    ran = hilum("demo", "--folder", tmp_path)
    assert ran.code == 1
    assert "is not empty" in ran.err
    assert os.listdir(tmp_path) == ["mine"]
