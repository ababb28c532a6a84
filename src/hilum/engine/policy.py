"""What follows from what an engine reports."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, assert_never

from hilum.engine.port import Phase, Status

#: How often handing over an attempt may come to nothing: the engine raises what nobody foresaw, or never begins.
MAX_SUBMISSIONS: Final = 5
#: How long an attempt may be pending before it is submitted again: what was to start it may have died before it could.
MAX_PENDING: Final = timedelta(seconds=10)
#: How long after a failed attempt the next one is due: what was wrong for a moment is over by then.
RETRY_AFTER: Final = timedelta(seconds=10)

#: How long an engine is left alone that cannot take jobs and does not say until when.
UNWELL_FOR: Final = timedelta(seconds=10)

_WITHOUT_REASON: Final = {
    Phase.FAILED: "the engine reports that it failed, and no reason",
    Phase.LOST: "the engine does not know it any more",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """The job is finished."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """The attempt failed and another one is due.

    Attributes:
        why: What went wrong this time.
    """

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fail:
    """The last attempt failed.

    Attributes:
        why: What went wrong this time.
    """

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Nothing is decided yet."""


Outcome = Finish | Retry | Fail | Wait


def after_run(status: Status, *, attempt: int, attempts: int) -> Outcome:
    """What to do about a job, given the state of its latest attempt.

    Args:
        status: As the engine reports it.
        attempt: The number of that attempt, from 1.
        attempts: The number of the last one that is made without an operator asking for more. A lost attempt counts:
            whatever made it vanish may well be its own doing.
    """
    match status.phase:
        case Phase.PENDING | Phase.RUNNING:
            return Wait()
        case Phase.SUCCEEDED:
            return Finish()
        case Phase.FAILED | Phase.LOST:
            why = status.reason or _WITHOUT_REASON[status.phase]
            return Retry(why=why) if attempt < attempts else Fail(why=why)
        case _:
            assert_never(status.phase)
