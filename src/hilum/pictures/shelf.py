"""The files of a job: which there are, by the ledger, and how one is opened.

Nobody else names a path: a request names a SOP instance, and this looks up which file that is. What is opened is a
regular file below the job's own folder, whatever a workflow has put in its way.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from sqlalchemy import Connection, Select, select

from hilum.ledger import views
from hilum.ledger.shown import JobView
from hilum.ledger.tables import IS_GROUPED, instances, results
from hilum.ledger.transition import NoSuchRowError
from hilum.pictures.catalogue import Kind

_FOLDERS: Final[Mapping[Kind, str]] = {Kind.INPUT: "input", Kind.RESULT: "output"}
#: Of files that somebody put there by hand.
_MOST: Final = 20_000
_NAMED: Final = re.compile(r"[0-9.]{1,64}\.dcm")
_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class MissingError(Exception):
    """The file is not there, or is no file; the message says which and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One instance of a job.

    Attributes:
        folder: The job's.
        path: Below ``input/`` or ``output/``.
        version: Another one when a workflow that ran again has written another file; empty: it never changes.
    """

    folder: Path
    kind: Kind
    sop_instance: str
    path: str
    version: str = ""


def files(connection: Connection, job: JobView) -> list[File]:
    """What a job got, in the order it came, and what it wrote, by path.

    Of several results with one SOP instance the first is there.
    """
    query = select(instances.c.sop_instance).where(instances.c.group_id == job.group_id, IS_GROUPED)
    if job.group_id is None:  # a folder that somebody made
        uids = _by_hand(Path(job.folder))
    else:
        uids = list(connection.execute(query.order_by(instances.c.id)).scalars())
    written: dict[str, File] = {}
    for one in views.job_results(connection, job.id):
        written.setdefault(one.sop_instance, _file(job, Kind.RESULT, one.sop_instance, one.path, one.sha256))
    return [*(_file(job, Kind.INPUT, uid, f"{uid}.dcm") for uid in uids), *written.values()]


def find(connection: Connection, job: JobView, kind: Kind, sop_instance: str) -> File:
    """One of them.

    Raises:
        NoSuchRowError: The job has no such instance.
    """
    query: Select[Any]
    if kind is Kind.RESULT:
        wanted = (results.c.job_id == job.id, results.c.sop_instance == sop_instance)
        query = select(results.c.path).where(*wanted).order_by(results.c.path).limit(1)
    else:
        wanted = (instances.c.group_id == job.group_id, instances.c.sop_instance == sop_instance)
        query = select(instances.c.sop_instance.concat(".dcm")).where(*wanted, IS_GROUPED)
    path = connection.execute(query).scalar()
    if path is None and kind is Kind.INPUT and job.group_id is None and sop_instance in _by_hand(Path(job.folder)):
        path = f"{sop_instance}.dcm"
    if path is None:
        raise NoSuchRowError(f"job {job.name} has no {kind.value} {sop_instance}")
    return _file(job, kind, sop_instance, path)


def _file(job: JobView, kind: Kind, sop_instance: str, path: str, version: str = "") -> File:
    return File(folder=Path(job.folder), kind=kind, sop_instance=sop_instance, path=path, version=version)


def _by_hand(folder: Path) -> list[str]:
    """Instances of a folder that nobody made through Hilum: files that are named by their UID."""
    try:
        names = sorted(one.name for one in (folder / _FOLDERS[Kind.INPUT]).iterdir())
    except OSError:
        return []
    return [name.removesuffix(".dcm") for name in names[:_MOST] if _NAMED.fullmatch(name)]


def open_file(file: File) -> int:
    """A descriptor for reading, for the caller to close.

    Raises:
        MissingError: There is no such file any more, or it is no regular file.
    """
    path = PurePosixPath(_FOLDERS[file.kind]) / file.path
    if ".." in path.parts or path.is_absolute():
        raise MissingError(f"{path} is no path below the job's folder")
    try:
        # Step by step: none of the folders on the way may be a link to somewhere else.
        at = os.open(file.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for part in path.parts[:-1]:
                inner = os.open(part, _FLAGS | os.O_DIRECTORY, dir_fd=at)
                os.close(at)
                at = inner
            descriptor = os.open(path.name, _FLAGS, dir_fd=at)
        finally:
            os.close(at)
    except OSError as error:
        raise MissingError(f"{path} cannot be opened: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise MissingError(f"{path} is not a regular file")
    return descriptor


def identity(descriptor: int) -> str:
    """What changes when a file is another one or has other bytes."""
    found = os.fstat(descriptor)
    return f"{found.st_dev:x}-{found.st_ino:x}-{found.st_size:x}-{found.st_mtime_ns:x}"
