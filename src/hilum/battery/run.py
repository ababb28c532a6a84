"""Runs checks on a peer, one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hilum.battery.musts import CHECKS
from hilum.battery.target import Target
from hilum.battery.verdict import Check, Conforms, Deviates, NotObservable, UnobservableError, Verdict
from hilum.errors import PermanentError, TemporaryError


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a check said, and how many seconds it took."""

    check: Check
    verdict: Verdict
    seconds: float


def chosen(text: str) -> tuple[Check, ...]:
    """Checks by number and range of numbers, as in ``5,21-30``, in their order; all of them if the text is empty.

    Raises:
        PermanentError: It is no such list, or names no check.
    """
    if not text:
        return CHECKS
    wanted: set[int] = set()
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if not first.isdecimal() or not (last or first).isdecimal():
            raise PermanentError(f"{part!r} is no number and no range of numbers; expected such as 5,21-30")
        wanted.update(range(int(first[:9]), min(int((last or first)[:9]), CHECKS[-1].number) + 1))
    found = tuple(check for check in CHECKS if check.number in wanted)
    if not found:
        raise PermanentError(f"there is no check {text}; they are {CHECKS[0].number} to {CHECKS[-1].number}")
    return found


def run(
    target: Target, checks: Sequence[Check] = CHECKS, *, tell: Callable[[Outcome], None] = lambda _: None
) -> Sequence[Outcome]:
    """Run the checks; when the peer no longer answers, the rest is left out.

    Args:
        tell: Is given each outcome as it comes.

    Raises:
        TemporaryError, PermanentError: The peer accepts no association even before the first; when, or why.
    """
    _introduce(target)
    outcomes: list[Outcome] = []
    lost: int | None = None
    for check in checks:
        began = time.monotonic()
        if lost is not None:
            verdict: Verdict = NotObservable(f"the peer has not answered since check {lost}")
        else:
            verdict = check.run(target)
            # A peer that has done just what it should is there still; if it is not, the next check tells.
            suspect = verdict != Conforms() or check is checks[-1]
            if suspect and not target.alive():
                lost = check.number
                verdict = Deviates("answers no more", "an answer to the next request for an association")
        outcomes.append(Outcome(check=check, verdict=verdict, seconds=time.monotonic() - began))
        tell(outcomes[-1])
    return outcomes


def _introduce(target: Target) -> None:
    """Make sure that it is the right peer and that it knows us: else every check would tell the same.

    Raises:
        TemporaryError, PermanentError: It accepts no association.
    """
    who = f"{target.called} at {target.host} port {target.port}"
    try:
        with target.call(target.request()) as (_, heard):
            answer = str(heard)
    except UnobservableError as error:
        raise TemporaryError(f"{who}: {error}; check host and port, and that the peer runs") from error
    if answer.startswith("RJ 1/"):
        raise PermanentError(
            f"{who} rejects {target.calling} ({answer}): the battery needs a called AE title that the peer has and a "
            "calling one that it accepts; see --called and --calling"
        )
    if answer != "AC":
        raise TemporaryError(f"{who}: a request for an association is met with {answer}; check that it speaks DICOM")
