"""Which steps may find something to do once another one has done something.

Steps meet in rows of the ledger, and every one looks there once a second anyway. Who is named here looks at once. To
wake all of them each time would cost more than their work: a dozen questions to the ledger for each that has an answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from hilum.runner import Wake

#: By the name of a step: those that go on with what it leaves. Itself is not named: it always looks for more.
FOLLOWS: Final[Mapping[str, Sequence[str]]] = {
    "clock": (),
    "takeover": ("group", "job", "submit", "watch"),
    "end": ("group", "job"),
    "held": ("group", "job"),
    "group": ("job",),
    "job": ("submit",),
    "submit": ("watch",),
    "watch": ("results", "submit"),
    "adoption": ("results",),
    "results": ("deliver", "receipt"),
    "deliver": ("receipt", "probe"),
    "probe": ("deliver", "receipt"),
    "receipt": (),
    # Nobody waits for what these do.
    "sweep": (),
    "retention": (),
    "disk": ("news",),
    "news": ("notify",),
    "notify": (),
    "quarantine": (),
    "senders": (),
}
#: Those that go on with what an association leaves that was released.
_RELEASED: Final = ("group", "job")


class Wakes:
    """What each step sleeps on."""

    def __init__(self) -> None:
        self._of = {name: Wake() for name in FOLLOWS}

    def of(self, step: str) -> Wake:
        """What that step sleeps on."""
        return self._of[step]

    def after(self, step: str) -> Sequence[Wake]:
        """What those sleep on that follow it."""
        return [self._of[name] for name in FOLLOWS[step]]

    def released(self) -> None:
        """An association was released."""
        for name in _RELEASED:
            self._of[name].notify()

    def notify(self) -> None:
        """Anything may have changed."""
        for wake in self._of.values():
            wake.notify()
