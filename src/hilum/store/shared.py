"""Makes sure that the storage folders are those that this ledger knows: the same for all its gateways, and mounted.

Each folder holds a file with a random mark, and the ledger knows the mark. Who finds another one, or none, has another
folder: a disk of its own, where it should have the one that is shared, or an empty mount point.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from hilum.errors import PermanentError
from hilum.ledger import storages
from hilum.ledger.database import Database
from hilum.store.durable import sync_folder, write_file
from hilum.store.folders import unwell

#: The file with the mark.
MARK: Final = ".hilum-storage"
_LONGEST: Final = 200


def check(database: Database, folders: Mapping[str, Path], others: Sequence[str]) -> None:
    """Compare each folder with what the ledger knows of it, and mark it if it is new.

    Args:
        folders: By the key of ``storage``.
        others: Gateways that run.

    Raises:
        PermanentError: A folder is not the one that it has to be.
        TemporaryError: A folder cannot be read or written, or the ledger cannot be used.
    """
    for name, folder in folders.items():
        found = _read(folder)
        with database.read() as connection:
            known = storages.mark_of(connection, name)
            awaited = storages.awaited(connection, name)
        if found is not None and found == known:
            continue
        if found is not None and known is not None:
            raise PermanentError(
                f"storage.{name} {folder} is the storage of another ledger, or this ledger's from before it was moved: "
                f"its mark is {found}, and {known} was expected; mount the right one. If this is the right one, and "
                f"nothing is needed from the other, remove {folder / MARK} and start again"
            )
        if known is not None and others:
            raise PermanentError(
                f"storage.{name} {folder} is not the folder that gateway {others[0]} has: the file {MARK} that should "
                f"be in it is not there. All gateways on one ledger share storage.temporary and storage.payloads: see "
                "that the same file system is mounted there"
            )
        if known is not None and awaited and not any(entry != MARK for entry in _names(folder)):
            raise PermanentError(
                f"storage.{name} {folder} is empty, and {awaited} should be in it: is its disk mounted? "
                f"If it is lost for good, put any file there to go on without it"
            )
        # A new folder gets a new mark: a gateway that has the one from before finds out that it is another one.
        mark = found or _write(folder)
        database_has = _record(database, name, mark, known)
        if database_has != mark:
            raise PermanentError(
                f"storage.{name} {folder} is not the folder that another gateway has, which starts at this moment: "
                "see that the same file system is mounted there"
            )


def _record(database: Database, name: str, mark: str, known: str | None) -> str:
    with database.write() as connection:
        return storages.record(connection, name, mark, known)


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208  names, not paths
    except OSError as error:
        raise unwell("the storage cannot be read", error) from error


def _read(folder: Path) -> str | None:
    try:
        with (folder / MARK).open(encoding="utf-8", errors="replace") as file:
            return file.read(_LONGEST).strip() or None
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unwell("the mark of the storage cannot be read", error) from error


def _write(folder: Path) -> str:
    """Mark a folder; what another gateway was quicker to write counts."""
    mine = str(uuid.uuid4())
    part = folder / f"{MARK}.{mine}"
    try:
        write_file(part, mine + "\n")
        try:
            (folder / MARK).hardlink_to(part)
        except FileExistsError:
            pass
        except OSError:  # a file system without links
            part.rename(folder / MARK)
        with suppress(FileNotFoundError):
            part.unlink()
        sync_folder(folder)
    except OSError as error:
        raise unwell("the storage cannot be marked", error) from error
    return _read(folder) or mine
