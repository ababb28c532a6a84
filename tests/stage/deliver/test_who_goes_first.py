"""A backlog delays new work by one parcel, and new work halves the speed of a backlog at most."""

from __future__ import annotations

from harness.pacs import Pacs
from hilum.model import Answer
from stage.deliver.sending import Sending


def one_after_the_other(sending: Sending) -> list[str]:
    """The jobs in the order in which their parcels go, one at a time."""
    order = []
    while parcels := sending.claim(limit=1):
        sending.send.record(parcels[0], sending.send.act(parcels[0]), sending.clock())
        order.append(parcels[0].job_name)
    return order


def test_the_longest_waiting_and_the_newest_take_turns(to_pacs: Sending) -> None:
    for name in ("friday", "saturday", "sunday", "tonight"):
        to_pacs.job("1.1", name=name)
        to_pacs.clock.forward(3600)
    assert one_after_the_other(to_pacs) == ["friday", "tonight", "saturday", "sunday"]


def test_after_a_weekend_of_silence_tonights_study_waits_for_one_parcel(sending: Sending, nobody: int) -> None:
    sending.to("PACS", nobody)
    for number in range(10):
        sending.job("1.1", name=f"backlog{number}")
        sending.run()
        sending.clock.forward(3600)
    with Pacs(port=nobody):
        sending.job("1.1", name="tonight")
        sending.ask()
        order = one_after_the_other(sending)
    assert order.index("tonight") <= 1
    assert next(name for name in order if name != "tonight") == "backlog0"


def test_each_destination_takes_its_own_turns(to_pacs: Sending, pacs: Pacs) -> None:
    """Else two that alternate would lock one of them into always getting the oldest."""
    to_pacs.to("OTHER", pacs.port, called="PACS")
    to_pacs.max_associations = 4
    for number in range(4):
        for destination in ("PACS", "OTHER"):
            to_pacs.job("1.1", name=f"{destination}{number}", destinations=(destination,))
        to_pacs.clock.forward(60)
    order = one_after_the_other(to_pacs)
    for destination in ("PACS", "OTHER"):
        own = [name for name in order if name.startswith(destination)]
        assert own[:2] == [f"{destination}0", f"{destination}3"]


def test_what_has_failed_before_does_not_count_as_new(to_pacs: Sending, pacs: Pacs) -> None:
    pacs.answer = lambda request: Answer(status=0x0110 if request.sop_instance == "1.9" else 0)
    to_pacs.job("1.9", name="fails")
    to_pacs.run()
    to_pacs.run()
    for name in ("a", "b", "c"):
        to_pacs.job("1.1", name=name)
        to_pacs.clock.forward(10)
    to_pacs.clock.forward(30)
    order = one_after_the_other(to_pacs)
    assert order in (["c", "a", "b", "fails"], ["a", "c", "b", "fails"])
