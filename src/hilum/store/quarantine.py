"""Removes what lies in quarantine when its time is over: nobody has looked for it that long."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar, Final

from hilum.errors import TemporaryError
from hilum.ledger.database import Database
from hilum.ledger.transition import note
from hilum.store.durable import sync_folder
from hilum.store.receive import QUARANTINE

#: What lies beside each thing in quarantine, with the reason; its time is when the thing came there.
_REASON: Final = ".txt"
#: Below a folder of job folders; a name that no job can have, since job names begin with a letter or digit.
_OF_JOBS: Final = ".quarantine"
#: How often it is looked: the time is counted in days.
_EVERY: Final = timedelta(minutes=10)


def spool_quarantine(spool: Path) -> Path:
    """Where damaged and unknown things of the spool go."""
    return spool / QUARANTINE


def payload_quarantine(root: Path) -> Path:
    """Where unknown things among the job folders of a root go: on the same file system."""
    return root / _OF_JOBS


def quarantines(spool: Path, roots: Sequence[Path]) -> Sequence[Path]:
    """All of them; those that do not exist yet, too."""
    return [spool_quarantine(spool), *map(payload_quarantine, dict.fromkeys(roots))]


@dataclass(slots=True, kw_only=True)
class QuarantineStep:
    """Old things in quarantine in, nothing out; what has no reason beside it was not put there by Hilum, and stays.

    The thing goes first, then the line of history is written, then the reason goes: a crash between repeats the rest.

    Attributes:
        folders: The quarantines.
        keep: How long things are kept there.
        on_duty: Whether this is the gateway that does it.
    """

    database: Database
    folders: Callable[[], Sequence[Path]]
    keep: Callable[[], timedelta]
    on_duty: Callable[[], bool] = lambda: True
    name: ClassVar[str] = "quarantine"
    concurrency: ClassVar[int] = 1
    _next_look: datetime = field(default=datetime.min.replace(tzinfo=UTC))
    _found: list[Path] = field(default_factory=list)

    def claim(self, now: datetime, until: datetime, limit: int) -> Sequence[Path]:  # noqa: ARG002
        """Reasons that are old enough; one look may find more than are taken."""
        waits = timedelta() < self._next_look - now <= _EVERY  # farther away: the clock was put back
        if not self.on_duty():
            self._found = []
            return ()
        if not self._found and not waits:
            self._next_look = now + _EVERY
            self._found = [reason for folder in self.folders() for reason in _older(folder, now - self.keep())]
        taken, self._found = self._found[:limit], self._found[limit:]
        return taken

    def act(self, reason: Path) -> None:
        """Remove what the reason is about. Idempotent; links inside are removed, never followed."""
        thing = reason.with_name(reason.name.removesuffix(_REASON))
        try:
            if thing.is_dir() and not thing.is_symlink():
                shutil.rmtree(thing)
            else:
                thing.unlink(missing_ok=True)
            sync_folder(reason.parent)
        except OSError as error:
            raise TemporaryError(f"{thing} cannot be removed: {error}") from error

    def record(self, reason: Path, outcome: None, now: datetime) -> None:  # noqa: ARG002
        """It is gone."""
        thing = str(reason).removesuffix(_REASON)
        with self.database.write() as connection:
            why = "in quarantine for storage.retention-days.failed; it was removed"
            note(
                connection, "folder", thing if thing.isprintable() else ascii(thing)[1:-1], "expired", now=now, why=why
            )
        with suppress(OSError):  # the next look finds it again
            reason.unlink()

    def failed(self, reason: Path, error: Exception, now: datetime) -> None:
        """Again at the next look."""

    def renew(self, works: Sequence[Path], until: datetime) -> None:
        """Nothing is leased."""

    def next_due(self, now: datetime) -> datetime | None:
        """The next look, or the rest of the last one."""
        return now if self._found else self._next_look


def _older(folder: Path, limit: datetime) -> list[Path]:
    found: list[tuple[float, Path]] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(_REASON) and entry.name != _REASON:
                    status = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(status.st_mode) and status.st_mtime <= limit.timestamp():
                        found.append((status.st_mtime, folder / entry.name))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise TemporaryError(f"the quarantine {folder} cannot be read: {error.strerror}") from error
    return [path for _, path in sorted(found)]
