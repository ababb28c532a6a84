"""How long to wait before trying again: what deliveries and notices have in common; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

#: By how much of itself a wait is made longer or shorter, so that what failed together is not tried again together.
SPREAD: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRule:
    """``dicom.scu.retry`` or ``notifications.retry``.

    Attributes:
        waits: Before the second attempt, the third and so on; the last one repeats. Never empty.
        give_up_after: Of a delivery counted from when it was queued; of a notice from when the last of what it tells
            happened, or from when it may be told.
    """

    waits: Sequence[timedelta]
    give_up_after: timedelta

    def wait(self, failures: int) -> timedelta:
        """How long after so many failures in a row, at least 1, before ``spread``."""
        return self.waits[min(failures, len(self.waits)) - 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryAt:
    """Try again, not before ``when``."""

    when: datetime


def spread(wait: timedelta, chance: float) -> timedelta:
    """A wait made longer or shorter.

    Args:
        chance: At random, from 0 to less than 1.
    """
    return wait * (1 - SPREAD + 2 * SPREAD * chance)
