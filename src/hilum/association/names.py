"""Host names of sources, looked up in the background so that no association ever waits for a name server."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterable
from datetime import timedelta
from ipaddress import ip_network

from hilum.association.admission import Network, parse_address


class HostNames:
    """What the watched names stand for, as of the last look-up that worked.

    A name that cannot be resolved for a while keeps its last addresses: a name server that is down must not shut out
    the scanners.

    Args:
        refresh: How long an answer is used before it is looked up again.
    """

    def __init__(self, *, refresh: timedelta = timedelta(seconds=60)) -> None:
        self._refresh = refresh.total_seconds()
        self._changed = threading.Condition()
        self._wanted: frozenset[str] = frozenset()
        self._networks: dict[str, tuple[Network, ...]] = {}
        self._tried: dict[str, float] = {}  # name -> monotonic time of the last look-up
        self._closed = False
        self._thread: threading.Thread | None = None

    def watch(self, names: Iterable[str]) -> None:
        """Replace the names that are kept up to date; returns at once."""
        wanted = frozenset(names)
        with self._changed:
            if self._closed or wanted == self._wanted:
                return
            self._wanted = wanted
            for known in (self._networks, self._tried):
                for name in known.keys() - wanted:
                    del known[name]
            if wanted and self._thread is None:
                # A daemon: a look-up can hang for half a minute and cannot be interrupted.
                self._thread = threading.Thread(target=self._run, name="host-names", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def networks(self, name: str) -> tuple[Network, ...]:
        """Addresses of a watched name, each as a network of one; empty while it has never been resolved."""
        with self._changed:
            return self._networks.get(name, ())

    def wait_until_tried(self, timeout: timedelta) -> bool:
        """Wait until each watched name was looked up once, answered or not; ``False`` if time ran out."""
        with self._changed:
            return self._changed.wait_for(lambda: self._wanted <= self._tried.keys(), timeout.total_seconds())

    def close(self) -> None:
        """Stop looking up; what is known stays known."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                name = self._next_name()
                while name is None and not self._closed:
                    self._changed.wait(self._refresh)
                    name = self._next_name()
                if self._closed:
                    return
                assert name is not None
            found = _look_up(name)
            with self._changed:
                if name in self._wanted:
                    self._tried[name] = time.monotonic()
                    if found:
                        self._networks[name] = found
                self._changed.notify_all()

    def _next_name(self) -> str | None:
        """A watched name that was never looked up, or the one with the oldest answer if that is too old."""
        oldest = min(self._wanted, key=lambda name: self._tried.get(name, float("-inf")), default=None)
        if oldest is None or time.monotonic() - self._tried.get(oldest, float("-inf")) < self._refresh:
            return None
        return oldest


def _look_up(name: str) -> tuple[Network, ...]:
    """All addresses of the name, in the resolver's order; empty if it has none just now."""
    # UnicodeError: a text that cannot be a host name at all, such as a label of 70 characters.
    with contextlib.suppress(OSError, UnicodeError):
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        return tuple(dict.fromkeys(ip_network(parse_address(str(address[0]))) for *_, address in found))
    return ()
