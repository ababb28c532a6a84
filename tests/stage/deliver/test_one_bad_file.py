"""A file that a destination cannot bear, so that it breaks the association, does not keep the job's others back."""

from __future__ import annotations

from harness.pacs import Pacs
from hilum.errors import TemporaryError
from hilum.model import Answer, StoreRequest
from stage.deliver.sending import Sending


def test_files_behind_one_that_breaks_the_association_are_delivered(to_pacs: Sending, pacs: Pacs) -> None:
    to_pacs.job("1.1", "1.2", "1.3", "1.4", "1.5")

    def answer(request: StoreRequest) -> Answer:
        if request.sop_instance in {"1.2", "1.4"}:
            raise TemporaryError("this one is too much")
        return Answer(status=0)

    pacs.answer = answer
    for _ in range(5):
        to_pacs.run()
        to_pacs.clock.forward(120)
    assert to_pacs.states() == ["delivered", "due", "delivered", "due", "delivered"]
    pacs.answer = lambda _request: Answer(status=0)  # it was mended
    to_pacs.run()
    assert set(to_pacs.states()) == {"delivered"}
    assert sorted(one.request.sop_instance for one in pacs.accepted) == ["1.1", "1.2", "1.3", "1.4", "1.5"]
