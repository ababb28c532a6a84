"""What one look of the doctor comes to. Values only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Grade(StrEnum):
    """How it is, the best first."""

    OK = "OK"
    LOOK = "look"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One look.

    Attributes:
        area: clock, disk, permissions, ports, descriptors, ledger, gateways, engines, destinations or senders.
        subject: What of it: a folder, a port, a name.
        found: As a clause.
        expected: What would be well; empty where that is what was found.
        remedy: What to do; empty if nothing.
    """

    area: str
    subject: str
    grade: Grade
    found: str
    expected: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All looks.

    Attributes:
        healthy: Nothing is wrong; there may be something to look at.
        checks: Area by area.
    """

    at: datetime
    healthy: bool
    checks: tuple[Check, ...]


def report(checks: Sequence[Check], at: datetime) -> Report:
    """What they come to together."""
    return Report(at=at, healthy=all(one.grade is not Grade.WRONG for one in checks), checks=tuple(checks))
