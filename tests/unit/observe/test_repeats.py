"""What the log holds back in a storm, and that nothing is lost of how strong it was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from structlog.contextvars import bound_contextvars
from structlog.testing import LogCapture

from hilum.observe.repeats import Repeats


class Hand:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def lines(hand: Hand) -> Iterator[list[Any]]:
    """What passes."""
    saved, capture = structlog.get_config()["processors"], LogCapture()
    ids, level = structlog.contextvars.merge_contextvars, structlog.stdlib.add_log_level
    structlog.configure(processors=[ids, level, Repeats(hand), capture])
    yield capture.entries
    structlog.configure(processors=saved)


def reject(**differs: Any) -> None:
    said = {"host": "10.0.0.9", "calling": "X", "answer": "1/1/3", "why": "unknown"} | differs
    structlog.get_logger().warning("association.rejected", **said)


def test_the_first_passes_then_one_a_minute_with_the_number_of_the_others(lines: list[Any], hand: Hand) -> None:
    for second in range(125):
        hand.now = second
        reject(port=second)
    assert [line.get("suppressed") for line in lines] == [None, 59, 59]


def test_a_peer_that_calls_itself_something_else_each_time_is_one_storm(lines: list[Any]) -> None:
    for number in range(1000):
        reject(calling=f"X{number}", why=f"X{number} is unknown", remedy=f"add X{number}")
    assert len(lines) == 1


@pytest.mark.parametrize("differs", [{"host": "10.0.0.8"}, {"answer": "2/3/2"}])
def test_what_is_different_passes(lines: list[Any], differs: dict[str, str]) -> None:
    reject()
    reject(**differs)
    assert len(lines) == 2


def test_the_same_of_two_jobs_is_not_the_same(lines: list[Any]) -> None:
    log = structlog.get_logger()
    for job in ("a", "a", "b"):
        log.warning("step.failed", job=job, error="no space")
    assert [line["job"] for line in lines] == ["a", "b"]


@pytest.mark.parametrize("level", ["info", "error"])
def test_only_warnings_are_held_back(lines: list[Any], level: str) -> None:
    for _ in range(3):
        getattr(structlog.get_logger(), level)("step.failed", error="no space")
    assert len(lines) == 3


def test_what_was_held_back_at_the_end_of_a_storm_is_told_with_the_next_line_of_any_kind(
    lines: list[Any], hand: Hand
) -> None:
    for _ in range(10):
        reject()
    hand.now = 121
    with bound_contextvars(job="a"):
        structlog.get_logger().info("job.started")
    assert [(line["event"], line.get("suppressed")) for line in lines] == [
        ("association.rejected", None),
        ("log.repeated", 9),
        ("job.started", None),
    ]
    assert lines[1]["of"] == "association.rejected"
    assert [line.get("job") for line in lines] == [None, None, "a"]


def test_what_was_held_back_is_told_before_the_gateway_stops(lines: list[Any]) -> None:
    for _ in range(10):
        reject()
    structlog.get_logger().info("gateway.stopped")
    assert [(line["event"], line.get("suppressed")) for line in lines] == [
        ("association.rejected", None),
        ("log.repeated", 9),
        ("gateway.stopped", None),
    ]


def test_the_memory_of_it_is_limited(lines: list[Any]) -> None:
    for number in range(5000):
        reject(host=f"10.0.{number // 250}.{number % 250}")
    repeats = structlog.get_config()["processors"][2]
    assert len(repeats._said) <= 1025
    assert len(lines) == 5000
