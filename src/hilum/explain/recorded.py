"""What lines of history say of a row, for findings; pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hilum import words
from hilum.explain.explanation import Remedy
from hilum.ledger.shown import HistoryLine

SEND_AGAIN: Final = Remedy(text="have it sent again")
INSPECT: Final = Remedy(text="look for all that is missing", command="hilum fsck")


def instances(count: int) -> str:
    """So many of them, in words."""
    return words.count(count, "instance")


def being(count: int) -> str:
    """``1 instance is``, ``2 instances are``."""
    return f"{instances(count)} {'is' if count == 1 else 'are'}"


def when(history: Sequence[HistoryLine], subject: str, event: str) -> str:
    """`` at`` and when it happened last, if it did."""
    line = _line(history, subject, event)
    return f" at {words.clock(line.at)}" if line else ""


def why(history: Sequence[HistoryLine], subject: str, event: str) -> str:
    """Why it happened, if it did."""
    line = _line(history, subject, event)
    return line.why if line else ""


def _line(history: Sequence[HistoryLine], subject: str, event: str) -> HistoryLine | None:
    return next((line for line in reversed(history) if (line.subject, line.event) == (subject, event)), None)
