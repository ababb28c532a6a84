"""Signals, one after the other, for a main thread that waits for nothing else."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class Signals:
    """What ``arriving`` gives: see ``next``."""

    def __init__(self, reader: socket.socket, writer: socket.socket) -> None:
        self._reader = reader
        self._writer = writer

    def next(self) -> int:
        """Wait for a signal; its number. Those that come meanwhile are kept, in their order. 0: see ``wake``."""
        return self._reader.recv(1)[0]

    def wake(self) -> None:
        """Let ``next`` return 0 when it has told all that came before; any thread may call it."""
        self._writer.send(b"\0")


@contextmanager
def arriving(numbers: Sequence[signal.Signals]) -> Iterator[Signals]:
    """Take these signals while the block runs. For the main thread only.

    A handler in Python runs when the main thread comes round to it: one that has just begun to wait, or whose signal
    the kernel gave to another thread, would not. What the interpreter writes into a descriptor wakes whoever reads it.
    """
    reader, writer = socket.socketpair()
    with reader, writer:
        writer.setblocking(False)
        # set_wakeup_fd needs a handler in Python, too: without one the default would end the process.
        before = {number: signal.signal(number, lambda _number, _frame: None) for number in numbers}
        woken = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        try:
            yield Signals(reader, writer)
        finally:
            signal.set_wakeup_fd(woken)
            for number, handler in before.items():
                signal.signal(number, handler)
