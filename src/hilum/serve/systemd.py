"""What a service manager is told: datagrams to the socket that it named.

Source: sd_notify(3), sd_watchdog_enabled(3).
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Self

import structlog

_log = structlog.get_logger(__name__)

_ABSTRACT: Final = "@"
#: What of the environment is for this process alone: jobs and other children must not speak for it.
_OURS: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceManager:
    """Whoever started the process; told nothing if it did not ask.

    Attributes:
        address: Of its socket; empty: it did not name one.
        watchdog: It ends the process if it is not told for so long that all is well; ``None``: it does not.
    """

    address: str = ""
    watchdog: timedelta | None = None

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Self:
        """As the environment says; what is meant for another process, or makes no sense, counts as not said."""
        address = environ.get("NOTIFY_SOCKET", "")
        every = environ.get("WATCHDOG_USEC", "")
        meant = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        watched = meant and every.isascii() and every.isdecimal() and int(every) > 0
        return cls(
            address=address if address[:1] in {"/", _ABSTRACT} else "",
            watchdog=timedelta(microseconds=int(every)) if watched else None,
        )

    @classmethod
    def take(cls, environ: MutableMapping[str, str]) -> Self:
        """As ``of``, and take it out of there."""
        found = cls.of(environ)
        for name in _OURS:
            environ.pop(name, None)
        return found

    def ready(self) -> None:
        """It does its work, or does it again after ``reloading``."""
        self._tell("READY=1")

    def reloading(self) -> None:
        """It reads its configuration; ``ready`` follows."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self, within: timedelta) -> None:
        """It ends in good order, and may take so long."""
        self._tell("STOPPING=1", f"EXTEND_TIMEOUT_USEC={within // timedelta(microseconds=1)}")

    def status(self, line: str) -> None:
        """One line for people."""
        self._tell(f"STATUS={' '.join(line.split())}")

    def alive(self) -> None:
        """All is well: the watchdog waits again from now on."""
        self._tell("WATCHDOG=1")

    def _tell(self, *assignments: str) -> None:
        if not self.address:
            return
        name = "\0" + self.address[1:] if self.address.startswith(_ABSTRACT) else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.settimeout(1)
                sock.sendto("\n".join(assignments).encode(), name)
        except OSError as error:
            _log.warning("manager.not_told", said=assignments[0], error=str(error))
