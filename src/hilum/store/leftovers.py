"""What an association wrote of itself into the spool, and how it is found again after a crash."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from hilum.errors import PermanentError
from hilum.model import AETitle, AssociationId, AssociationInfo
from hilum.store.durable import write_file
from hilum.store.folders import unwell

_ASSOCIATION_FILE: Final = "association.json"
_INSTANCE_FILE: Final = re.compile(r"([1-9][0-9]{0,17})\.(part|dcm)")
#: Folders of associations are told by their names: whatever else lies below ``storage.temporary`` is not ours to touch.
_ASSOCIATION_FOLDER: Final = re.compile(r"[0-9]{8}T[0-9]{12}-[0-9a-f]{8}")


#: What the folder of an association is called until it says whose it is: the association, then the gateway.
_UNFINISHED: Final = re.compile(r"\.new-([0-9]{8}T[0-9]{12}-[0-9a-f]{8})-(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """An association's folder as it was found; files in the order of arrival.

    Attributes:
        info: ``None`` if its ``association.json`` is missing or damaged.
        gateway: To which it came, as the file says; empty if it does not.
        unfinished: Instances that were never answered.
        complete: Instances that are whole; the last one may not have been answered either.
    """

    folder: Path
    info: AssociationInfo | None
    gateway: str = ""
    unfinished: tuple[Path, ...]
    complete: tuple[Path, ...]


def association_folders(root: Path) -> tuple[Path, ...]:
    """The folders of associations below ``root``, oldest first; none if it does not exist.

    Links, and folders and files that the spool did not name, are passed over.

    Raises:
        TemporaryError: ``root`` cannot be read.
    """
    return tuple(root / name for name in _folders(root) if _ASSOCIATION_FOLDER.fullmatch(name))


def unfinished(folder: Path, gateway: str) -> Path:
    """Where a gateway makes the folder of an association, until it gets its name."""
    return folder.with_name(f".new-{folder.name}-{gateway}")


def unfinished_folders(root: Path) -> tuple[tuple[Path, str], ...]:
    """Folders that were being made, each with the gateway that began it.

    Raises:
        TemporaryError: ``root`` cannot be read.
    """
    found = ((root / name, _UNFINISHED.fullmatch(name)) for name in _folders(root))
    return tuple((path, match[2]) for path, match in found if match)


def _folders(root: Path) -> list[str]:
    try:
        with os.scandir(root) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise unwell("the spool cannot be read", error) from error


def leftovers(root: Path) -> tuple[Leftover, ...]:
    """What is in the folders of associations below ``root``, oldest first; none if it does not exist.

    Raises:
        TemporaryError: A folder cannot be read.
    """
    found = (leftover(folder) for folder in association_folders(root))
    return tuple(one for one in found if one is not None)


def leftover(folder: Path) -> Leftover | None:
    """What is in the folder of an association; ``None``: it is not there any more.

    Raises:
        TemporaryError: It cannot be read.
    """
    found: dict[str, list[tuple[int, Path]]] = {"part": [], "dcm": []}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                match = _INSTANCE_FILE.fullmatch(entry.name)
                if match and entry.is_file(follow_symlinks=False):
                    found[match[2]].append((int(match[1]), folder / entry.name))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unwell("the spool cannot be read", error) from error
    parts, complete = (tuple(path for _, path in sorted(found[kind])) for kind in ("part", "dcm"))
    try:
        info, gateway = _read(folder)
    except PermanentError:
        info, gateway = None, ""
    return Leftover(folder=folder, info=info, gateway=gateway, unfinished=parts, complete=complete)


def read_association(folder: Path) -> AssociationInfo:
    """Who sent what is in a folder of the spool.

    Raises:
        PermanentError: Its ``association.json`` is missing or damaged: nothing in the folder was ever answered, or
            somebody has been at it.
        TemporaryError: It cannot be read.
    """
    return _read(folder)[0]


def gateway_of(folder: Path) -> str:
    """The gateway to which what is in a folder of the spool has come; empty: it does not say.

    Raises:
        PermanentError, TemporaryError: As with ``read_association``.
    """
    return _read(folder)[1]


def _read(folder: Path) -> tuple[AssociationInfo, str]:
    path = folder / _ASSOCIATION_FILE
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        info = AssociationInfo(
            id=AssociationId(fields["id"]),
            calling=AETitle(fields["calling"]),
            called=AETitle(fields["called"]),
            host=fields["host"],
            port=fields["port"],
            opened_at=datetime.fromisoformat(fields["opened_at"]),
        )
        gateway = str(fields.get("gateway", ""))
    except FileNotFoundError as error:
        raise PermanentError(f"{path} is missing: nobody can tell whose instances these are") from error
    except OSError as error:
        raise unwell("the association's record cannot be read", error) from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise PermanentError(f"{path} is damaged: {error!r}") from error
    if info.id != folder.name:
        raise PermanentError(f"{path} is of association {info.id}, not of this folder")
    return info, gateway


def write_association(folder: Path, info: AssociationInfo, gateway: str) -> None:
    """Record whose folder this is; the content is on disk on return, the name is not.

    Raises:
        OSError: As the system says.
    """
    fields = {
        "id": info.id,
        "calling": info.calling,
        "called": info.called,
        "host": info.host,
        "port": info.port,
        "opened_at": info.opened_at.isoformat(),
        "gateway": gateway,
    }
    write_file(folder / _ASSOCIATION_FILE, json.dumps(fields, indent=2) + "\n")
