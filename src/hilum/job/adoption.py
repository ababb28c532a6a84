"""Job folders that nobody made through Hilum: found below ``storage.payloads`` and ``storage.output``, and taken on.

This is the specification's manual way: ``job.meta`` names the workflow, ``output/`` holds results, ``output/job.done``
says that they are complete.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar, Final, assert_never

from hilum.errors import TemporaryError
from hilum.job import payload, policy
from hilum.ledger import planning
from hilum.ledger.database import Database
from hilum.model import GroupId
from hilum.store.durable import write_whole

DONE: Final = "job.done"
#: Why a folder was not taken on; the folder is looked at again once this file is gone.
ERROR: Final = "job.error"
#: Nothing ran it but whoever made the folder, and who may still write: it is looked at as the folder engine's jobs are.
_ENGINE: Final = "folder"
#: job.meta is one line; more than this is no job.meta.
_META_BYTES: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptionSettings:
    """What the present configuration says about job folders."""

    roots: Sequence[Path]
    workflows: Sequence[policy.Workflow]
    every: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The folder cannot be taken on."""

    why: str
    remedy: str


@dataclass(slots=True, kw_only=True)
class AdoptStep:
    """Looks at the job folders at intervals; a folder is claimed by the transaction that inserts its job.

    Attributes:
        on_duty: Whether this is the gateway that does it: were it more, each would look at all folders.
    """

    database: Database
    settings: Callable[[], AdoptionSettings]
    on_duty: Callable[[], bool] = lambda: True
    name: ClassVar[str] = "adoption"
    concurrency: ClassVar[int] = 1
    _next_look: datetime = field(default=datetime.min.replace(tzinfo=UTC))
    _known: set[str] = field(default_factory=set)
    _found: list[Path] = field(default_factory=list)
    _told: set[Path] = field(default_factory=set)

    def claim(self, now: datetime, until: datetime, limit: int) -> Sequence[Path]:  # noqa: ARG002
        """Folders with ``output/job.done`` that the ledger does not know; one look may find more than are taken."""
        settings = self.settings()
        waits = timedelta() < self._next_look - now <= settings.every  # farther away: the clock was put back
        if not self.on_duty():
            self._found = []
            return ()
        if not self._found and not waits:
            self._next_look = now + settings.every
            self._found = self._look(settings.roots)
        taken, self._found = self._found[:limit], self._found[limit:]
        return taken

    def _look(self, roots: Sequence[Path]) -> list[Path]:
        listed = [(root, _names(root)) for root in roots]
        # Sets of names and nothing else: a look comes twice a second, and tens of thousands of folders are old ones.
        self._known.intersection_update(set().union(*(names for _, names in listed)))
        strange = {name: root for root, names in listed for name in names - self._known if not name.startswith(".")}
        self._told = {folder for folder in self._told if strange.get(folder.name) == folder.parent}
        if not strange:
            return []
        with self.database.read() as connection:
            # In this order: whose jobs were made before the first question is known to the second.
            in_the_making = planning.jobs_in_the_making(connection)
            self._known |= planning.known_folders(connection, {name for name in strange if name.isprintable()})
        unknown = [strange[name] / name for name in sorted(strange.keys() - self._known)]
        found = [folder for folder in unknown if _is_folder(folder) and _waits(folder)]
        # A job's folder is there before its row, and who waits for folders may finish it in between.
        return [folder for folder in found if not (in_the_making and _is_ours(folder))]

    def act(self, folder: Path) -> planning.NewJob | Refused:
        """Find the folder's workflow."""
        if not folder.name.isprintable():
            return Refused(
                why="its name is not UTF-8 text without control characters",
                remedy="rename it, then remove output/job.error",
            )
        meta = _read_meta(folder / payload.META)
        if isinstance(meta, Refused):
            return meta
        # The id first: a name could be somebody else's id, an id is never somebody else's name by accident.
        workflows = self.settings().workflows
        match = [one for one in workflows if one.workflow == meta] or [one for one in workflows if one.name == meta]
        if not match:
            return Refused(
                why=f"job.meta names the workflow {meta!r}, which no entry of workflows has as its workflow or name",
                remedy="add it to workflows or correct job.meta, then remove output/job.error",
            )
        born_at = datetime.fromtimestamp(folder.stat().st_mtime, UTC)
        return planning.NewJob(
            id=policy.job_id(GroupId(0), born_at, str(folder)),
            name=folder.name,
            ae=match[0].clara_ae_title,
            workflow_name=match[0].name,
            workflow=match[0].workflow,
            engine=_ENGINE,
            destinations=tuple(dict.fromkeys(name for one in match for name in one.destinations)),
            folder=folder,
            instances=0,
            bytes=0,
            tries=1,
        )

    def record(self, folder: Path, outcome: planning.NewJob | Refused, now: datetime) -> None:
        """The job, already finished; or the reason, in the history and beside the results."""
        match outcome:
            case planning.NewJob():
                with self.database.write() as connection:
                    if not planning.known_folders(connection, [outcome.name]):  # by another gateway meanwhile
                        planning.adopted(connection, outcome, now=now)
                self._known.add(folder.name)
            case Refused(why=why, remedy=remedy):
                if folder not in self._told:  # if job.error cannot be written, the folder is found again and again
                    with self.database.write() as connection:
                        name = ascii(str(folder))[1:-1] if not folder.name.isprintable() else str(folder)
                        planning.note_folder(connection, name, "not adopted", why=why, remedy=remedy, now=now)
                    self._told.add(folder)
                write_whole(folder / "output" / ERROR, f"{why}\n{remedy}\n")
                self._told.discard(folder)
            case never:
                assert_never(never)

    def failed(self, folder: Path, error: Exception, now: datetime) -> None:
        """Nothing was claimed: it is found again at the next look."""

    def renew(self, works: Sequence[Path], until: datetime) -> None:
        """Nothing is leased."""

    def next_due(self, now: datetime) -> datetime | None:
        """The next look, or the rest of the last one."""
        return now if self._found else self._next_look


def _names(root: Path) -> set[str]:
    try:
        return set(os.listdir(root))  # noqa: PTH208  paths of all of them cost ten times as much
    except FileNotFoundError:
        return set()
    except OSError as error:
        raise TemporaryError(f"{root} cannot be searched for job folders: {error.strerror}") from error


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


def _waits(folder: Path) -> bool:
    output = folder / "output"
    return _is_file(output / DONE) and not _is_file(output / ERROR)


def _is_ours(folder: Path) -> bool:
    return _is_file(folder / payload.DESCRIPTION)


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _read_meta(path: Path) -> str | Refused:
    remedy = "write the workflow's id or name into job.meta, on one line, then remove output/job.error"
    if not _is_file(path):
        return Refused(why="there is no job.meta in the job folder", remedy=remedy)
    with path.open("rb") as file:
        text = file.read(_META_BYTES + 1)
    line = text.decode("utf-8", "replace").lstrip("\ufeff").strip()
    if not line or "\n" in line or len(text) > _META_BYTES:
        return Refused(why="job.meta is not one line of text", remedy=remedy)
    return line
