from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hilum import words

NOW = datetime(2026, 11, 22, 8, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (33_800_000, "33.8 MB"),
        (999_700, "1.0 MB"),
        (123_400_000, "123 MB"),
        (2_000_000_000_000_000_000, "2000 PB"),
    ],
)
def test_sizes_have_three_digits_or_so(count: int, text: str) -> None:
    assert words.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.0004, "0 ms"),
        (0.41, "410 ms"),
        (1, "1 s"),
        (2.46, "2.5 s"),
        (9.99, "10 s"),
        (59.7, "1 min"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
        (90_000, "1 day 1 h"),
        (3 * 86_400 + 5, "3 days"),
        (-30, "-30 s"),
    ],
)
def test_spans_have_two_units_at_most(seconds: float, text: str) -> None:
    assert words.duration(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(("seconds", "text"), [(0, "0 s"), (59, "59 s"), (119, "1 min"), (7300, "2 h"), (-5, "0 s")])
def test_ages_are_rough(seconds: float, text: str) -> None:
    assert words.ago(NOW - timedelta(seconds=seconds), NOW) == text


def test_what_is_due_is_told_from_what_is_overdue_and_from_what_has_no_time() -> None:
    assert words.until(NOW + timedelta(seconds=90), NOW) == "in 1 min 30 s"
    assert words.until(NOW - timedelta(seconds=90), NOW) == "now"
    assert words.until(None, NOW) == ""


def test_nothing_to_divide_by_is_no_fault() -> None:
    assert words.rate(0, 0) == "0 B/s"


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (0x0000, "success"),
        (0xA700, "refused: out of resources"),
        (0xA701, "refused: out of resources"),
        (0xA9FF, "data set does not match SOP class"),
        (0xC123, "cannot understand"),
        (0xB007, "warning: data set does not match SOP class"),
        (0x1234, "unknown status"),
    ],
)
def test_statuses_are_told_by_their_family(status: int, meaning: str) -> None:
    assert words.status_meaning(status) == meaning


def test_text_of_peers_cannot_command_a_terminal() -> None:
    assert words.printable("A\x1b[2JB\nC") == "A\\x1b[2JB\\nC"
    assert words.printable("Ä [::1] ok") == "Ä [::1] ok"


def test_lists_read_as_sentences() -> None:
    assert words.listed([]) == ""
    assert words.listed(["a"]) == "a"
    assert words.listed(["a", "b", "c"], "or") == "a, b or c"
    assert words.count(1, "delivery", "deliveries") == "1 delivery"
    assert words.count(2, "delivery", "deliveries") == "2 deliveries"


def test_subjects_of_history_are_named_as_commands_take_them() -> None:
    job = "9f3c21ab" * 4
    assert words.subject("job", job) == "9f3c21ab"
    assert words.subject("result", f"{job}:a/b:c.txt") == "a/b:c.txt of job 9f3c21ab"
    assert words.subject("association", "10.0.0.9") == "10.0.0.9"
