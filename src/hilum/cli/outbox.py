"""What ``hilum send`` finds in the files and folders it is given."""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hilum.cli.exit import UsageError
from hilum.model import Header, Uid
from hilum.store.part10 import HEAD_BYTES, MetaInfo, NotDicom, read_meta
from hilum.store.scan import Unreadable, scan_file_head
from hilum.wire import is_storage


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A file that can be sent.

    Attributes:
        offset: Where its data set begins, in bytes.
        length: Of the data set, in bytes.
    """

    path: Path
    sop_class: Uid
    sop_instance: Uid
    transfer_syntax: Uid
    offset: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A file that is not sent.

    Attributes:
        damaged: It is DICOM, or was meant to be: a failure, while other files are simply none of our business.
    """

    path: Path
    why: str
    damaged: bool


def files_in(paths: Iterable[Path]) -> Iterator[Path]:
    """The files, and those in folders and their folders, each folder's in the order of their names.

    Raises:
        UsageError: One of the paths is not there.
    """
    for path in paths:
        if path.is_dir():
            for folder, folders, names in os.walk(path):
                folders.sort()
                yield from (Path(folder, name) for name in sorted(names))
        elif path.exists():
            yield path
        else:
            raise UsageError(f"{path}: there is no such file or folder")


def examine(path: Path) -> Outgoing | Skipped:
    """Look into a file: is it DICOM, is it whole, and what does C-STORE need to know of it?"""
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
        with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as data:
            return _read(path, data)
    except OSError as error:
        return Skipped(path=path, why=f"cannot be read: {error.strerror}", damaged=True)
    finally:
        os.close(descriptor)


def _read(path: Path, data: mmap.mmap) -> Outgoing | Skipped:
    meta = read_meta(data[:HEAD_BYTES])
    if isinstance(meta, NotDicom):
        return Skipped(path=path, why=f"not DICOM: {meta.why}", damaged=False)
    if meta.sop_class and not is_storage(meta.sop_class):
        return Skipped(path=path, why=f"nothing to store: SOP class {meta.sop_class}", damaged=False)
    with memoryview(data) as whole, whole[meta.data_set_offset :] as data_set:
        scanned = scan_file_head(data_set, meta.transfer_syntax)
    if isinstance(scanned, Unreadable):
        return Skipped(path=path, why=f"damaged: {scanned.why}", damaged=True)
    return _outgoing(path, meta, scanned, len(data))


def _outgoing(path: Path, meta: MetaInfo, header: Header, size: int) -> Outgoing | Skipped:
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
    )
