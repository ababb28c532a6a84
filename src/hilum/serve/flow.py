"""Which steps may find something to do once another one has done something.

Steps meet in rows of the ledger, and every one looks there once a second anyway. Who is named here looks at once. To
wake all of them each time would cost more than their work: a dozen questions to the ledger for each that has an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
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


#: What gateways tell each other when anything may have changed.
_ALL: Final = "*"


class Wakes:
    """What each step sleeps on, here and in other gateways on the same ledger.

    Others are told of a hand-over only if the step that goes on with it does not run here: where it runs in several
    gateways, this one is the nearest. Whatever they are not told, or miss, their next poll finds.

    Args:
        tell: Lets other gateways hear which steps have something to do.
    """

    def __init__(self, tell: Callable[[Sequence[str]], None] = lambda _words: None) -> None:
        self._of = {name: Wake() for name in FOLLOWS}
        self._far = {name: _FarWake(name, tell) for name in FOLLOWS}
        self._here: set[str] = set()
        self._tell = tell

    def run(self, steps: Iterable[str]) -> None:
        """These run here: those that follow them are woken here, too."""
        self._here.update(steps)

    def of(self, step: str) -> Wake:
        """What that step sleeps on."""
        return self._of[step]

    def _next(self, step: str) -> Wake:
        return self._of[step] if step in self._here else self._far[step]

    def after(self, step: str) -> Sequence[Wake]:
        """What those sleep on that follow it, here or elsewhere."""
        return [self._next(name) for name in FOLLOWS[step]]

    def released(self) -> None:
        """An association was released."""
        for name in _RELEASED:
            self._next(name).notify()

    def notify(self) -> None:
        """Anything may have changed here."""
        for wake in self._of.values():
            wake.notify()

    def tell_all(self) -> None:
        """Anything may have changed for every gateway: an operator asked for something."""
        self.notify()
        self._tell([_ALL])

    def hear(self, word: str) -> None:
        """Another gateway told something; an empty word: it is not known what was missed."""
        if word in self._of:
            self._of[word].notify()
        else:
            self.notify()


class _FarWake(Wake):
    """Wakes a step in other gateways."""

    def __init__(self, step: str, tell: Callable[[Sequence[str]], None]) -> None:
        super().__init__()
        self._step = step
        self._tell = tell

    def notify(self) -> None:
        self._tell([self._step])
