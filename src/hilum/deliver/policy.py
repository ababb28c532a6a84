"""When a failed delivery is tried again, and when it is given up; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from hilum.model import Answer

#: How often something that trying again hardly helps is tried all the same: a PACS may be mended meanwhile.
PERMANENT_ATTEMPTS: Final = 3
#: A peer that refuses the association by its configuration is not asked more often than this.
MISCONFIGURED_WAIT: Final = timedelta(minutes=15)


class Fault(StrEnum):
    """Why an attempt failed, as far as it decides what to do next."""

    UNREACHABLE = "unreachable"  # no association: refused, silent, congested; or it broke before an answer came
    MISCONFIGURED = "misconfigured"  # the peer rejects us for good: an AE title is wrong, here or there
    BUSY = "busy"  # the peer answered that it cannot now
    REFUSED = "refused"  # the peer answered that it will not have this instance
    LOCAL = "local"  # our file: gone, changed or unreadable


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRule:
    """``dicom.scu.retry``.

    Attributes:
        waits: Before the second attempt, the third and so on; the last one repeats. Never empty.
        give_up_after: Counted from when the delivery was queued.
    """

    waits: Sequence[timedelta]
    give_up_after: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryAt:
    """Try again, not before ``when``."""

    when: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """Do not try again unless an operator asks."""

    why: str
    remedy: str


def fault_of(answer: Answer) -> Fault:
    """What a C-STORE status that is neither success nor warning means for the next attempt.

    Unknown statuses count as busy: better to try once too often than to give up a result too early.

    Source: PS3.4 Table B.2-1; PS3.7 C.
    """
    if answer.status & 0xF000 == 0xC000 or answer.status & 0xFF00 == 0xA900:
        return Fault.REFUSED
    if answer.status in {0x0117, 0x0122, 0x0124, 0x0115, 0x0106, 0x0105, 0x0120, 0x0121, 0x0212}:
        return Fault.REFUSED
    return Fault.BUSY


def next_attempt(
    fault: Fault, *, attempts: int, queued_at: datetime, now: datetime, rule: RetryRule
) -> RetryAt | GiveUp:
    """What to do after a failed attempt.

    Args:
        attempts: How many failed, this one included; at least 1.
    """
    wait = rule.waits[min(attempts, len(rule.waits)) - 1]
    if fault in {Fault.REFUSED, Fault.LOCAL} and attempts >= PERMANENT_ATTEMPTS:
        where = "at the destination" if fault is Fault.REFUSED else "in the job's output folder"
        return GiveUp(why=f"tried {attempts} times", remedy=f"look at the reason {where}, mend it, then: hilum retry")
    if fault is Fault.MISCONFIGURED:
        wait = max(wait, min(MISCONFIGURED_WAIT, rule.waits[-1]))
    when = now + wait
    if when > queued_at + rule.give_up_after:
        days = rule.give_up_after / timedelta(days=1)
        return GiveUp(
            why=f"not delivered within {days:g} days (dicom.scu.retry.give-up-after)",
            remedy="mend the destination, then: hilum retry",
        )
    return RetryAt(when=when)
