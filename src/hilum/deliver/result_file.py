"""A result's file on its way out: opened once, checked, and moved aside if it is not what the workflow wrote."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from stat import S_ISREG
from typing import Final

from hilum.ledger.dispatch import DueFile
from hilum.store.durable import sync_folder, write_file

#: Beside ``output/``.
QUARANTINE: Final = "quarantine"
_REMEDY: Final = "If the file is wanted, put it back as the workflow wrote it, then: hilum retry"


class UnreadableError(Exception):
    """The file is gone, is no regular file or cannot be read; perhaps only for now."""


class DamagedError(Exception):
    """The file is there and is not what was collected: it must not be sent."""


@contextmanager
def checked(folder: Path, file: DueFile) -> Iterator[int]:
    """A descriptor of the file, its bytes being those that were collected a moment ago.

    Args:
        folder: The job's.

    Raises:
        UnreadableError: See there.
        DamagedError: It differs in size or SHA-256, or was found so before; it lies in ``quarantine/`` then.
    """
    path = folder / "output" / file.path
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        aside = folder / QUARANTINE / file.path
        if isinstance(error, FileNotFoundError) and aside.exists():
            raise DamagedError(f"the result file was damaged and lies in {QUARANTINE}/{file.path}") from error
        raise UnreadableError(f"the result file cannot be opened: {error.strerror}") from error
    try:
        why = _difference(descriptor, file)
        if why:
            raise DamagedError(f"{why}; {_put_aside(folder, file.path, why)}")
        yield descriptor
    finally:
        os.close(descriptor)


def _difference(descriptor: int, file: DueFile) -> str:
    stat = os.fstat(descriptor)
    size = stat.st_size
    if not S_ISREG(stat.st_mode):
        raise UnreadableError("the result file is not a regular file any more")
    if size != file.size:
        return f"the result file has {size} bytes now, {file.size} when it was collected"
    try:
        with os.fdopen(descriptor, "rb", buffering=0, closefd=False) as content:
            found = hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise UnreadableError(f"the result file cannot be read: {error.strerror}") from error
    if found != file.sha256:
        return f"the result file has changed: its SHA-256 is {found} now, {file.sha256} when it was collected"
    return ""


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
