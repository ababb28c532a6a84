"""A process of ours that works in the background, with what it says in a file."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final, TypeVar

from hilum.errors import PermanentError
from hilum.words import duration, printable

#: How long it may take to end in good order before it is killed.
_PATIENCE: Final = 20.0
_POLL_SECONDS: Final = 0.05
_TAIL_LINES: Final = 20

T = TypeVar("T")


class ChildError(PermanentError):
    """A process did not do what it should; the message ends with what it said last."""


class Child:
    """Runs a command of ``hilum`` until it is stopped; used as a context manager.

    Args:
        name: For messages.
        arguments: As on the command line, without ``hilum``.
        log: Gets standard output and standard error.
    """

    def __init__(self, name: str, arguments: Sequence[str], log: Path) -> None:
        self.name = name
        self.log = log
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                # Not by the name of the program, which need not be on the PATH; nor with this folder's modules.
                [sys.executable, "-P", "-m", "hilum", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                # A session of its own: Ctrl-C is for us, and we end it in good order.
                start_new_session=True,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
            )

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def ended(self) -> int | None:
        """Its exit status, negative for a signal; ``None`` while it runs."""
        return self._process.poll()

    def said(self) -> str:
        """Everything it has said so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def stop(self) -> int:
        """Ask it to end, insist after a while; returns its exit status."""
        if self.ended is None:
            self._process.terminate()
            try:
                self._process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
        return self._process.wait()

    def failed(self, what: str) -> ChildError:
        """An error that shows the end of the log."""
        lines = [printable(line) for line in self.said().splitlines()[-_TAIL_LINES:]] or ["(nothing)"]
        return ChildError("\n  ".join([f"{what}; the end of {self.log}:", *lines]))


def wait_for(what: str, look: Callable[[], T | None], children: Sequence[Child], limit: timedelta) -> T:
    """Look again and again until there is something; give up when a child has ended or the time is over.

    Args:
        what: Completes "waited 20 s for ...".
        look: ``None`` = not yet.
        children: The first is the one whose log explains a delay.

    Raises:
        ChildError: It did not come.
    """
    until = time.monotonic() + limit.total_seconds()
    while True:
        found = look()
        if found is not None:
            return found
        for child in children:
            if child.ended is not None:
                raise child.failed(f"{child.name} ended with status {child.ended} while waiting for {what}")
        if time.monotonic() > until:
            raise children[0].failed(f"waited {duration(limit)} in vain for {what}")
        time.sleep(_POLL_SECONDS)
