"""Keeps this gateway alive in the ledger, and tells at once when it may not be taken for alive any more."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import structlog

from hilum.clock import Clock, since_boot, utc_now
from hilum.errors import HilumError
from hilum.ledger import gateways
from hilum.ledger.database import Database

_log = structlog.get_logger(__name__)

#: A renewal is tried so many times before the lease ends, and again each second if it failed.
RENEWALS: Final = 3
_AGAIN_SECONDS: Final = 1.0
#: Part of the lease that nothing is acknowledged in although it has not ended: clocks do not run equally fast, and what
#: was found to be so takes a moment to be acted on.
_MARGIN: Final = 0.1
#: How long an acknowledgement waits for a renewal after the process was stopped.
_PATIENCE_SECONDS: Final = 2.0


@dataclass(slots=True, kw_only=True)
class Heartbeat:
    """Renews the row of this gateway in a thread of its own.

    Others call a gateway gone whose row has not changed for as long as its lease, and hold what it had open. It cannot
    hear that while it is stopped, or while the ledger is out of its reach; but it can count: what it renewed holds for
    one lease from the moment before it asked. Time is that since boot, in which a stopped or sleeping machine goes on.

    Attributes:
        fenced: Called once, from that thread, if it was called gone: nothing that it does counts any more.
    """

    database: Database
    owner: str
    clock: Clock
    lease: timedelta
    fenced: Callable[[str], None]
    elapsed: Callable[[], float] = since_boot
    _holds_until: float = 0.0
    _failing: str = ""  # why it could not be renewed the last time
    _fenced: str = ""
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _now: threading.Event = field(default_factory=threading.Event)
    _stopping: bool = False
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin with the first renewal; returns when that has been tried."""
        self.beat()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Renew no more; returns when nothing goes on."""
        self._stopping = True
        self._now.set()
        if self._thread is not None:
            self._thread.join()

    def silent(self) -> str | None:
        """Why this gateway may acknowledge nothing now, or ``None``. From any thread; asked before each answer."""
        if self.elapsed() < self._holds_until and not self._fenced:
            return None
        with self._changed:
            if not self._failing and not self._fenced and self._thread is not None:
                # The process, or the machine, was stopped: perhaps nobody has noticed.
                self._now.set()
                self._changed.wait_for(lambda: self._holds or bool(self._failing or self._fenced), _PATIENCE_SECONDS)
            if self._fenced:
                return self._fenced
            if self._holds:
                return None
        why = self._failing or "this gateway was stopped"
        return f"the ledger has not heard of this gateway for longer than its lease: {why}"

    @property
    def _holds(self) -> bool:
        return self.elapsed() < self._holds_until

    def stands(self) -> bool:
        """Whether it was not called gone, as far as is known here."""
        return not self._fenced

    def _run(self) -> None:
        while not self._stopping and not self._fenced:
            wait = _AGAIN_SECONDS if self._failing else self.lease.total_seconds() / RENEWALS
            self._now.wait(wait)
            self._now.clear()
            if not self._stopping:
                self.beat()

    def beat(self) -> None:
        """Renew once; never raises."""
        asked, lease = self.elapsed(), self.lease.total_seconds()
        stands, failing = True, ""
        try:
            with self.database.note() as connection:
                now = self.clock()
                ahead = (utc_now() - now).total_seconds()
                stands = gateways.renew(connection, self.owner, now=now, until=now + self.lease, ahead=ahead)
        except HilumError as error:
            failing = str(error)
            _log.warning("gateway.not_renewed", owner=self.owner, error=failing)
        except Exception as error:  # noqa: BLE001  whatever it was, a gateway without this thread would be called gone
            failing = f"{type(error).__name__}: {error}"
            _log.exception("gateway.not_renewed", owner=self.owner)
        with self._changed:
            self._failing = failing
            if not failing and stands:
                self._holds_until = asked + lease * (1 - _MARGIN)
            elif not stands:
                self._fenced = (
                    "another gateway has called this one gone, since it was not heard of for longer than its lease, "
                    "and takes over its work"
                )
            self._changed.notify_all()
        if not stands:
            self.fenced(self._fenced)
