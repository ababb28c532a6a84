"""The files of a job: which there are, by the ledger, and how one is opened.

Nobody else names a path: a request names a SOP instance, and this looks up which file that is. What is opened is a
regular file below the job's own folder, whatever a workflow has put in its way.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from sqlalchemy import Connection

from hilum.ledger import views
from hilum.ledger.shown import JobView
from hilum.pictures.catalogue import Kind

_FOLDERS: Final[Mapping[Kind, str]] = {Kind.INPUT: "input", Kind.RESULT: "output"}
_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class MissingError(Exception):
    """The file is not there, or is no file; the message says which and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """The files of one job.

    Attributes:
        folder: The job's.
        files: Paths below ``input/`` and ``output/``, by SOP instance, in the order of the ledger.
    """

    folder: Path
    files: Mapping[Kind, Mapping[str, str]]


def shelf(connection: Connection, job: JobView) -> Shelf:
    """What a job got and what it wrote.

    Of two results with one SOP instance the first is there.
    """
    results: dict[str, str] = {}
    for one in views.job_results(connection, job.id):
        results.setdefault(one.sop_instance, one.path)
    inputs = {uid: f"{uid}.dcm" for uid in views.job_inputs(connection, job)}
    return Shelf(folder=Path(job.folder), files={Kind.INPUT: inputs, Kind.RESULT: results})


@contextmanager
def opened(shelf: Shelf, kind: Kind, sop_instance: str) -> Iterator[int]:
    """The file of an instance, open for reading; closed at the end.

    Raises:
        MissingError: There is no such file any more, or it is no regular file.
        KeyError: The job has no such instance.
    """
    descriptor = open_file(shelf, kind, sop_instance)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def open_file(shelf: Shelf, kind: Kind, sop_instance: str) -> int:
    """The same, for the caller to close."""
    path = PurePosixPath(_FOLDERS[kind]) / shelf.files[kind][sop_instance]
    # Step by step: none of the folders on the way may be a link to somewhere else.
    at = os.open(shelf.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in path.parts[:-1]:
            if part == "..":
                raise MissingError(f"{path} is no path below the job's folder")
            inner = os.open(part, _FLAGS | os.O_DIRECTORY, dir_fd=at)
            os.close(at)
            at = inner
        descriptor = os.open(path.name, _FLAGS, dir_fd=at)
    except OSError as error:
        raise MissingError(f"{path} cannot be opened: {error.strerror}") from error
    finally:
        os.close(at)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise MissingError(f"{path} is not a regular file")
    return descriptor


def identity(descriptor: int) -> str:
    """What changes when a file is another one or has other bytes."""
    found = os.fstat(descriptor)
    return f"{found.st_dev:x}-{found.st_ino:x}-{found.st_size:x}-{found.st_mtime_ns:x}"
