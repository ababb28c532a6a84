"""Reads a file from disk as it was scanned when it came: its head, and its data set up to the end."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from hilum.errors import TemporaryError
from hilum.model import Header
from hilum.store.digest import digest_of
from hilum.store.part10 import HEAD_BYTES, MetaInfo, NotDicom, read_meta
from hilum.store.scan import HeadScanner, Unreadable

_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CHUNK_BYTES: Final = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanned:
    """What a file says about itself.

    Attributes:
        size: Of the file, in bytes.
        digest: Of the data set, see ``hilum.store.digest``; empty unless it was asked for.
    """

    meta: MetaInfo
    header: Header
    size: int
    digest: str = ""


def rescan(path: Path, *, digest: bool = False) -> Scanned | Unreadable:
    """Read a file of the spool again; a link is not followed.

    Args:
        digest: Read all of it and take the digest of its data set.

    Raises:
        TemporaryError: It cannot be read just now.
    """
    try:
        descriptor = os.open(path, _READ)
        try:
            found = examine(descriptor)
            if digest and isinstance(found, Scanned):
                return replace(found, digest=digest_of(descriptor, found.meta.data_set_offset))
            return found
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno == errno.EIO:
            return Unreadable(why="the disk cannot read it")
        raise TemporaryError(f"the instance cannot be read: {error}") from error


def examine(descriptor: int) -> Scanned | Unreadable:
    """Read the head of a regular file and walk its data set, without reading pixel data, in little memory.

    Nothing is mapped: of a file that somebody cuts short meanwhile, or on a disk with errors, a mapping would kill
    the process.

    Raises:
        OSError: As the system says.
    """
    size = os.fstat(descriptor).st_size
    head = os.pread(descriptor, HEAD_BYTES, 0)
    meta = read_meta(head)
    if isinstance(meta, NotDicom):
        return Unreadable(why=meta.why)
    scanner = HeadScanner(meta.transfer_syntax)
    scanner.feed(memoryview(head)[meta.data_set_offset :])
    position = len(head)
    while position < size:
        unneeded = min(scanner.unneeded, size - position)
        if unneeded:
            scanner.pass_over(unneeded)
            position += unneeded
            continue
        chunk = os.pread(descriptor, _CHUNK_BYTES, position)
        if not chunk:
            break
        scanner.feed(chunk)
        position += len(chunk)
    header = scanner.finish()
    return header if isinstance(header, Unreadable) else Scanned(meta=meta, header=header, size=size)
