"""Notices that the configuration file changed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from watchfiles import watch

#: Device, inode, size and time of the last change: what tells one state of a file from another.
_Look = tuple[int, int, int, int]


@dataclass(slots=True)
class Watch:
    """Calls ``changed`` after the file was written, replaced, or made again since this was made.

    The folder is watched, not the file: editors and configuration management replace files instead of writing them.
    Twice a second the file itself is looked at as well, because a link on its path may be turned to another one, as
    Kubernetes does, and because a file can change before the watching has begun.
    """

    path: Path
    changed: Callable[[], object]
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _seen: _Look | None = None

    def __post_init__(self) -> None:
        self._seen = self._look()

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread = threading.Thread(target=self._run, name="config-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; returns when the callback will not be called any more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        wanted = str(self.path.resolve())
        before = self._seen
        for changes in watch(
            self.path.resolve().parent,
            watch_filter=lambda _change, path: path == wanted,
            stop_event=self._stop,
            rust_timeout=500,
            yield_on_timeout=True,
            recursive=False,
            raise_interrupt=False,
        ):
            now = self._look()
            # What nothing was told of may be half written: it counts once it has not changed for half a second.
            settled = bool(changes) or now == before
            before = now
            if settled and now not in {None, self._seen}:
                self._seen = now
                self.changed()

    def _look(self) -> _Look | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
