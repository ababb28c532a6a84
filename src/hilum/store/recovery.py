"""What a start does about associations that were open when the gateway ended: it holds them, as if they had been lost.

Until its release an association is known by its spool folder alone; the ledger's note that it was open may have been
taken back by a power cut. So the folders lead here, and the ledger follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from hilum import states
from hilum.association.sink import Ending
from hilum.clock import Clock
from hilum.errors import PermanentError
from hilum.ledger import reception
from hilum.ledger.database import Database
from hilum.ledger.reception import Received, Tally
from hilum.ledger.transition import MAX_BEGUN, note
from hilum.model import AssociationInfo, Uid
from hilum.store.folders import move_folder, put_aside, remove_folder
from hilum.store.leftovers import Leftover, leftovers
from hilum.store.mark import Mark
from hilum.store.receive import HELD, QUARANTINE, StoreRule, StoreSettings
from hilum.store.rescan import rescan
from hilum.store.scan import Unreadable

_log = structlog.get_logger(__name__)

_NOTHING: Final = Tally(ignored={}, refused=0)
#: Without an instance in the ledger these are what became of an association whose folder was not found.
_WRITTEN_OFF: Final = frozenset({states.Association.HELD, states.Association.REMOVED})
_WHY: Final = "the gateway ended while the association was open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """Runs once, before any association is accepted. Idempotent: a crash in the middle is recovered by the next run."""

    database: Database
    owner: str
    clock: Clock
    settings: StoreSettings

    def run(self) -> int:
        """Hold (or accept, as configured) every association whose end is not recorded; how many there were.

        Raises:
            PermanentError: The spool is empty and must not be.
            TemporaryError: Ledger or disk are unwell.
        """
        root = self.settings.spool
        self._check_mounted(root)
        recovered = 0
        for parent in (root, root / HELD):
            for leftover in leftovers(parent):
                recovered += self._settle(leftover)
        with self.database.read() as connection:
            gone = reception.orphans(connection)
        for row in gone:
            self._lost(reception.info_of(row))
        return recovered

    def _check_mounted(self, root: Path) -> None:
        """Go no further on an empty mount point: what should be there would be written off."""
        with self.database.read() as connection:
            missing = reception.in_need_of_spool(connection, self.clock())
        if missing and not any(root.iterdir()):
            raise PermanentError(
                f"storage.temporary {root} is empty, and {missing} associations should be in it: is its disk mounted? "
                f"If they are lost for good, make the folder {root / HELD} to go on without them"
            )

    def _settle(self, leftover: Leftover) -> bool:
        name = leftover.folder.name
        with self.database.read() as connection:
            row = reception.known(connection, name)
        for part in leftover.unfinished:  # never answered with success
            part.unlink(missing_ok=True)
        if row is not None and row.state in _WRITTEN_OFF and not row.instances and leftover.complete:
            # At an earlier start its folder was not there: the disk was not mounted, for example.
            with self.database.write() as connection:
                reception.empty(connection, reception.info_of(row), _NOTHING, now=self.clock())
            row = None
        if row is not None and row.state != states.Association.OPEN:
            Mark(leftover.folder).end()  # of a start that ended between the record and this
            if not row.spooled:
                self._remove(leftover.folder)
            return False
        if leftover.info is None and not leftover.complete:
            self._remove(leftover.folder)  # association.json is synced first: nothing here was ever answered
            return False
        info = leftover.info
        if info is None and row is not None:
            info = reception.info_of(row)  # association.json was damaged on disk: the ledger knows the same
        if info is None:
            self._tell_strange(leftover, "its association.json is missing or damaged")
            return False
        self._recover(info, leftover, is_known=row is not None)
        return True

    def _tell_strange(self, leftover: Leftover, what: str) -> None:
        """Nobody can tell whose instances these are, or nobody survives reading them: an operator has to look."""
        why = f"{len(leftover.complete)} instances are in it, and {what}"
        remedy = "read from the files who sent them, have them sent again, then remove the folder"
        _log.error("spool.strange_folder", folder=str(leftover.folder), why=why, remedy=remedy)
        with self.database.write() as connection:
            note(connection, "folder", str(leftover.folder), "strange", now=self.clock(), why=why, remedy=remedy)

    def _recover(self, info: AssociationInfo, leftover: Leftover, *, is_known: bool) -> None:
        rule = self.settings.rules(info.called)
        mark = Mark.begin(leftover.folder)
        if mark.hopeless:
            self._tell_strange(leftover, f"recovering it ended the gateway {mark.begun - 1} times in a row")
            return
        received = self._read_all(info, leftover, rule, mark)
        folder = leftover.folder
        if received:
            # A crash, or a change of the configuration, may have left it in the other place.
            parent = self.settings.spool if rule.accept_broken else self.settings.spool / HELD
            folder = move_folder(folder, parent)
        self._record(info, received, rule, folder, is_known=is_known)
        if received:
            Mark(folder).end()
        else:
            self._remove(folder)
        _log.warning("association.recovered", association=info.id, instances=len(received), accepted=rule.accept_broken)

    def _read_all(self, info: AssociationInfo, leftover: Leftover, rule: StoreRule, mark: Mark) -> Sequence[Received]:
        received: list[Received] = []
        poison = mark.poison
        for path in leftover.complete:
            if int(path.stem) == poison:
                self._quarantine(info, path, f"reading it ended the gateway {MAX_BEGUN} times in a row")
                mark.absolve()
                continue
            mark.reading(int(path.stem))
            one = self._read(info, path, rule)
            if one is not None:
                received.append(one)
        mark.read()
        return received

    def _record(
        self, info: AssociationInfo, received: Sequence[Received], rule: StoreRule, folder: Path, *, is_known: bool
    ) -> None:
        now = self.clock()
        place = str(folder.relative_to(self.settings.spool))
        until = now + self.settings.aborted_retention
        with self.database.write() as connection:
            if not is_known:
                reception.opened(connection, info, owner=self.owner, folder=place)
            if not received:
                reception.empty(connection, info, _NOTHING, now=now)
            elif rule.accept_broken:
                reception.released(connection, info, received, rule.grouping, _NOTHING, now=now)
            else:
                why = f"{Ending.STOPPED}: {_WHY}"
                reception.broken(connection, info, received, _NOTHING, why=why, folder=place, remove_at=until, now=now)

    def _remove(self, folder: Path) -> None:
        remove_folder(self.settings.spool, str(folder.relative_to(self.settings.spool)))

    def _read(self, info: AssociationInfo, path: Path, rule: StoreRule) -> Received | None:
        found = rescan(path, digest=True)
        if isinstance(found, Unreadable):
            self._quarantine(info, path, found.why)
            return None
        try:
            return Received(
                number=int(path.stem),
                header=found.header,
                sop_class=Uid(found.meta.sop_class),
                sop_instance=Uid(found.meta.sop_instance),
                transfer_syntax=Uid(found.meta.transfer_syntax),
                size=found.size,
                digest=found.digest,
                received_at=datetime.fromtimestamp(path.stat().st_mtime, UTC),
                key=rule.grouping.key_of(found.header, info.id),
            )
        except ValueError as error:  # whatever wrote this group 0002, it was not the spool
            self._quarantine(info, path, f"group 0002: {error}")
            return None

    def _quarantine(self, info: AssociationInfo, path: Path, why: str) -> None:
        kept = put_aside(path, self.settings.spool / QUARANTINE, f"{info.id}-{path.name}", why)
        with self.database.write() as connection:
            note(
                connection,
                "instance",
                f"{info.id}/{path.name}",
                "quarantined",
                now=self.clock(),
                why=f"damaged on disk: {why}",
                remedy=f"send the study again; the damaged file is kept as {kept}",
            )

    def _lost(self, info: AssociationInfo) -> None:
        """The ledger has it open, and there is no folder: it stored nothing, or somebody removed it."""
        now = self.clock()
        with self.database.write() as connection:
            reception.broken(
                connection,
                info,
                (),
                _NOTHING,
                why=f"{Ending.STOPPED}: {_WHY}, and its spool folder is not there",
                folder=info.id,
                remove_at=now,
                now=now,
            )
