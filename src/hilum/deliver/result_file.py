"""A result's file on its way out: opened once, checked, and moved aside if it is not what the workflow wrote."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from stat import S_ISREG
from threading import Event
from typing import Final

from hilum.ledger.dispatch import DueFile
from hilum.store.durable import sync_folder, write_file

#: Beside ``output/``.
QUARANTINE: Final = "quarantine"
#: Of which both a core's cache and the number of calls are fond.
_READ_BYTES: Final = 256 * 1024
_REMEDY: Final = "If the file is wanted, put it back as the workflow wrote it, then: hilum retry"


class UnreadableError(Exception):
    """The file is gone, is no regular file or cannot be read; perhaps only for now."""


class DamagedError(Exception):
    """The file is there and is not what was collected: it must not be sent."""


class StoppedError(Exception):
    """Nobody wants to know any more."""


@contextmanager
def checked(folder: Path, file: DueFile) -> Iterator[int]:
    """A descriptor of the file, its bytes being those that were collected a moment ago.

    Args:
        folder: The job's.

    Raises:
        UnreadableError: See there.
        DamagedError: It differs in size or SHA-256, or was found so before; it lies in ``quarantine/`` then.
    """
    descriptor = open_checked(folder, file, Event())
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def open_checked(folder: Path, file: DueFile, over: Event) -> int:
    """The same, for the caller to close.

    Args:
        over: Ends the check of a large file before its end.

    Raises:
        StoppedError: It did.
    """
    path = folder / "output" / file.path
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        aside = folder / QUARANTINE / file.path
        if isinstance(error, FileNotFoundError) and aside.exists():
            raise DamagedError(f"the result file was damaged and lies in {QUARANTINE}/{file.path}") from error
        raise UnreadableError(f"the result file cannot be opened: {error.strerror}") from error
    with ExitStack() as unless_it_is_good:
        unless_it_is_good.callback(os.close, descriptor)
        if why := _difference(descriptor, file, over):
            raise DamagedError(f"{why}; {_put_aside(folder, file.path, why)}")
        unless_it_is_good.pop_all()
    return descriptor


def _difference(descriptor: int, file: DueFile, over: Event) -> str:
    stat = os.fstat(descriptor)
    size = stat.st_size
    if not S_ISREG(stat.st_mode):
        raise UnreadableError("the result file is not a regular file any more")
    if size != file.size:
        return f"the result file has {size} bytes now, {file.size} when it was collected"
    try:
        found = _sha256(descriptor, size, over)
    except OSError as error:
        raise UnreadableError(f"the result file cannot be read: {error.strerror}") from error
    if found != file.sha256:
        return f"the result file has changed: its SHA-256 is {found} now, {file.sha256} when it was collected"
    return ""


def _sha256(descriptor: int, size: int, over: Event) -> str:
    # By hand and not by hashlib.file_digest, which cannot be stopped and gets itself 256 KiB for 9.
    digest = hashlib.sha256()
    room = memoryview(bytearray(min(max(size, 1), _READ_BYTES)))
    at = 0
    while count := os.preadv(descriptor, [room], at):
        digest.update(room[:count])
        at += count
        if over.is_set():
            raise StoppedError
    return digest.hexdigest()


def _put_aside(folder: Path, path: str, why: str) -> str:
    """Move it to ``quarantine/``, with the reason beside it; what became of it, as the end of a sentence."""
    try:
        aside = _free(folder / QUARANTINE / path)
        aside.parent.mkdir(parents=True, exist_ok=True)
        # The reason first: whoever finds the file finds why it is there.
        write_file(aside.with_name(f"{aside.name}.txt"), f"{why}.\nIt was {folder / 'output' / path}. {_REMEDY}.\n")
        (folder / "output" / path).rename(aside)
        for changed in (*_folders(aside.parent, folder), (folder / "output" / path).parent):
            sync_folder(changed)
    except OSError as error:
        return f"it could not be moved aside: {error.strerror}"
    return f"it was moved to {aside.relative_to(folder)}"


def _free(path: Path) -> Path:
    """The path, or one with a number behind it if an earlier one was put there."""
    if not path.exists():
        return path
    return next(other for number in count(2) if not (other := path.with_name(f"{path.name}.{number}")).exists())


def _folders(inner: Path, outer: Path) -> Iterator[Path]:
    while inner != outer:
        yield inner
        inner = inner.parent
    yield outer
