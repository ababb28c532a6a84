"""Tells at once when a process has ended, so that nobody has to look again and again."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable
from contextlib import suppress


class Ends:
    """Watches processes, children or not; for any number of threads.

    Where the system cannot do it, before Linux 5.3 or when no descriptor is left, nothing is told: whoever listens
    looks at intervals as well.

    Source: pidfd_open(2).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watched: dict[int, int] = {}  # pidfds, by process id
        self._listeners: list[Callable[[], None]] = []
        self._ready: select.epoll | None = None

    def listen(self, told: Callable[[], None]) -> Callable[[], None]:
        """Have ``told`` called, in a thread of its own, when some of the processes have ended.

        Returns:
            Call it to hear no more.
        """
        with self._lock:
            self._listeners.append(told)

        def stop() -> None:
            with self._lock:
                self._listeners.remove(told)

        return stop

    def watch(self, pid: int) -> None:
        """Tell when that process ends; one that is watched already is told of once."""
        with self._lock:
            if pid in self._watched:
                return
            with suppress(OSError, AttributeError):
                pidfd = os.pidfd_open(pid)
                self._watched[pid] = pidfd
                self._poll().register(pidfd, select.EPOLLIN)

    def _poll(self) -> select.epoll:
        # Not before it is needed: a process that was forked from this one must not share it.
        if self._ready is None:
            self._ready = select.epoll()
            threading.Thread(target=self._run, args=(self._ready,), name="engine-ends", daemon=True).start()
        return self._ready

    def _run(self, ready: select.epoll) -> None:
        while True:
            ended = {pidfd for pidfd, _ in ready.poll()}
            with self._lock:
                self._watched = {pid: pidfd for pid, pidfd in self._watched.items() if pidfd not in ended}
                listeners = tuple(self._listeners)
            for pidfd in ended:
                # Closing alone would not do: a process that is being forked has the descriptor too, and what is still
                # registered would be told, and closed, again, when its number may be another file's.
                ready.unregister(pidfd)
                os.close(pidfd)
            for told in listeners:
                told()
