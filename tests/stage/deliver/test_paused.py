"""A destination that an operator paused gets nothing and is asked nothing until somebody resumes it."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from harness.pacs import Pacs
from hilum.ledger import destinations, views
from hilum.model import Answer, StoreRequest
from hilum.states import Destination, IllegalTransitionError
from stage.deliver.sending import LEASE, Sending


def pause(sending: Sending, name: str = "PACS") -> None:
    with sending.desk.database.write() as connection:
        destinations.pause(connection, name, why="paused by an operator", now=sending.clock())


def resume(sending: Sending, name: str = "PACS") -> int:
    with sending.desk.database.write() as connection:
        return destinations.resume(connection, name, now=sending.clock())


def arrived(pacs: Pacs) -> list[str]:
    return [one.request.sop_instance for one in pacs.arrived]


def test_nothing_is_sent_until_it_is_resumed(to_pacs: Sending, pacs: Pacs) -> None:
    to_pacs.job("1.1", "1.2")
    pause(to_pacs)
    assert to_pacs.send.next_due(to_pacs.clock()) is None
    assert (to_pacs.ask(), to_pacs.carry()) == ([], [])
    assert pacs.associations == []
    assert resume(to_pacs) == 2
    to_pacs.run()
    assert arrived(pacs) == ["1.1", "1.2"]
    assert [(line.event, line.from_state, line.to_state) for line in to_pacs.desk.history(machine="destination")] == [
        ("pause asked", "up", "paused"),
        ("resume asked", "paused", "up"),
    ]


def test_others_are_sent_to_meanwhile(to_pacs: Sending, pacs: Pacs) -> None:
    to_pacs.to("ARCHIVE", pacs.port, called="PACS")
    to_pacs.job("1.1", destinations=("PACS", "ARCHIVE"))
    pause(to_pacs)
    to_pacs.run()
    assert {row.destination: row.state for row in to_pacs.deliveries()} == {"PACS": "due", "ARCHIVE": "delivered"}


def test_it_is_shown_with_the_reason_and_without_a_next_try(to_pacs: Sending) -> None:
    to_pacs.job("1.1")
    pause(to_pacs)
    now = to_pacs.clock()
    with to_pacs.desk.database.read() as connection:
        (one,) = views.destinations(connection)
        (due,) = views.list_deliveries(connection, now=now)
    assert (one.state, one.since, one.due, one.next_try) == (Destination.PAUSED, now, 1, None)
    assert one.last_error == due.destination_down == "paused by an operator"
    assert due.next_try is None


def test_what_asks_it_just_now_finds_that_this_counts_for_nothing(sending: Sending, nobody: int) -> None:
    sending.to("PACS", nobody)
    sending.job("1.1")
    sending.run()
    assert sending.destination().state == "down"
    sending.clock.forward(30)
    (silent,) = sending.probe.claim(sending.clock(), sending.clock() + LEASE, 1)
    pause(sending)
    with pytest.raises(Exception, match="lease"):
        sending.probe.record(silent, None, sending.clock())
    sending.probe.record(silent, sending.probe.act(silent), sending.clock())  # not there, once more
    row = sending.destination()
    assert (row.state, row.why) == ("paused", "paused by an operator")


def test_one_that_fails_while_it_is_paused_stays_paused(sending: Sending, nobody: int) -> None:
    sending.to("PACS", nobody)
    sending.job("1.1")
    (parcel,) = sending.claim()
    pause(sending)
    sending.send.record(parcel, sending.send.act(parcel), sending.clock())
    assert sending.destination().state == "paused"
    assert [row.lease_until for row in sending.deliveries()] == [None]


def test_a_parcel_that_is_under_way_ends_after_the_file_that_is(to_pacs: Sending, pacs: Pacs) -> None:
    paused = threading.Event()

    def answer(request: StoreRequest) -> Answer:
        if not paused.is_set():
            pause(to_pacs)
            paused.set()
            threading.Event().wait(1.1)  # longer than a parcel goes on without looking
        return Answer(status=0)

    pacs.answer = answer
    to_pacs.job("1.1", "1.2", "1.3")
    to_pacs.carry()
    assert to_pacs.states() == ["delivered", "due", "due"]
    assert arrived(pacs) == ["1.1"]


def test_the_time_it_was_paused_does_not_count_for_giving_up(sending: Sending, nobody: int) -> None:
    sending.to("PACS", nobody)
    sending.job("1.1")
    pause(sending)
    sending.clock.forward(timedelta(days=8).total_seconds())
    resume(sending)
    sending.run()
    assert sending.states() == ["due"]
    assert sending.destination().state == "down"


def test_pausing_twice_and_resuming_what_is_not_paused_are_refused(to_pacs: Sending) -> None:
    with pytest.raises(IllegalTransitionError):
        resume(to_pacs)
    pause(to_pacs)
    with pytest.raises(IllegalTransitionError):
        pause(to_pacs)
