"""Counting connections and associations."""

from __future__ import annotations

from datetime import timedelta

from hilum.association.admission import Accepted, Rejected
from hilum.association.capacity import Capacity
from hilum.model import AETitle
from hilum.wire import Reject

YES = Accepted(calling=AETitle("A"), called=AETitle("B"))
NO = Rejected(reject=Reject.LOCAL_LIMIT, why="", remedy="")


def enter(capacity: Capacity, host: str) -> bool:
    return capacity.enter(host, total=3, per_host=2) is None


def test_waiting_connections_are_limited_per_host_and_in_all() -> None:
    capacity = Capacity()
    assert enter(capacity, "a")
    assert enter(capacity, "a")
    assert not enter(capacity, "a")
    assert enter(capacity, "b")
    assert not enter(capacity, "c")
    capacity.leave("a")
    assert enter(capacity, "c")


def test_an_association_does_not_count_as_waiting_until_it_has_ended() -> None:
    capacity = Capacity()
    assert enter(capacity, "a")
    assert capacity.admit("a", lambda count: YES if count == 0 else NO) is YES
    assert capacity.associations == 1
    assert enter(capacity, "a")
    assert enter(capacity, "a")
    capacity.end("a")
    assert capacity.associations == 0
    assert not enter(capacity, "a")


def test_a_rejected_connection_goes_on_waiting() -> None:
    capacity = Capacity()
    assert enter(capacity, "a")
    assert capacity.admit("a", lambda _: NO) is NO
    assert enter(capacity, "a")
    assert not enter(capacity, "a")
    assert capacity.associations == 0


def test_waiting_for_the_last_association_ends_with_it_or_in_time() -> None:
    capacity = Capacity()
    assert capacity.wait_until_empty(timedelta(0))
    enter(capacity, "a")
    capacity.admit("a", lambda _: YES)
    assert not capacity.wait_until_empty(timedelta(0))
    capacity.end("a")
    assert capacity.wait_until_empty(timedelta(0))
