"""Ends a conversation that takes too long in all.

The time-out of a socket counts from each byte anew: who sends one every few seconds could keep a thread for ever.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self


class Deadline:
    """Shuts a socket down after some seconds, unless the block is left before.

    Args:
        seconds: For the whole block.
        found: Gives the socket of the moment; it may change, since TLS puts another one around it.
    """

    def __init__(self, seconds: float, found: Callable[[], socket.socket | None]) -> None:
        self.expired = False
        self._found = found
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()

    def _end(self) -> None:
        self.expired = True
        found = self._found()
        if found is not None:
            with suppress(OSError):  # it is over already
                found.shutdown(socket.SHUT_RDWR)
