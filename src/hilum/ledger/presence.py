"""The connection by which a gateway is present on a server: it is seen there, hears others, and knows the time."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from datetime import datetime
from typing import Any, Final

import psycopg
import structlog

from hilum.clock import MeasuredClock, since_boot
from hilum.ledger.port import LedgerBusyError, LedgerUnusableError

#: Advisory locks of a ledger: bigints that nobody else is likely to use ("hilum" and a number).
MIGRATING: Final = 0x68696C756D0001
#: Each gateway has a share of this one; who wants the ledger for itself takes the whole.
ATTENDED: Final = 0x68696C756D0002
#: What gateways tell each other goes through this channel.
_CHANNEL: Final = "hilum"
#: Seconds between two looks at the server's clock.
_MEASURE: Final = 5.0
#: Answers that take longer tell the time too roughly; at the start, the quickest of so many counts.
_PROMPT: Final = 0.2
_SAMPLES: Final = 3
#: Seconds until a connection that broke is made anew.
_AGAIN: Final = 1.0

_log = structlog.get_logger("hilum.ledger")


class Presence:
    """One connection in a thread of its own, made anew when it breaks. Messages are wake-ups and may be lost.

    Args:
        connect: Opens it, in autocommit mode.
        clock: Told what time the server has.
        heard: Called with each word that somebody else told; with an empty one after a break.
        name: The ledger, for messages.
    """

    def __init__(
        self,
        connect: Callable[[], psycopg.Connection[Any]],
        *,
        clock: MeasuredClock,
        heard: Callable[[str], None],
        name: str,
    ) -> None:
        self._connect = connect
        self._clock = clock
        self._heard = heard
        self._name = name
        self._words: set[str] = set()
        self._lock = threading.Lock()
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._stopping = threading.Event()
        self._over = False
        self._thread = threading.Thread(target=self._run, name="presence", daemon=True)
        self._measure_at = 0.0
        self._connection: psycopg.Connection[Any] | None = None

    def start(self) -> None:
        """Be there; the clock is measured when this returns.

        Raises:
            LedgerBusyError: The server cannot be reached.
            LedgerUnusableError: Somebody has the ledger for himself.
        """
        try:
            self._connection = self._open()
        except psycopg.Error as error:
            os.close(self._bell)
            raise LedgerBusyError(
                f"the ledger {self._name} cannot be reached: {' '.join(str(error).split())}"
            ) from None
        except LedgerUnusableError:
            os.close(self._bell)
            raise
        self._thread.start()

    def stop(self) -> None:
        """Be gone."""
        self._stopping.set()
        os.eventfd_write(self._bell, 1)
        self._thread.join()
        with self._lock:  # nobody is about to ring a bell that by then is something else
            self._over = True
            os.close(self._bell)

    def tell(self, words: Sequence[str]) -> None:
        """Soon; the same word once, however often it is told until then."""
        with self._lock:
            if not self._over:
                self._words.update(words)
                os.eventfd_write(self._bell, 1)

    def _open(self) -> psycopg.Connection[Any]:
        connection = self._connect()
        try:
            self._take_share(connection)
            connection.execute(f"LISTEN {_CHANNEL}")
            self._clock.measured(*min((_ask_time(connection) for _ in range(_SAMPLES)), key=_delay))
            self._measure_at = since_boot() + _MEASURE
        except BaseException:
            connection.close()
            raise
        return connection

    def _take_share(self, connection: psycopg.Connection[Any]) -> None:
        row = connection.execute("SELECT pg_try_advisory_lock_shared(%s)", (ATTENDED,)).fetchone()
        if row is None or not row[0]:
            raise LedgerUnusableError(
                f"somebody works on the ledger {self._name} alone (hilum fsck --repair, hilum ledger copy); "
                "start the gateway when that is over"
            )

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                if self._connection is None:
                    self._connection = self._open()
                    _log.info("ledger.present_again", ledger=self._name)
                    self._heard("")
                self._attend(self._connection)
            except (psycopg.Error, OSError, LedgerUnusableError) as error:
                if self._connection is not None:
                    _log.warning("ledger.presence_lost", ledger=self._name, error=" ".join(str(error).split()))
                    self._connection.close()
                    self._connection = None
                self._stopping.wait(_AGAIN)
        if self._connection is not None:
            # The server would see some time after this process that it has gone.
            with closing(self._connection), suppress(psycopg.Error):
                self._connection.execute("SELECT pg_advisory_unlock_shared(%s)", (ATTENDED,))

    def _attend(self, connection: psycopg.Connection[Any]) -> None:
        """One round: wait for something to hear, to tell or to measure, and do it."""
        wait = max(0.0, self._measure_at - since_boot())
        ready, _, _ = select.select([connection.fileno(), self._bell], [], [], wait)
        if self._bell in ready:
            os.eventfd_read(self._bell)
        with self._lock:
            words, self._words = sorted(self._words), set()
        for word in words:
            connection.execute("SELECT pg_notify(%s, %s)", (_CHANNEL, word))
        if since_boot() >= self._measure_at:
            answer = _ask_time(connection)
            if _delay(answer) <= _PROMPT:
                self._clock.measured(*answer)
            self._measure_at = since_boot() + _MEASURE
        for message in connection.notifies(timeout=0):
            if message.pid != connection.info.backend_pid:
                self._heard(message.payload)


def _ask_time(connection: psycopg.Connection[Any]) -> tuple[datetime, float, float]:
    """What time the server has, and the seconds since boot before and after it was asked."""
    asked = since_boot()
    row = connection.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    return row[0], asked, since_boot()


def _delay(answer: tuple[datetime, float, float]) -> float:
    return answer[2] - answer[1]
