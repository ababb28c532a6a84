from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from pathlib import Path

import pytest

from harness.data import CT_IMAGE_STORAGE, make_instance
from harness.pacs import Pacs
from hilum.deliver.receipt import RECEIPT
from hilum.errors import LeaseLostError
from hilum.ledger import dispatch
from hilum.ledger.lease import MAX_BEGUN, PoisonError
from hilum.model import Answer
from stage.deliver.sending import LEASE, Sending


def test_a_receipt_says_of_every_file_where_it_went_and_what_was_answered(
    to_pacs: Sending, pacs: Pacs, nobody: int
) -> None:
    queued = to_pacs.clock()
    folder = to_pacs.job("1.1", "1.2", destinations=("PACS", "ARCHIVE"))
    pacs.answer = lambda request: Answer(status=0xB000 if request.sop_instance == "1.2" else 0, comment="coerced")
    to_pacs.to("ARCHIVE", nobody)
    to_pacs.clock.forward(3)
    to_pacs.run()
    assert to_pacs.settle() == []
    assert not (folder.parent / RECEIPT).exists()  # ARCHIVE is still due
    to_pacs.clock.forward(8 * 86400)
    ended = to_pacs.clock()
    to_pacs.run()
    assert to_pacs.settle() == []
    assert to_pacs.desk.row("jobs").state == "complete"
    written = json.loads((folder.parent / RECEIPT).read_text())
    assert (written["job"], written["name"], written["workflow"]) == ("job", "job", "w")
    first, second = written["files"]
    content = (folder / "1.1.dcm").read_bytes()
    assert {name: first[name] for name in first if name != "deliveries"} == {
        "file": "1.1.dcm",
        "sop-class": CT_IMAGE_STORAGE,
        "sop-instance": "1.1",
        "transfer-syntax": "1.2.840.10008.1.2.1",
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    archive, pacs_entry = first["deliveries"]
    assert pacs_entry == {
        "destination": "PACS",
        "state": "delivered",
        "status": "0000H",
        "why": "",
        "attempts": 1,
        "queued": queued.isoformat(),
        "ended": (queued + timedelta(seconds=3)).isoformat(),
    }
    assert (archive["destination"], archive["state"], archive["status"], archive["attempts"]) == (
        "ARCHIVE",
        "given up",
        None,
        0,  # it was never on its way: the archive did not even take an association
    )
    assert archive["ended"] == ended.isoformat()
    assert "give-up-after" in archive["why"]
    assert second["deliveries"][1]["status"] == "B000H"
    assert "coerced" in second["deliveries"][1]["why"]


def test_a_job_is_complete_when_its_receipt_is_written_and_kept_for_a_while(to_pacs: Sending) -> None:
    to_pacs.job("1.1")
    to_pacs.run()
    to_pacs.settle()
    job = to_pacs.desk.row("jobs")
    assert (job.state, job.completed_at, job.remove_at) == (
        "complete",
        to_pacs.clock(),
        to_pacs.clock() + timedelta(days=7),
    )
    assert to_pacs.settle() == []


@pytest.mark.parametrize("uids", [(), ("1.1",)])
def test_a_job_without_deliveries_gets_its_receipt_at_once(sending: Sending, uids: tuple[str, ...]) -> None:
    folder = sending.job(*uids, destinations=())
    sending.settle()
    written = json.loads((folder.parent / RECEIPT).read_text())
    assert [(file["sop-instance"], file["deliveries"]) for file in written["files"]] == [(uid, []) for uid in uids]
    assert sending.desk.row("jobs").state == "complete"


def test_no_receipt_is_written_while_anything_is_due(sending: Sending, nobody: int) -> None:
    sending.to("PACS", nobody)
    sending.job("1.1")
    assert sending.receipts.claim(sending.clock(), sending.clock() + LEASE, 10) == ()
    sending.run()
    assert sending.receipts.claim(sending.clock(), sending.clock() + LEASE, 10) == ()


def test_retrying_a_delivery_opens_its_job_again_and_the_receipt_is_written_anew(to_pacs: Sending, pacs: Pacs) -> None:
    folder = to_pacs.job("1.1", "1.2")
    pacs.answer = lambda request: Answer(status=0xC000 if request.sop_instance == "1.2" else 0)
    for wait in (30, 120, 120):
        to_pacs.run()
        to_pacs.clock.forward(wait)
    to_pacs.settle()
    before = json.loads((folder.parent / RECEIPT).read_text())
    assert before["files"][1]["deliveries"][0]["state"] == "given up"
    pacs.answer = lambda _request: Answer(status=0)
    with to_pacs.desk.database.write() as connection:
        dispatch.ask_retry(connection, to_pacs.deliveries()[1].id, now=to_pacs.clock())
    job = to_pacs.desk.row("jobs")
    assert (job.state, job.completed_at, job.remove_at) == ("collected", None, None)
    to_pacs.settle()
    assert to_pacs.desk.row("jobs").state == "collected"  # not before it was tried
    to_pacs.run()
    to_pacs.settle()
    assert to_pacs.desk.row("jobs").state == "complete"
    after = json.loads((folder.parent / RECEIPT).read_text())
    delivery = after["files"][1]["deliveries"][0]
    assert (delivery["state"], delivery["status"], delivery["attempts"]) == ("delivered", "0000H", 1)
    assert [one.request.sop_instance for one in pacs.accepted] == ["1.1", "1.2"]


def test_a_receipt_that_cannot_be_written_is_tried_again(to_pacs: Sending) -> None:
    folder = to_pacs.job("1.1").parent
    to_pacs.run()
    (folder / f".{RECEIPT}.part").mkdir()  # in the way
    assert len(to_pacs.settle()) == 1
    job = to_pacs.desk.row("jobs")
    assert (job.state, job.not_before, job.lease_owner) == ("collected", to_pacs.clock.in_(30), None)
    assert "its receipt cannot be written" in job.why
    (folder / f".{RECEIPT}.part").rmdir()
    assert to_pacs.settle() == []
    to_pacs.clock.forward(30)
    assert to_pacs.settle() == []
    job = to_pacs.desk.row("jobs")
    assert (job.state, job.why) == ("complete", "")


def test_a_crash_between_writing_and_recording_writes_the_same_receipt_again(to_pacs: Sending) -> None:
    folder = to_pacs.job("1.1").parent
    to_pacs.run()
    (slow,) = to_pacs.receipts.claim(to_pacs.clock(), to_pacs.clock() + LEASE, 10)
    to_pacs.receipts.act(slow)
    first = (folder / RECEIPT).read_bytes()
    to_pacs.clock.forward(60)
    to_pacs.settle()
    assert (folder / RECEIPT).read_bytes() == first
    with pytest.raises(LeaseLostError):
        to_pacs.receipts.record(slow, None, to_pacs.clock())
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []


def test_a_receipt_speaks_of_files_in_any_script(to_pacs: Sending) -> None:
    def make(folder: Path, sop_instance: str) -> Path:
        return make_instance(folder, sop_instance=sop_instance).rename(folder / "größe.dcm")

    folder = to_pacs.job("1.1", make=make)
    to_pacs.run()
    to_pacs.settle()
    assert "größe.dcm" in (folder.parent / RECEIPT).read_text(encoding="utf-8")


def test_a_receipt_that_ends_the_gateway_whenever_it_is_written_is_done_without(to_pacs: Sending) -> None:
    folder = to_pacs.job("1.1")
    to_pacs.run()
    for _ in range(MAX_BEGUN):
        assert len(to_pacs.receipts.claim(to_pacs.clock(), to_pacs.clock() + LEASE, 5)) == 1  # and then it is killed
        to_pacs.clock.forward(LEASE.total_seconds())
    assert [type(error) for error in to_pacs.settle()] == [PoisonError]
    assert to_pacs.desk.row("jobs").state == "complete"
    assert not (folder.parent / RECEIPT).exists()
    (line,) = to_pacs.desk.history(event="no receipt")
    assert "hilum jobs show job" in line.remedy
