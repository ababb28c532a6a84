"""What ``hilum send`` finds in the files and folders it is given."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hilum.cli.exit import UsageError
from hilum.model import Header, Uid
from hilum.store import rescan
from hilum.store.part10 import HEAD_BYTES, MetaInfo, NotDicom, read_meta
from hilum.store.scan import Unreadable, scan_file_head
from hilum.wire import is_storage


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A file that can be sent.

    Attributes:
        offset: Where its data set begins, in bytes.
        length: Of the data set, in bytes.
        content: Of the whole file, if it was kept: a small one need not be opened a second time.
    """

    path: str
    sop_class: Uid
    sop_instance: Uid
    transfer_syntax: Uid
    offset: int
    length: int
    content: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A file that is not sent.

    Attributes:
        damaged: It is DICOM, or was meant to be: a failure, while other files are simply none of our business.
    """

    path: str
    why: str
    damaged: bool


def files_in(paths: Iterable[str]) -> Iterator[str]:
    """The files, and those in folders and their folders, each folder's in the order of their names.

    Raises:
        UsageError: One of the paths is not there.
    """
    for path in paths:
        if os.path.isdir(path):  # noqa: PTH112  a Path for each of many files takes as long as opening it
            for folder, folders, names in os.walk(path):
                folders.sort()
                names.sort()
                yield from (os.path.join(folder, name) for name in names)  # noqa: PTH118
        elif os.path.exists(path):  # noqa: PTH110
            yield path
        else:
            raise UsageError(f"{path}: there is no such file or folder")


def examine(path: str, *, keep: int = 0) -> Outgoing | Skipped:
    """Look into a file: is it DICOM, is it whole, and what does C-STORE need to know of it?

    Args:
        keep: The content of a file of up to so many bytes is kept, if it is short enough to be read at once.
    """
    try:
        # Not blocking: a FIFO in a folder of images must not hold up everything.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return Skipped(path=path, why=f"cannot be opened: {error.strerror}", damaged=True)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            return Skipped(path=path, why="not a regular file", damaged=False)
        if not found.st_size:
            return Skipped(path=path, why="empty", damaged=False)
        return _read(path, descriptor, found.st_size, keep)
    except OSError as error:
        return Skipped(path=path, why=f"cannot be read: {error.strerror}", damaged=True)
    finally:
        os.close(descriptor)


def _read(path: str, descriptor: int, size: int, keep: int) -> Outgoing | Skipped:
    # Nothing is mapped: of a file that somebody cuts short meanwhile a mapping would kill the process.
    head = os.pread(descriptor, HEAD_BYTES, 0)
    meta = read_meta(head)
    if isinstance(meta, NotDicom):
        return Skipped(path=path, why=f"not DICOM: {meta.why}", damaged=False)
    if meta.sop_class and not is_storage(meta.sop_class):
        return Skipped(path=path, why=f"nothing to store: SOP class {meta.sop_class}", damaged=False)
    scanned = _header(descriptor, size, head, meta)
    if isinstance(scanned, Unreadable):
        return Skipped(path=path, why=f"damaged: {scanned.why}", damaged=True)
    return _outgoing(path, meta, scanned, size, head if len(head) == size <= keep else None)


def _header(descriptor: int, size: int, head: bytes, meta: MetaInfo) -> Header | Unreadable:
    if len(head) == size:
        return scan_file_head(memoryview(head)[meta.data_set_offset :], meta.transfer_syntax)
    found = rescan.examine(descriptor)
    return found.header if isinstance(found, rescan.Scanned) else found


def _outgoing(path: str, meta: MetaInfo, header: Header, size: int, content: bytes | None) -> Outgoing | Skipped:
    # The peer compares the command with the data set, so that is what counts, not the head of the file.
    try:
        sop_class = Uid(header.sop_class or meta.sop_class)
        sop_instance = Uid(header.sop_instance or meta.sop_instance)
        transfer_syntax = Uid(meta.transfer_syntax)
    except ValueError:
        return Skipped(path=path, why="damaged: no SOP Class UID, or no SOP Instance UID, that is one", damaged=True)
    if not is_storage(sop_class):
        return Skipped(path=path, why=f"nothing to store: SOP class {sop_class}", damaged=False)
    return Outgoing(
        path=path,
        sop_class=sop_class,
        sop_instance=sop_instance,
        transfer_syntax=transfer_syntax,
        offset=meta.data_set_offset,
        length=size - meta.data_set_offset,
        content=content,
    )
