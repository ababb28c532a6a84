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
    RetryAt,
    RetryRule,
    fault_of,
    next_attempt,
)
from hilum.model import Answer

NOW = datetime(2026, 11, 22, 8, 15, tzinfo=UTC)
SECOND = timedelta(seconds=1)
#: The default of ``dicom.scu.retry``.
RULE = RetryRule(waits=[30 * SECOND, 120 * SECOND, 600 * SECOND, 3600 * SECOND], give_up_after=timedelta(days=7))
each_fault = pytest.mark.parametrize("fault", list(Fault))


def wait_after(fault: Fault, attempts: int, rule: RetryRule = RULE) -> timedelta:
    verdict = next_attempt(fault, attempts=attempts, queued_at=NOW, now=NOW, rule=rule)
    assert isinstance(verdict, RetryAt)
    return verdict.when - NOW


@pytest.mark.parametrize(
    ("statuses", "fault"),
    [
        ([0xA700, 0xA701, 0xA7FF], Fault.BUSY),  # out of resources
        ([0xA900, 0xA901, 0xA9FF], Fault.REFUSED),  # data set does not match SOP class
        ([0xC000, 0xC001, 0xCFFF], Fault.REFUSED),  # cannot understand
        ([0x0110], Fault.BUSY),  # processing failure
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
    assert fault_of(Answer(status=status)) in {Fault.BUSY, Fault.REFUSED}


@pytest.mark.parametrize("fault", [Fault.UNREACHABLE, Fault.BUSY])
def test_waits_follow_the_configuration_and_the_last_one_repeats(fault: Fault) -> None:
    waits = [wait_after(fault, attempts) / SECOND for attempts in (1, 2, 3, 4, 5, 100)]
    assert waits == [30, 120, 600, 3600, 3600, 3600]


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.LOCAL])
def test_what_trying_again_hardly_helps_is_tried_a_few_times_only(fault: Fault) -> None:
    assert [wait_after(fault, attempts) / SECOND for attempts in range(1, PERMANENT_ATTEMPTS)] == [30, 120]
    verdict = next_attempt(fault, attempts=PERMANENT_ATTEMPTS, queued_at=NOW, now=NOW, rule=RULE)
    assert isinstance(verdict, GiveUp)
    assert "3 times" in verdict.why
    assert "hilum retry" in verdict.remedy


def test_a_peer_that_is_misconfigured_is_asked_rarely() -> None:
    assert wait_after(Fault.MISCONFIGURED, 1) == MISCONFIGURED_WAIT
    assert wait_after(Fault.MISCONFIGURED, 4) == timedelta(hours=1)


def test_a_peer_that_is_misconfigured_is_asked_no_more_rarely_than_the_longest_wait() -> None:
    quick = RetryRule(waits=[SECOND, 5 * SECOND], give_up_after=timedelta(days=7))
    assert wait_after(Fault.MISCONFIGURED, 1, quick) == 5 * SECOND


@each_fault
def test_everything_is_given_up_when_its_time_is_over(fault: Fault) -> None:
    queued_at = NOW - RULE.give_up_after
    verdict = next_attempt(fault, attempts=1, queued_at=queued_at, now=NOW, rule=RULE)
    assert isinstance(verdict, GiveUp)
    assert "7 days (dicom.scu.retry.give-up-after)" in verdict.why
    assert "hilum retry" in verdict.remedy


def test_the_last_moment_is_still_in_time_and_the_next_one_is_not() -> None:
    queued_at = NOW + 30 * SECOND - RULE.give_up_after
    assert next_attempt(Fault.BUSY, attempts=1, queued_at=queued_at, now=NOW, rule=RULE) == RetryAt(
        when=NOW + 30 * SECOND
    )
    late = next_attempt(Fault.BUSY, attempts=1, queued_at=queued_at - timedelta(microseconds=1), now=NOW, rule=RULE)
    assert isinstance(late, GiveUp)


@given(
    fault=st.sampled_from(Fault),
    attempts=st.integers(1, 10**9),
    waits=st.lists(st.integers(1, 10**6), min_size=1, max_size=6).map(sorted),
    give_up_after=st.integers(0, 10**7),
    age=st.integers(0, 10**7),
)
def test_the_next_attempt_is_never_too_soon_and_never_after_the_end(
    fault: Fault, attempts: int, waits: list[int], give_up_after: int, age: int
) -> None:
    rule = RetryRule(waits=[wait * SECOND for wait in waits], give_up_after=give_up_after * SECOND)
    queued_at = NOW - age * SECOND
    verdict = next_attempt(fault, attempts=attempts, queued_at=queued_at, now=NOW, rule=rule)
    if isinstance(verdict, RetryAt):
        assert NOW + rule.waits[0] <= verdict.when <= queued_at + rule.give_up_after
        assert verdict.when - NOW <= max(rule.waits)
    else:
        assert verdict.why
        assert verdict.remedy
        assert attempts >= PERMANENT_ATTEMPTS or NOW + rule.waits[-1] > queued_at + rule.give_up_after
