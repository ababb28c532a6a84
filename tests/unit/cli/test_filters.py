from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hilum import states
from hilum.cli.exit import UsageError
from hilum.cli.filters import moment, one_of

NOW = datetime(2026, 11, 22, 8, 15, tzinfo=UTC)


@pytest.mark.parametrize("text", ["given up", "given-up", "given_up", " Given-Up "])
def test_a_state_is_understood_however_its_words_are_joined(text: str) -> None:
    assert one_of(states.Delivery, text) is states.Delivery.GIVEN_UP


def test_an_unknown_state_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UsageError, match="no state of a delivery; expected due, delivered or given-up"):
        one_of(states.Delivery, "lost")


@pytest.mark.parametrize(
    ("text", "before"), [("90s", 90), ("30m", 1800), ("30 min", 1800), ("2h", 7200), ("7d", 604_800), ("1w", 604_800)]
)
def test_a_moment_is_told_by_how_long_ago_it_was(text: str, before: int) -> None:
    assert moment(text, NOW) == NOW - timedelta(seconds=before)


def test_a_moment_is_told_by_its_date() -> None:
    assert moment("2026-11-22T09:00:00+01:00", NOW) == datetime(2026, 11, 22, 8, tzinfo=UTC)
    assert moment("2026-11-22", NOW).tzinfo is UTC


def test_an_age_beyond_all_times_is_the_beginning_of_time() -> None:
    assert moment("99999999999999w", NOW).year == 1


@pytest.mark.parametrize("text", ["", "yesterday", "5", "h", "2x", "-2h"])
def test_what_is_no_moment_is_refused_with_examples(text: str) -> None:
    with pytest.raises(UsageError, match="2h or 7d"):
        moment(text, NOW)
