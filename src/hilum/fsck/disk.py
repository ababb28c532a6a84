"""What the disks show: the reading half of an inspection. Links are never followed, nothing is ever written."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from hilum.errors import PermanentError, TemporaryError
from hilum.fsck.facts import File, SpoolFolder
from hilum.job import payload
from hilum.job.adoption import DONE, ERROR
from hilum.store.digest import digest_of
from hilum.store.leftovers import gateway_of, read_association
from hilum.store.part10 import HEAD_BYTES, NotDicom, read_meta
from hilum.store.receive import HELD

_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
#: As ``hilum.store.leftovers`` knows the folders of associations: whatever else lies there is not ours.
_ASSOCIATION: Final = re.compile(r"[0-9]{8}T[0-9]{12}-[0-9a-f]{8}")
#: As ``hilum.store.durable.write_whole`` names a file until it is whole.
_PART: Final = re.compile(r"\..+\.part")
_UNREADABLE: Final = "unreadable"


def spool_folders(spool: Path) -> list[tuple[str, str]]:
    """Id, and place below the spool, of each folder of an association."""
    return [
        (name, f"{parent}{name}")
        for parent in ("", f"{HELD}/")
        for name in sorted(folders(spool / parent) or ())
        if _ASSOCIATION.fullmatch(name)
    ]


def spool_folder(spool: Path, name: str, place: str) -> SpoolFolder:
    """What a folder says of itself."""
    try:
        told, gateway = read_association(spool / place).id == name, gateway_of(spool / place)
    except (PermanentError, TemporaryError):
        told, gateway = False, ""
    complete = sum(entry.endswith(".dcm") for entry in names(spool / place))
    return SpoolFolder(id=name, place=place, told=told, complete=complete, gateway=gateway)


def folders(root: Path) -> frozenset[str] | None:
    """Names of the folders in a folder; ``None``: it is not there or cannot be read."""
    try:
        with os.scandir(root) as entries:
            return frozenset(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return None


def names(folder: Path) -> frozenset[str]:
    """Names of everything in a folder; none if it is not there."""
    try:
        with os.scandir(folder) as entries:
            return frozenset(entry.name for entry in entries)
    except OSError:
        return frozenset()


def described(root: Path, candidates: Collection[str]) -> frozenset[str]:
    """Those of the folders that Hilum made, by their ``job.json``; without those that are about to be taken on."""
    return frozenset(
        name for name in candidates if _is_file(root / name / payload.DESCRIPTION) and not _done(root / name)
    )


def _done(folder: Path) -> bool:
    output = folder / "output"
    return _is_file(output / DONE) and not _is_file(output / ERROR)


def sizes(folder: Path) -> dict[str, File]:
    """The files of a folder by their names, folders left out."""
    found: dict[str, File] = {}
    for name in names(folder):
        one = file(folder / name)
        if one is not None and not (one.size < 0 and (folder / name).is_dir()):
            found[name] = one
    return found


def file(path: Path) -> File | None:
    """What is there by that name; ``None``: nothing."""
    try:
        status = path.lstat()
    except OSError:
        return None
    return File(size=status.st_size if stat.S_ISREG(status.st_mode) else -1)


def parts(folder: Path) -> Iterator[str]:
    """Files at the top of a job's folder and of its output whose writing was cut off."""
    for below in ("", "output/"):
        yield from sorted(f"{below}{name}" for name in names(folder / below) if _PART.fullmatch(name))


def data_set_digest(path: Path) -> str:
    """The digest of an instance's data set; no digest at all, but a word for it, if the file cannot be read."""
    try:
        descriptor = os.open(path, _READ)
        try:
            meta = read_meta(os.pread(descriptor, HEAD_BYTES, 0))
            return meta.why if isinstance(meta, NotDicom) else digest_of(descriptor, meta.data_set_offset)
        finally:
            os.close(descriptor)
    except OSError:
        return _UNREADABLE


def sha256(path: Path) -> str:
    """The SHA-256 of a file; no digest at all, but a word for it, if it cannot be read."""
    try:
        with os.fdopen(os.open(path, _READ), "rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError:
        return _UNREADABLE


def _is_file(path: Path) -> bool:
    found = file(path)
    return found is not None and found.size >= 0
