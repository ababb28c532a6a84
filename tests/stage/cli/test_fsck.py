"""``hilum fsck`` and ``hilum ledger export``, with a real gateway behind them or just stopped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.data import make_series
from harness.sending import association, send, store
from harness.site import Site
from harness.waiting import eventually
from stage.cli.running import Hilum, Ran

MakeSite = Callable[..., Site]
KEYS = {
    "dicom": {"scp": {"ae-titles": [{"ae-title": "HILUM"}, {"ae-title": "STORE"}]}},
    "workflows": [{"name": "back", "clara-ae-title": "HILUM", "engine": "copy", "workflow": "w"}],
}


@pytest.fixture
def site(make_site: MakeSite, tmp_path: Path) -> Site:
    """Three instances in a complete job, two stored only; the gateway runs."""
    made = make_site(KEYS).start()
    send(made.port, *make_series(tmp_path / "ct", 3, patient="SECRET"))
    send(made.port, *make_series(tmp_path / "mr", 2, patient="SECRET"), called="STORE")
    made.wait_for_jobs(1)
    eventually(lambda: [one for one in made.rows("groups") if one.state == "stored only"], what="a stored group")
    eventually(lambda: not made.rows("associations", called="HILUM", spooled=True), what="the sweep")
    return made


@pytest.fixture
def run(site: Site, hilum: Hilum) -> Hilum:
    def run_(*arguments: object) -> Ran:
        return hilum(*arguments, HILUM_CONFIG=str(site.path))

    return run_


def test_a_running_gateway_in_order_has_nothing_to_find(run: Hilum) -> None:
    ran = run("fsck", "--deep")
    assert (ran.code, ran.out) == (0, "Ledger and files agree.\n")
    assert run("fsck", "--json").json == {"deep": False, "findings": [], "left": 0}


def test_work_in_progress_is_no_finding(run: Hilum, site: Site, tmp_path: Path) -> None:
    files = make_series(tmp_path / "more", 2)
    with association(site.port, files) as requestor:
        store(requestor, files[0])
        assert run("fsck").code == 0
    assert run("fsck").code == 0


def test_what_is_found_is_explained_and_mended_once_the_gateway_is_stopped(run: Hilum, site: Site) -> None:
    [stored] = site.rows("associations", called="STORE")
    (site.spool / stored.folder / "1.dcm").unlink()
    (site.payloads / ".building-x").mkdir()
    ran = run("fsck")
    assert ran.code == 1
    for part in (
        "instance missing",
        "job folder unfinished",
        "2 findings, 2 left",
        "--repair",
        "sent again",
        "quarantine",
    ):
        assert part in ran.out
    refused = run("fsck", "--repair")
    assert (refused.code, "stop it first" in refused.err) == (1, True)
    assert (site.payloads / ".building-x").exists()

    site.stop()
    document = run("fsck", "--repair", "--json")
    assert (document.code, document.json["left"]) == (1, 1)
    assert [(one["kind"], one["repaired"]) for one in document.json["findings"]] == [
        ("job folder unfinished", True),
        ("instance missing", False),
    ]
    assert (site.payloads / ".quarantine" / "building-x").is_dir()
    assert "1 finding, 1 left" in run("fsck").out


def test_the_status_is_0_if_all_was_mended(run: Hilum, site: Site) -> None:
    site.stop()
    (site.payloads / ".building-x").mkdir()
    assert run("fsck").code == 1
    ran = run("fsck", "--repair")
    assert (ran.code, "1 finding, 0 left" in ran.out) == (0, True)
    assert run("fsck").code == 0


def test_a_start_looks_and_the_history_tells(run: Hilum, site: Site) -> None:
    [stored] = site.rows("associations", called="STORE")
    site.stop()
    shutil.rmtree(site.spool / stored.folder)
    (site.spool / "held").mkdir(exist_ok=True)  # the spool is not simply empty
    (site.spool / "20261122T081500000099-0000abcd").mkdir()
    (site.spool / "20261122T081500000099-0000abcd" / "1.dcm").touch()
    site.start()
    [line] = site.history(machine="association", subject=stored.id, event="spool folder missing")
    assert "send" in line.remedy or "sent" in line.remedy


def lines(ran: Ran) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ran.out.splitlines()]


def test_the_export_has_a_line_for_each_instance_and_the_sum_at_its_end(run: Hilum) -> None:
    ran = run("ledger", "export")
    *entries, last = lines(ran)
    assert ran.code == 0
    assert [one["place"] for one in entries] == ["in jobs"] * 3 + ["grouped"] * 2
    assert entries[0]["from"] == {"calling": "MODALITY", "called": "HILUM", "host": "127.0.0.1"}
    assert [(one["state"], one["attempt"]) for one in entries[0]["jobs"]] == [("complete", 1)]
    assert entries[3]["group"]["state"] == "stored only"
    assert all(len(one["digest"]) == 32 for one in entries)
    assert last == {
        "sum": {
            "received": 5,
            "grouped": 2,
            "in jobs": 3,
            "ignored": 0,
            "held": 0,
            "removed": 0,
            "quarantined": 0,
            "adds-up": True,
        }
    }
    assert "SECRET" not in ran.out


def test_the_patient_is_told_only_if_asked_for(run: Hilum) -> None:
    told = run("ledger", "export", "--with-personal-data")
    assert [one["patient-id"] for one in lines(told)[:-1]] == ["SECRET"] * 5


def test_the_sums_alone(run: Hilum, site: Site) -> None:
    ran = run("ledger", "export", "--summary")
    assert (ran.code, "It adds up." in ran.out, "in jobs" in ran.out) == (0, True, True)
    assert lines(run("ledger", "export", "--summary", "--json")) == [lines(run("ledger", "export"))[-1]]
    with site.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM instances WHERE id = 1")
    ran = run("ledger", "export", "--summary")
    assert (ran.code, "It does not add up" in ran.out) == (1, True)
