from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.deliver.policy import (
    MISCONFIGURED_WAIT,
    PERMANENT_ATTEMPTS,
    Fault,
    GiveUp,
    concerns_destination,
    fault_of,
    newest_first,
    next_attempt,
    next_probe,
)
from hilum.model import Answer
from hilum.retry import SPREAD, RetryAt, RetryRule

NOW = datetime(2026, 11, 22, 8, 15, tzinfo=UTC)
SECOND = timedelta(seconds=1)
#: The default of ``dicom.scu.retry``.
RULE = RetryRule(waits=[30 * SECOND, 120 * SECOND, 600 * SECOND, 3600 * SECOND], give_up_after=timedelta(days=7))
each_fault = pytest.mark.parametrize("fault", list(Fault))


#: The one that leaves waits as they are configured.
EVEN = 0.5
#: Faults after which nothing is ever tried again by itself.
FINAL = {Fault.DAMAGED, Fault.POISON}


def wait_after(fault: Fault, attempts: int, rule: RetryRule = RULE, chance: float = EVEN) -> timedelta:
    verdict = next_attempt(fault, attempts=attempts, queued_at=NOW, now=NOW, rule=rule, chance=chance)
    assert isinstance(verdict, RetryAt)
    return verdict.when - NOW


@pytest.mark.parametrize(
    ("statuses", "fault"),
    [
        ([0xA700, 0xA701, 0xA7FF], Fault.FULL),  # out of resources
        ([0xA900, 0xA901, 0xA9FF], Fault.REFUSED),  # data set does not match SOP class
        ([0xC000, 0xC001, 0xCFFF], Fault.REFUSED),  # cannot understand
        ([0x0110], Fault.BUSY),  # processing failure
        ([0x0213], Fault.BUSY),  # resource limitation
        ([0x0122], Fault.REFUSED),  # SOP class not supported
        ([0x0117], Fault.REFUSED),  # invalid object instance
        ([0x0124], Fault.REFUSED),  # not authorised
        ([0x0210], Fault.BUSY),  # duplicate invocation: the next message has another id
        ([0x0211], Fault.BUSY),  # unrecognised operation
        ([0x0212], Fault.REFUSED),  # mistyped argument
        ([0xFE00, 0xFF00, 0x1234, 0xA800, 0xAA00], Fault.BUSY),  # nothing that C-STORE knows
    ],
)
def test_each_family_of_failures_is_a_fault(statuses: list[int], fault: Fault) -> None:
    assert {status: fault_of(Answer(status=status)) for status in statuses} == dict.fromkeys(statuses, fault)


@given(st.integers(0, 0xFFFF))
def test_every_status_is_one_fault_of_an_answer(status: int) -> None:
    assert fault_of(Answer(status=status)) in {Fault.BUSY, Fault.FULL, Fault.REFUSED}


@pytest.mark.parametrize("fault", [Fault.UNREACHABLE, Fault.BUSY, Fault.FULL])
def test_waits_follow_the_configuration_and_the_last_one_repeats(fault: Fault) -> None:
    waits = [wait_after(fault, attempts) / SECOND for attempts in (1, 2, 3, 4, 5, 100)]
    assert waits == [30, 120, 600, 3600, 3600, 3600]


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.LOCAL])
def test_what_trying_again_hardly_helps_is_tried_a_few_times_only(fault: Fault) -> None:
    assert [wait_after(fault, attempts) / SECOND for attempts in range(1, PERMANENT_ATTEMPTS)] == [30, 120]
    verdict = next_attempt(fault, attempts=PERMANENT_ATTEMPTS, queued_at=NOW, now=NOW, rule=RULE, chance=EVEN)
    assert isinstance(verdict, GiveUp)
    assert "3 times" in verdict.why
    assert "hilum retry" in verdict.remedy


@pytest.mark.parametrize("chance", [0.0, EVEN, 0.999])
def test_a_peer_that_is_misconfigured_is_asked_rarely(chance: float) -> None:
    assert MISCONFIGURED_WAIT <= wait_after(Fault.MISCONFIGURED, 1, chance=chance) < 1.5 * MISCONFIGURED_WAIT
    assert wait_after(Fault.MISCONFIGURED, 4) == timedelta(hours=1)


def test_a_peer_that_is_misconfigured_is_asked_no_more_rarely_than_the_longest_wait() -> None:
    quick = RetryRule(waits=[SECOND, 5 * SECOND], give_up_after=timedelta(days=7))
    assert wait_after(Fault.MISCONFIGURED, 1, quick, chance=0.0) == 5 * SECOND


def test_chance_makes_a_wait_a_fifth_longer_or_shorter() -> None:
    waits = [wait_after(Fault.BUSY, 2, chance=chance) / SECOND for chance in (0.0, 0.25, 0.5, 0.75)]
    assert waits == [96, 108, 120, 132]
    assert wait_after(Fault.BUSY, 2, chance=0.9999) < 144 * SECOND


def test_gateways_that_failed_together_do_not_try_again_together() -> None:
    times = sorted(wait_after(Fault.UNREACHABLE, 1, chance=number / 100) for number in range(100))
    assert len(set(times)) == 100
    assert times[-1] - times[0] > 11 * SECOND


@pytest.mark.parametrize("fault", sorted(FINAL))
def test_what_would_do_harm_is_given_up_at_once(fault: Fault) -> None:
    verdict = next_attempt(fault, attempts=1, queued_at=NOW, now=NOW, rule=RULE, chance=EVEN)
    assert isinstance(verdict, GiveUp)
    assert "hilum retry" in verdict.remedy


@pytest.mark.parametrize("fault", [Fault.UNREACHABLE, Fault.FULL])
def test_a_destination_waits_like_a_delivery(fault: Fault) -> None:
    asked = [next_probe(fault, failures=n, now=NOW, rule=RULE, chance=EVEN) - NOW for n in (1, 2, 3, 4, 5)]
    assert [wait / SECOND for wait in asked] == [30, 120, 600, 3600, 3600]


@each_fault
def test_only_silence_and_lack_of_room_concern_the_destination(fault: Fault) -> None:
    assert concerns_destination(fault, attempts=0) == (fault in {Fault.UNREACHABLE, Fault.FULL})


@given(fault=st.sampled_from(Fault), attempts=st.integers(1, 10**6))
def test_a_file_that_failed_before_is_blamed_itself(fault: Fault, attempts: int) -> None:
    assert not concerns_destination(fault, attempts=attempts)


@given(
    backlog=st.integers(0, 50),
    arrives=st.lists(st.integers(0, 100), max_size=10, unique=True),
    served=st.integers(0, 9),
)
def test_neither_new_work_nor_the_backlog_waits_for_the_other(backlog: int, arrives: list[int], served: int) -> None:
    """A simulation: each turn one parcel goes; what arrives at the same time counts as one parcel."""
    waiting = [(-1, number) for number in range(backlog)]
    left: dict[tuple[int, int], int] = {}
    for turn in range(backlog + len(arrives) + 101):
        waiting += [(turn, -1)] if turn in arrives else []
        if waiting:
            chosen = (max if newest_first(served + turn) else min)(waiting)
            waiting.remove(chosen)
            left[chosen] = turn
    assert waiting == []
    for (since, number), turn in left.items():
        later = sum(since < other for other in arrives)
        if number < 0:  # new work waits for one parcel, and for what is newer still
            assert turn - since <= 1 + 2 * later
        else:  # the backlog loses at most every second turn
            assert turn <= 2 * (number + 1)


@pytest.mark.parametrize("fault", sorted(set(Fault) - FINAL))
def test_everything_is_given_up_when_its_time_is_over(fault: Fault) -> None:
    queued_at = NOW - RULE.give_up_after
    verdict = next_attempt(fault, attempts=1, queued_at=queued_at, now=NOW, rule=RULE, chance=EVEN)
    assert isinstance(verdict, GiveUp)
    assert "7 days (dicom.scu.retry.give-up-after)" in verdict.why
    assert "hilum retry" in verdict.remedy


def test_the_last_moment_is_still_in_time_and_the_next_one_is_not() -> None:
    queued_at = NOW + 30 * SECOND - RULE.give_up_after
    in_time = next_attempt(Fault.BUSY, attempts=1, queued_at=queued_at, now=NOW, rule=RULE, chance=EVEN)
    assert in_time == RetryAt(when=NOW + 30 * SECOND)
    queued_at -= timedelta(microseconds=1)
    late = next_attempt(Fault.BUSY, attempts=1, queued_at=queued_at, now=NOW, rule=RULE, chance=EVEN)
    assert isinstance(late, GiveUp)


@given(
    fault=st.sampled_from(Fault),
    attempts=st.integers(1, 10**9),
    waits=st.lists(st.integers(1, 10**6), min_size=1, max_size=6).map(sorted),
    give_up_after=st.integers(0, 10**7),
    age=st.integers(0, 10**7),
    chance=st.floats(0, 1, exclude_max=True),
)
def test_the_next_attempt_is_never_too_soon_and_never_after_the_end(  # noqa: PLR0917
    fault: Fault, attempts: int, waits: list[int], give_up_after: int, age: int, chance: float
) -> None:
    rule = RetryRule(waits=[wait * SECOND for wait in waits], give_up_after=give_up_after * SECOND)
    queued_at = NOW - age * SECOND
    verdict = next_attempt(fault, attempts=attempts, queued_at=queued_at, now=NOW, rule=rule, chance=chance)
    longest = max(rule.waits) * (1 + SPREAD)
    if fault is Fault.MISCONFIGURED:
        longest /= 1 - SPREAD
    moment = timedelta(microseconds=2)
    if isinstance(verdict, RetryAt):
        assert NOW + rule.waits[0] * (1 - SPREAD) - moment <= verdict.when <= queued_at + rule.give_up_after
        assert verdict.when - NOW <= longest + moment
    else:
        assert verdict.why
        assert verdict.remedy
        too_late = NOW + longest + moment > queued_at + rule.give_up_after
        assert fault in FINAL or attempts >= PERMANENT_ATTEMPTS or too_late
