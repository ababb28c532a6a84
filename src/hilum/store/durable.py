"""Files that are on disk when the call returns, and whole or absent for whoever looks."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def write_file(path: Path, text: str) -> None:
    """Write a file and put its content on disk; its name is not, until ``sync_folder``.

    Raises:
        OSError: As the system says; what is left of the file is the caller's to remove.
    """
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader, or a power cut, finds the old one or the new one and nothing between.

    Raises:
        OSError: It could not be written; the old one is as it was.
    """
    building = path.with_name(f".{path.name}.part")
    try:
        write_file(building, text)
        building.replace(path)
    except OSError:
        with suppress(OSError):
            building.unlink()
        raise
    sync_folder(path.parent)


def make_folders(path: Path, *, mode: int = 0o777) -> None:
    """Make a folder and whatever lacks above it; on return each new one is on disk. One that is there is no error.

    Raises:
        OSError: As the system says.
    """
    if path.is_dir():
        return
    make_folders(path.parent)
    path.mkdir(mode=mode, exist_ok=True)
    sync_folder(path.parent)


def start_writing(descriptor: int, offset: int, length: int) -> None:
    """Let the disk begin with a stretch of an open file, so that a sync later has less to wait for. Never raises.

    Args:
        length: 0 = to the end of the file.
    """
    # The kernel then writes what is dirty, which takes part of the way of forgetting it; what is being written stays.
    # Only this begins without waiting: a first fdatasync of several files would write them one after the other.
    if hasattr(os, "posix_fadvise"):
        with suppress(OSError):  # which the sync tells as well
            os.posix_fadvise(descriptor, offset, length, os.POSIX_FADV_DONTNEED)


def sync_folder(path: Path) -> None:
    """Put a folder's entries on disk: without this a power cut can take back a rename.

    Raises:
        OSError: As the system says.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
