"""When a failed delivery or a failed destination is tried again, what is given up, and who goes first; pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from hilum.model import Answer
from hilum.retry import SPREAD, RetryAt, RetryRule, spread

#: How often something that trying again hardly helps is tried all the same: a PACS may be mended meanwhile.
PERMANENT_ATTEMPTS: Final = 3
#: A peer that refuses the association by its configuration is not asked more often than this.
MISCONFIGURED_WAIT: Final = timedelta(minutes=15)


class Fault(StrEnum):
    """Why an attempt failed, as far as it decides what to do next."""

    UNREACHABLE = "unreachable"  # no association: refused, silent, congested; or it broke before an answer came
    MISCONFIGURED = "misconfigured"  # the peer rejects us for good: an AE title is wrong, here or there
    FULL = "full"  # the peer answered that it has no room
    BUSY = "busy"  # the peer answered that it cannot now
    REFUSED = "refused"  # the peer answered that it will not have this instance
    LOCAL = "local"  # our file: gone or unreadable
    DAMAGED = "damaged"  # our file: not what was collected any more
    POISON = "poison"  # each time it was sent, the gateway died of it


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
    if answer.status & 0xFF00 == 0xA700:
        return Fault.FULL
    if answer.status & 0xF000 == 0xC000 or answer.status & 0xFF00 == 0xA900:
        return Fault.REFUSED
    if answer.status in {0x0117, 0x0122, 0x0124, 0x0115, 0x0106, 0x0105, 0x0120, 0x0121, 0x0212}:
        return Fault.REFUSED
    return Fault.BUSY


def concerns_destination(fault: Fault, *, attempts: int) -> bool:
    """Whether what happened at a file tells that the destination is unwell, and not only that the file is.

    A destination that has no room or breaks off is left alone for a while, lest every file be shipped in vain. A file
    that has failed before says nothing of it, lest one that is too large, or that the peer cannot bear, keep all others
    waiting again and again.

    Args:
        attempts: How many failed at this file before.
    """
    return fault in {Fault.UNREACHABLE, Fault.FULL} and attempts == 0


def newest_first(served: int) -> bool:
    """Whether the next parcel for a destination is the newest one instead of the one that has waited longest.

    Every second one: so today's study overtakes the backlog of a weekend, which still goes at half the speed at least.

    Args:
        served: How many parcels that destination has been given.
    """
    return served % 2 == 1


def next_attempt(
    fault: Fault, *, attempts: int, queued_at: datetime, now: datetime, rule: RetryRule, chance: float
) -> RetryAt | GiveUp:
    """What to do after a failed attempt.

    Args:
        attempts: How many failed, this one included; at least 1.
        chance: At random, from 0 to less than 1.
    """
    final = _beyond_help(fault, attempts)
    if final is not None:
        return final
    when = next_probe(fault, failures=attempts, now=now, rule=rule, chance=chance)
    if queued_at < overdue(when, rule):
        return out_of_time(rule)
    return RetryAt(when=when)


def next_probe(fault: Fault, *, failures: int, now: datetime, rule: RetryRule, chance: float) -> datetime:
    """When a destination that failed is asked again.

    Args:
        failures: In a row, this one included; at least 1.
        chance: At random, from 0 to less than 1.
    """
    wait = rule.wait(failures)
    if fault is Fault.MISCONFIGURED:
        wait = max(wait, min(MISCONFIGURED_WAIT, rule.waits[-1]) / (1 - SPREAD))
    return now + spread(wait, chance)


def overdue(when: datetime, rule: RetryRule) -> datetime:
    """What was queued before this is given up, if it cannot be tried again before ``when``."""
    return when - rule.give_up_after


def out_of_time(rule: RetryRule) -> GiveUp:
    """The end of what could not be delivered in all its time."""
    days = rule.give_up_after / timedelta(days=1)
    return GiveUp(
        why=f"not delivered within {days:g} days (dicom.scu.retry.give-up-after)",
        remedy="mend the destination, then: hilum retry",
    )


def _beyond_help(fault: Fault, attempts: int) -> GiveUp | None:
    if fault is Fault.DAMAGED:
        remedy = "put the file back into the job's output folder as the workflow wrote it, then: hilum retry"
        return GiveUp(why="it is not sent", remedy=remedy)
    if fault is Fault.POISON:
        remedy = "look for the last lines of the log before each start, report them, mend the cause, then: hilum retry"
        return GiveUp(why="it is not tried again", remedy=remedy)
    if fault in {Fault.REFUSED, Fault.LOCAL} and attempts >= PERMANENT_ATTEMPTS:
        where = "at the destination" if fault is Fault.REFUSED else "in the job's output folder"
        return GiveUp(why=f"tried {attempts} times", remedy=f"look at the reason {where}, mend it, then: hilum retry")
    return None
