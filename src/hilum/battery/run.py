"""Runs checks on a peer, one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from hilum.battery.musts import CHECKS
from hilum.battery.target import Target
from hilum.battery.verdict import Check, Deviates, NotObservable, Verdict
from hilum.errors import PermanentError, TemporaryError


class UnreachableError(TemporaryError):
    """The peer does not answer a request for an association at all."""


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
    target: Target, checks: Iterable[Check] = CHECKS, *, tell: Callable[[Outcome], None] = lambda _: None
) -> Sequence[Outcome]:
    """Run the checks; after each the peer must still answer, or the rest is left out.

    Args:
        tell: Is given each outcome as it comes.

    Raises:
        UnreachableError: The peer does not answer even before the first.
    """
    if not target.alive():
        raise UnreachableError(
            f"{target.called} at {target.host} port {target.port} does not answer a request for an association; "
            "check host and port, and that nothing between here and there blocks it"
        )
    outcomes: list[Outcome] = []
    lost: int | None = None
    for check in checks:
        began = time.monotonic()
        if lost is not None:
            verdict: Verdict = NotObservable(f"the peer has not answered since check {lost}")
        else:
            verdict = check.run(target)
            if not target.alive():
                lost = check.number
                verdict = Deviates("answers no more", "an answer to the next request for an association")
        outcomes.append(Outcome(check=check, verdict=verdict, seconds=time.monotonic() - began))
        tell(outcomes[-1])
    return outcomes
