"""Moves, removes and puts aside what is in the spool; on return it is on disk."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import Final

from hilum.errors import LocalError, TemporaryError
from hilum.store.durable import make_folders, sync_folder, write_file

_REMEDIES: Final = {
    errno.ENOSPC: "free space on that disk",
    errno.EDQUOT: "free space or raise the quota",
    errno.EMFILE: "raise the limit of open files (LimitNOFILE, ulimit -n)",
    errno.EACCES: "give the gateway's user the right to write there",
}


def remove_folder(root: Path, name: str) -> None:
    """Remove a folder below ``root`` and all that is in it; on return that is on disk. Links in it are not followed.

    Args:
        name: Its path below ``root``; a folder that is not there counts as removed.

    Raises:
        LocalError: ``name`` leads out of ``root``.
        TemporaryError: Something is left; trying again may help.
    """
    folder = root / name
    if ".." in folder.parts or folder == root or not folder.is_relative_to(root):
        raise LocalError(f"{name!r} is no folder below {root}")
    try:
        shutil.rmtree(folder)
        sync_folder(folder.parent)
    except FileNotFoundError:
        return
    except OSError as error:
        raise unwell("the folder could not be removed", error) from error


def move_folder(folder: Path, parent: Path) -> Path:
    """Put a folder into another one on the same file system, which is made if need be; on return that is on disk.

    Raises:
        TemporaryError: It was not moved, or a power cut may take the move back; moving again is harmless.
    """
    target = parent / folder.name
    try:
        make_folders(parent, mode=0o700)
        if target != folder:
            folder.rename(target)
            sync_folder(folder.parent)
        sync_folder(parent)
    except OSError as error:
        raise unwell("the association's folder could not be moved", error) from error
    return target


def put_aside(path: Path, parent: Path, name: str, why: str) -> Path:
    """Put a damaged file aside under a name of its own, with the reason in ``<name>.txt`` beside it.

    Args:
        parent: A folder on the same file system, which is made if need be.

    Raises:
        TemporaryError: It is still where it was, or a power cut may put it back there.
    """
    kept = parent / name
    try:
        make_folders(parent, mode=0o700)
        write_file(parent / f"{name}.txt", why + "\n")
        path.rename(kept)
        sync_folder(parent)
        sync_folder(path.parent)
    except OSError as error:
        raise unwell("the damaged file could not be put aside", error) from error
    return kept


def unwell(what: str, error: OSError) -> TemporaryError:
    """What a disk could not do, with what an operator can do about it where that is known."""
    remedy = _REMEDIES.get(error.errno or 0)
    return TemporaryError(f"{what}: {error}; {remedy}" if remedy else f"{what}: {error}")
