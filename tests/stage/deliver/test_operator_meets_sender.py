"""Commands that come while something is being done are refused or heeded, and never make it happen twice."""

from __future__ import annotations

import json

import pytest

from harness.pacs import Pacs
from hilum.deliver.receipt import RECEIPT
from hilum.errors import PermanentError, TemporaryError
from hilum.ledger import dispatch
from hilum.ledger.tables import jobs
from hilum.model import Answer
from stage.deliver.sending import LEASE, Sending


def ask_retry(sending: Sending, number: int = 0) -> None:
    with sending.desk.database.write() as connection:
        dispatch.ask_retry(connection, sending.deliveries()[number].id, now=sending.clock())


def give_up(sending: Sending, pacs: Pacs, uid: str) -> None:
    pacs.answer = lambda request: Answer(status=0xC000 if request.sop_instance == uid else 0)
    for _ in range(3):
        sending.run()
        sending.clock.forward(120)
    pacs.answer = lambda _request: Answer(status=0)


def test_a_delivery_that_is_being_tried_is_not_tried_a_second_time_beside_it(to_pacs: Sending, pacs: Pacs) -> None:
    to_pacs.job("1.1")
    (parcel,) = to_pacs.claim()
    with pytest.raises(TemporaryError, match="is being tried just now"):
        ask_retry(to_pacs)
    to_pacs.send.record(parcel, to_pacs.send.act(parcel), to_pacs.clock())
    assert (to_pacs.states(), len(pacs.arrived)) == (["delivered"], 1)


def test_a_delivery_that_a_crash_left_leased_can_be_retried(to_pacs: Sending) -> None:
    to_pacs.job("1.1")
    to_pacs.claim()
    to_pacs.clock.forward(LEASE.total_seconds())
    ask_retry(to_pacs)
    assert to_pacs.deliveries()[0].lease_until is None


def test_a_job_is_not_complete_while_a_delivery_is_due_again(to_pacs: Sending, pacs: Pacs) -> None:
    folder = to_pacs.job("1.1", "1.2")
    give_up(to_pacs, pacs, "1.2")
    (settling,) = to_pacs.receipts.claim(to_pacs.clock(), to_pacs.clock() + LEASE, 1)
    outcome = to_pacs.receipts.act(settling)  # type: ignore[func-returns-value,unused-ignore]
    ask_retry(to_pacs, 1)  # after its receipt was written, before that is recorded
    to_pacs.receipts.record(settling, outcome, to_pacs.clock())
    job = to_pacs.desk.row("jobs")
    assert (job.state, job.lease_until) == ("collected", None)
    to_pacs.run()
    to_pacs.settle()
    assert to_pacs.desk.row("jobs").state == "complete"
    written = json.loads((folder.parent / RECEIPT).read_text())
    assert [file["deliveries"][0]["state"] for file in written["files"]] == ["delivered", "delivered"]


@pytest.mark.parametrize(("state", "leased"), [("complete", True), ("removed", False)])
def test_nothing_is_sent_from_a_folder_that_is_gone_or_going(
    to_pacs: Sending, pacs: Pacs, state: str, *, leased: bool
) -> None:
    to_pacs.job("1.1")
    give_up(to_pacs, pacs, "1.1")
    to_pacs.settle()
    with to_pacs.desk.database.write() as connection:
        until = to_pacs.clock() + LEASE if leased else None
        connection.execute(jobs.update().values(state=state, lease_until=until))
    with pytest.raises(PermanentError, match="removed"):
        ask_retry(to_pacs)
    assert to_pacs.states() == ["given up"]
