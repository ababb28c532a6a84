"""A stop waits for the file that is on its way to a destination, not for all that are due."""

from __future__ import annotations

import threading

from harness.pacs import Pacs
from hilum.deliver.slots import Slots, StoppedError
from hilum.model import Answer, StoreRequest
from stage.deliver.sending import Sending


def test_a_parcel_ends_after_the_file_that_is_on_its_way_and_goes_on_later(to_pacs: Sending, pacs: Pacs) -> None:
    to_pacs.job("1.1", "1.2", "1.3")

    def answer(_request: StoreRequest) -> Answer:
        to_pacs.send.stopping.set()
        return Answer(status=0)

    pacs.answer = answer
    assert to_pacs.run() == [{}]
    assert to_pacs.states() == ["delivered", "due", "due"]
    assert [(row.attempts, row.lease_until) for row in to_pacs.deliveries()[1:]] == [(0, None), (0, None)]
    to_pacs.send.stopping.clear()
    pacs.answer = lambda _request: Answer(status=0)
    assert to_pacs.run() == [{}]
    assert [one.request.sop_instance for one in pacs.arrived] == ["1.1", "1.2", "1.3"]


def test_a_parcel_that_has_not_begun_does_not_begin(to_pacs: Sending, pacs: Pacs) -> None:
    to_pacs.job("1.1")
    to_pacs.send.stopping.set()
    assert to_pacs.run() == [{}]
    assert (to_pacs.states(), pacs.associations) == (["due"], [])


def test_nobody_waits_for_a_place_after_the_stop() -> None:
    slots, stopping, ended = Slots(), threading.Event(), threading.Event()

    def second() -> None:
        try:
            with slots.one(1, stopping):
                pass
        except StoppedError:
            ended.set()

    waiting = threading.Thread(target=second)
    with slots.one(1, stopping):
        waiting.start()
        stopping.set()
        assert ended.wait(20)
    waiting.join()
