"""Words of the command line that mean a state or a point in time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, TypeVar

from hilum import words
from hilum.cli.exit import UsageError

E = TypeVar("E", bound=StrEnum)

_SECONDS: Final = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}


def one_of(kind: type[E], text: str) -> E:
    """The member that is meant; ``-`` and ``_`` count as spaces, so that a shell needs no quotes.

    Raises:
        UsageError: There is none; the message lists them.
    """
    plain = text.strip().lower().replace("-", " ").replace("_", " ")
    for member in kind:
        if member.value == plain:
            return member
    known = [member.value.replace(" ", "-") for member in kind]
    raise UsageError(f"{text!r} is no state of a {kind.__name__.lower()}; expected {words.listed(known, 'or')}")


def moment(text: str, now: datetime) -> datetime:
    """A point in time as people type it: how long ago (``90s``, ``30m``, ``2h``, ``7d``), or a date and time.

    Raises:
        UsageError: It is neither.
    """
    number = text.rstrip("abcdefghijklmnopqrstuvwxyz ")
    unit = text[len(number) :].strip()
    if number.isdigit() and unit in _SECONDS:
        try:
            return now - timedelta(seconds=int(number) * _SECONDS[unit])
        except OverflowError:
            return datetime.min.replace(tzinfo=UTC)
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{text!r} is no time: expected how long ago, such as 30m, 2h or 7d, or a date such as 2026-11-22T13:00"
        ) from None
