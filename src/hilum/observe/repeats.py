"""Keeps the log readable in a storm: of warnings that say the same, one a minute, with how many were held back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Final

import structlog
from structlog.typing import EventDict, WrappedLogger

#: What a line is told with how many of its kind were held back since the one before.
SUPPRESSED: Final = "suppressed"

#: After this nothing comes: what was held back until then is told before it.
_LAST: Final = "gateway.stopped"
_PAUSE_SECONDS: Final = 60.0
#: Of so many different ones it is known that they were said; more than this would be a storm of their own.
_REMEMBERED: Final = 1024
#: These are different each time although it is the same that happens.
_DIFFERENT: Final = frozenset({"at", "port", "association", "delivery", "sop_instance"})
_COUNTS: Final = frozenset({"stored", "ignored", "refused", "echoes", "bytes", "seconds"})
#: A peer that is rejected may call itself something else each time; each rejection stands in the history.
_CHOSEN_BY_PEERS: Final = frozenset({"calling", "called", "why", "remedy"})
_ALSO_DIFFERENT: Final[Mapping[str, frozenset[str]]] = {
    "association.ended": _COUNTS,
    "association.rejected": _CHOSEN_BY_PEERS,
}

_log = structlog.get_logger("hilum.observe")


@dataclass(slots=True)
class _Said:
    """One kind of warning.

    Attributes:
        until: Monotonic; what comes before is held back.
        held_back: How many were.
    """

    event: str
    until: float
    held_back: int = 0


class Repeats:
    """A processor of structlog. Errors always pass, and so does what is no warning.

    Args:
        clock: Monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._guard = threading.Lock()
        self._said: dict[Hashable, _Said] = {}

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        """Let it pass, or raise ``DropEvent``. What was held back in a storm that is over is told first."""
        now = self._clock()
        is_warning = event.get("level") == "warning"
        with self._guard:
            over = list(self._over(float("inf") if event.get("event") == _LAST else now))
            held_back = self._held_back(event, now) if is_warning else 0
        for said in over:
            Context().run(_tell, said)  # in none: it is not about what this thread happens to work on
        if held_back is None:
            raise structlog.DropEvent
        if held_back:
            event[SUPPRESSED] = held_back
        return event

    def _over(self, now: float) -> Iterator[_Said]:
        """Kinds that were held back and have not come again for twice the pause, the longest ago first."""
        while self._said:
            key, said = next(iter(self._said.items()))
            if now < said.until + _PAUSE_SECONDS and len(self._said) <= _REMEMBERED:
                return
            del self._said[key]
            if said.held_back:
                yield said

    def _held_back(self, event: EventDict, now: float) -> int | None:
        """How many were since the last one that passed; ``None``: this one is, too."""
        key = _kind(event)
        said = self._said.get(key)
        if said is not None and now < said.until:
            said.held_back += 1
            return None
        self._said.pop(key, None)
        self._said[key] = _Said(event=str(event["event"]), until=now + _PAUSE_SECONDS)
        return said.held_back if said is not None else 0


def _tell(said: _Said) -> None:
    _log.info("log.repeated", of=said.event, **{SUPPRESSED: said.held_back})


def _kind(event: Mapping[str, Any]) -> Hashable:
    different = _DIFFERENT | _ALSO_DIFFERENT.get(str(event.get("event")), frozenset())
    return tuple(sorted((name, str(value)) for name, value in event.items() if name not in different))
