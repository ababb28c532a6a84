from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from hilum.cli.history import last_events
from hilum.ledger.shown import HistoryLine


def line(number: int, why: str) -> HistoryLine:
    return HistoryLine(
        id=number,
        at=datetime(2026, 11, 22, tzinfo=UTC),
        machine="delivery",
        subject=str(number),
        from_state="due",
        event="failed for now",
        to_state="due",
        why=why,
        remedy="",
        destination="PACS",
    )


def pages(lines: Sequence[HistoryLine], size: int) -> Callable[[int | None], Sequence[HistoryLine]]:
    def page(before: int | None) -> Sequence[HistoryLine]:
        return [one for one in lines if before is None or one.id < before][-size:]

    return page


def test_lines_that_say_the_same_of_several_rows_are_one_event_across_pages() -> None:
    lines = [line(1, "down"), *(line(number, "refused") for number in range(2, 9)), line(9, "down")]
    events = last_events(pages(lines, 3), 10)
    assert [[one.id for one in event] for event in events] == [[1], [2, 3, 4, 5, 6, 7, 8], [9]]


def test_only_so_many_events_are_taken_the_last_ones() -> None:
    lines = [line(1, "a"), line(2, "b"), line(3, "b"), line(4, "c")]
    assert [[one.id for one in event] for event in last_events(pages(lines, 2), 2)] == [[2, 3], [4]]


def test_no_lines_are_no_events() -> None:
    assert last_events(pages([], 2), 2) == []
