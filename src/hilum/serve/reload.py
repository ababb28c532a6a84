"""Notices that the configuration file changed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from watchfiles import watch


@dataclass(slots=True)
class Watch:
    """Calls ``changed`` after the file was written, replaced, or made again.

    The folder is watched, not the file: editors and configuration management replace files instead of writing them.
    """

    path: Path
    changed: Callable[[], object]
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

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
        changes = watch(
            self.path.resolve().parent,
            watch_filter=lambda _change, path: path == wanted,
            stop_event=self._stop,
            rust_timeout=500,
            yield_on_timeout=False,
            recursive=False,
            raise_interrupt=False,
        )
        for _ in changes:
            if self.path.exists():
                self.changed()
