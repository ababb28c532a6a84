"""A job's folder below ``storage.payloads``: built aside, made durable, and then there all at once."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hilum.errors import PermanentError, TemporaryError
from hilum.store.durable import sync_folder, write_file

META: Final = "job.meta"
DESCRIPTION: Final = "job.json"
_COPIED_AT_ONCE: Final = 1 << 20
#: Folders being built; a name that no job can have, since job names begin with a letter or digit.
_BUILDING: Final = ".building-"
#: The same for those being removed.
_REMOVING: Final = ".removing-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One file of a job.

    Attributes:
        spool: Where it lies now; it stays there.
        sop_instance: A valid UID, so safe as a file name.
    """

    spool: Path
    sop_instance: str


def build(
    payloads: Path, name: str, *, workflow: str, description: Mapping[str, Any], inputs: Sequence[Input]
) -> tuple[Path, int]:
    """Make the folder of a job, durable on return. Idempotent by name.

    The inputs are hard links to the spool; across file systems they are copies. Either way each is on disk before the
    folder gets its name.

    Returns:
        The folder, and the bytes of its inputs.

    Raises:
        TemporaryError: The disk is full or fails; nothing was left behind.
        PermanentError: A spool file is gone.
    """
    final = payloads / name
    if final.is_dir():
        return final, _there(final)
    building = payloads / (_BUILDING + name)
    try:
        shutil.rmtree(building, ignore_errors=True)  # of an attempt that was cut off
        folder = building / "input"
        folder.mkdir(parents=True)
        (building / "output").mkdir()
        size = sum(_take(one, folder / f"{one.sop_instance}.dcm") for one in inputs)
        write_file(building / META, f"{workflow}\n")
        write_file(building / DESCRIPTION, json.dumps(description, indent=2, ensure_ascii=False) + "\n")
        for path in (folder, building / "output", building):
            sync_folder(path)
        building.rename(final)
        sync_folder(payloads)
    except OSError as error:
        # One whose name could not be synced goes, too: a second sync that succeeds would prove nothing.
        for path in (building, final):
            shutil.rmtree(path, ignore_errors=True)
        if isinstance(error, FileNotFoundError) and not Path(error.filename or "").exists() and payloads.is_dir():
            raise PermanentError(
                f"{error.filename} is gone from the spool; it was received, but is not there"
            ) from error
        raise TemporaryError(f"the payload folder {final} cannot be made: {error}") from error
    return final, size


def _there(final: Path) -> int:
    """The bytes of the inputs of a folder that an attempt before this one made, perhaps not yet durably."""
    try:
        sync_folder(final.parent)
        return sum(entry.stat().st_size for entry in os.scandir(final / "input"))
    except OSError as error:
        raise TemporaryError(f"the payload folder {final} cannot be read or synced: {error}") from error


def _take(one: Input, target: Path) -> int:
    try:
        target.hardlink_to(one.spool)
    except OSError as error:
        # EXDEV: another file system; EPERM, ENOTSUP: one without hard links; EMLINK: too many links already.
        if error.errno not in {errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EMLINK}:
            raise
        with one.spool.open("rb") as source, target.open("xb") as copy:
            shutil.copyfileobj(source, copy, _COPIED_AT_ONCE)
            copy.flush()
            os.fsync(copy.fileno())
    return target.stat().st_size


def remove(payloads: Path, folder: Path) -> None:
    """Remove a job's folder, on disk on return. Idempotent; links inside are removed, never followed.

    It loses its name first, so that whoever looks, a job that is retried among them, finds all of it or nothing.

    Raises:
        PermanentError: It is not directly below ``payloads``: nothing is removed.
        TemporaryError: Something in it could not be removed.
    """
    if folder.parent != payloads or folder.name in {"", ".."} or folder.is_symlink():
        raise PermanentError(f"{folder} is not a job folder of {payloads}; it is left alone")
    removing = payloads / (_REMOVING + folder.name)
    try:
        if removing.exists():  # of an attempt that was cut off
            shutil.rmtree(removing)
        with suppress(FileNotFoundError):  # removed before, perhaps not on disk yet
            folder.rename(removing)
            shutil.rmtree(removing)
        sync_folder(payloads)
    except OSError as error:
        raise TemporaryError(f"{folder} cannot be removed: {error}") from error
