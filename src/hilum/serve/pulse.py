"""Whether the gateway makes progress, and telling the service manager so: one that hangs is not heard of, and ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import structlog

from hilum.serve.systemd import ServiceManager

_log = structlog.get_logger(__name__)

#: How often the line for people is renewed where nothing watches.
_STATUS: Final = timedelta(seconds=10)


@dataclass(slots=True, kw_only=True)
class Pulse:
    """Looks, and tells, until it is stopped.

    Attributes:
        turns: When each part last turned, by its name, monotonic; asked from a thread of its own.
        answers: Returns when the ledger has answered, be it that it is down. One that never answers stops the pulse.
        status: One line on what goes on.
    """

    manager: ServiceManager
    turns: Callable[[], Mapping[str, float]]
    answers: Callable[[], None]
    status: Callable[[], str]
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, if somebody wants to hear; returns at once."""
        if self.manager.address:
            self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Tell nothing more. Not waited for: what it asks may be what hangs."""
        self._over.set()

    def _run(self) -> None:
        patience = self.manager.watchdog
        every = _STATUS if patience is None else min(patience / 2, _STATUS)
        while not self._over.wait(every.total_seconds()):
            try:
                self._look(patience)
            except Exception:  # noqa: BLE001  what cannot be said must not end the one who says that all is well
                _log.exception("pulse.fault")

    def _look(self, patience: timedelta | None) -> None:
        self.answers()
        late = [] if patience is None else hanging(self.turns(), time.monotonic(), patience)
        if late:
            _log.error("gateway.hangs", parts=late, remedy="the service manager starts it again if this lasts")
            self.manager.status(f"hangs: {', '.join(late)}")
            return
        if patience is not None:
            self.manager.alive()
        self.manager.status(self.status())


def hanging(turns: Mapping[str, float], now: float, patience: timedelta) -> list[str]:
    """The parts that have not turned for longer than that."""
    return [name for name, turned_at in turns.items() if now - turned_at > patience.total_seconds()]
