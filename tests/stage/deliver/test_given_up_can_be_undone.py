"""What was given up stays long enough for somebody to notice."""

from __future__ import annotations

import shutil
from datetime import timedelta

import pytest

from harness.pacs import Pacs
from hilum.deliver.receipt import ReceiptStep
from hilum.model import Answer
from stage.deliver.sending import Sending

DAY = timedelta(days=1)


@pytest.mark.parametrize(("status", "kept"), [(0, timedelta()), (0xC000, 30 * DAY)])
def test_results_that_were_not_delivered_stay_as_long_as_those_of_failed_jobs(
    to_pacs: Sending, pacs: Pacs, status: int, kept: timedelta
) -> None:
    to_pacs.receipts = ReceiptStep(
        database=to_pacs.desk.database, owner="gateway", keep=timedelta, keep_given_up=lambda: 30 * DAY
    )
    to_pacs.job("1.1", "1.2")
    pacs.answer = lambda request: Answer(status=status if request.sop_instance == "1.2" else 0)
    for _ in range(3):
        to_pacs.run()
        to_pacs.clock.forward(120)
    to_pacs.settle()
    job = to_pacs.desk.row("jobs")
    assert job.state == "complete"
    assert job.remove_at == to_pacs.clock() + kept


def test_a_job_whose_folder_somebody_removed_comes_to_an_end(to_pacs: Sending) -> None:
    folder = to_pacs.job("1.1").parent
    to_pacs.run()
    shutil.rmtree(folder)
    assert to_pacs.settle() == []
    assert to_pacs.desk.row("jobs").state == "complete"
