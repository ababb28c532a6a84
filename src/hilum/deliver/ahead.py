"""Checks the next file of a parcel while the one before is on its way, so that the association waits for neither."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Final, Self

from hilum.deliver.result_file import checked, open_checked
from hilum.ledger.dispatch import DueFile

#: Less is checked sooner than a thread is told to.
_WORTH_A_THREAD: Final = 64 * 1024


class Ahead:
    """The file after the one that is being sent, checked in another thread; used as a context manager.

    One file ahead and no more: each holds a descriptor, and the check is to be a moment ago when the file goes.

    Args:
        folder: The job's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._thread: ThreadPoolExecutor | None = None
        self._next: tuple[DueFile, Future[int]] | None = None
        self._over = Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """What was checked and is not sent now is checked again when it is."""
        self._over.set()
        if self._next is not None:
            _close(self._next[1])
        if self._thread is not None:
            self._thread.shutdown()

    def check(self, file: DueFile) -> None:
        """Begin to check a file that is taken next."""
        if file.size < _WORTH_A_THREAD:
            return
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="deliver-check")
        self._next = file, self._thread.submit(open_checked, self._folder, file, self._over)

    @contextmanager
    def take(self, file: DueFile, following: DueFile | None) -> Iterator[int]:
        """As ``result_file.checked`` does; the following file is checked while the block runs."""
        ahead, self._next = self._next, None
        if ahead is not None and ahead[0] is not file:
            _close(ahead[1])
            ahead = None
        with checked(self._folder, file) if ahead is None else _closing(ahead[1]) as descriptor:
            if following is not None:
                self.check(following)
            yield descriptor


@contextmanager
def _closing(future: Future[int]) -> Iterator[int]:
    descriptor = future.result()
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _close(future: Future[int]) -> None:
    if not future.cancel() and future.exception() is None:
        os.close(future.result())
