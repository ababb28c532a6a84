"""Holds what was open at gateways that are no more, as if their associations had been lost.

Until its release an association is known by its spool folder alone; the ledger's note that it was open may have been
taken back by a power cut. So the folders lead here, and the ledger follows.

Other gateways may be at work meanwhile, and the one that is thought dead may wake up. What belongs to a gateway that
stands is not touched. A folder is moved before it is read: whoever still has its old path finds nothing there any more.
And the transition in the ledger is made once, whoever else tries it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from hilum import states
from hilum.association.sink import Ending
from hilum.clock import Clock
from hilum.errors import HilumError, PermanentError
from hilum.ledger import gateways, reception
from hilum.ledger.database import Database
from hilum.ledger.lease import MAX_BEGUN
from hilum.ledger.reception import WRITTEN_OFF, Received, TakenOverError, Tally
from hilum.ledger.rows import AnyRow
from hilum.ledger.transition import note
from hilum.model import AssociationInfo, Uid
from hilum.store.folders import move_folder, put_aside, remove_folder
from hilum.store.leftovers import Leftover, association_folders, leftover, unfinished_folders
from hilum.store.mark import Mark
from hilum.store.receive import HELD, QUARANTINE, StoreRule, StoreSettings
from hilum.store.rescan import rescan
from hilum.store.scan import Unreadable
from hilum.store.shared import MARK

_log = structlog.get_logger(__name__)

_NOTHING: Final = Tally(ignored={}, refused=0)
_WHY: Final = "the gateway ended while the association was open"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gateways:
    """Who was there when the folders had been listed.

    Attributes:
        over: Those of whom everything was taken over before.
    """

    standing: Collection[str]
    over: Collection[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What was done.

    Attributes:
        associations: That were held, or accepted as configured, by the gateway that they had come to.
        lost: How many had no folder.
    """

    associations: Mapping[str, int] = field(default_factory=dict)
    lost: int = 0

    @property
    def count(self) -> int:
        """Associations whose instances are safe now."""
        return sum(self.associations.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """Runs at each start and whenever a gateway has ended. Idempotent, and to be repeated after a crash in the middle.

    Attributes:
        owner: The gateway that does it.
    """

    database: Database
    owner: str
    clock: Clock
    settings: StoreSettings

    def run(self) -> Recovered:
        """Hold (or accept, as configured) every association whose end is not recorded and whose gateway is no more.

        Raises:
            PermanentError: The spool is empty and must not be.
            TemporaryError: Ledger or disk are unwell.
        """
        root = self.settings.spool
        self._check_mounted(root)
        # In this order. A gateway that stands no more makes no folder, and nobody moves one from held/ to the root; so
        # an association that was found here has a folder, unless that is lost. And whoever has made one of those that
        # are listed was known to the ledger before.
        with self.database.read() as connection:
            orphans = reception.orphans(connection, gateways.standing(connection))
        folders = [*association_folders(root), *association_folders(root / HELD)]
        making = unfinished_folders(root)
        with self.database.read() as connection:
            known = _Gateways(standing=gateways.standing(connection), over=gateways.over(connection))
            rows = reception.known_among(connection, [folder.name for folder in folders])
        for folder, gateway in making:
            if gateway not in known.standing:
                self._remove(folder)  # it has no name yet: nothing in it was ever answered
        recovered: dict[str, int] = {}
        for folder in folders:
            came_to = self._settle(folder, rows.get(folder.name), known)
            if came_to is not None:
                recovered[came_to] = recovered.get(came_to, 0) + 1
        there = {folder.name for folder in folders}
        lost = [reception.info_of(row) for row in orphans if row.id not in there]
        return Recovered(associations=recovered, lost=sum(map(self._lost, lost)))

    def _check_mounted(self, root: Path) -> None:
        """Go no further on an empty mount point: what should be there would be written off."""
        with self.database.read() as connection:
            missing = reception.in_need_of_spool(connection, self.clock())
        if missing and not any(path.name != MARK for path in root.iterdir()):
            raise PermanentError(
                f"storage.temporary {root} is empty, and {missing} associations should be in it: is its disk mounted? "
                f"If they are lost for good, make the folder {root / HELD} to go on without them"
            )

    def _settle(self, folder: Path, row: AnyRow | None, known: _Gateways) -> str | None:
        """Look after one folder; the gateway that its association had come to, if it was recovered."""
        is_open = row is None or row.state == states.Association.OPEN
        if row is not None and (row.owner in known.standing or (not is_open and _is_as_told(row, known))):
            return None
        found = leftover(folder)
        if found is None or (row is None and found.gateway in known.standing):
            return None
        owner = found.gateway if row is None else row.owner
        try:
            return owner if self._settle_one(found, row) else None
        except TakenOverError:
            return None  # another gateway was quicker

    def _settle_one(self, found: Leftover, row: AnyRow | None) -> bool:
        if not found.folder.is_dir():
            return False
        for part in found.unfinished:  # never answered with success
            part.unlink(missing_ok=True)
        if row is not None and row.state in WRITTEN_OFF and not row.instances and found.complete:
            # At an earlier start its folder was not there: the disk was not mounted, for example.
            with self.database.write() as connection:
                reception.returned(connection, row.id)
            row = None
        if row is not None and row.state != states.Association.OPEN:
            Mark(found.folder).end()  # of a start that ended between the record and this
            if not row.spooled:
                self._remove(found.folder)
            return False
        if found.info is None and not found.complete:
            self._remove(found.folder)  # association.json is synced first: nothing here was ever answered
            return False
        info = found.info
        if info is None and row is not None:
            info = reception.info_of(row)  # association.json was damaged on disk: the ledger knows the same
        if info is None:
            self._tell_strange(found, "its association.json is missing or damaged")
            return False
        self._recover(info, found, row)
        return True

    def _tell_strange(self, found: Leftover, what: str) -> None:
        """Nobody can tell whose instances these are, or nobody survives reading them: an operator has to look."""
        why = f"{len(found.complete)} instances are in it, and {what}"
        remedy = "read from the files who sent them, have them sent again, then remove the folder"
        _log.error("spool.strange_folder", folder=str(found.folder), why=why, remedy=remedy)
        with self.database.write() as connection:
            note(connection, "folder", str(found.folder), "strange", now=self.clock(), why=why, remedy=remedy)

    def _recover(self, info: AssociationInfo, found: Leftover, row: AnyRow | None) -> None:
        rule = self.settings.rules(info.called)
        folder = found.folder
        if found.complete:
            folder = move_folder(folder, self.settings.spool / HELD)
        mark = Mark.begin(folder)
        if mark.hopeless:
            self._tell_strange(found, f"recovering it ended the gateway {mark.begun - 1} times in a row")
            return
        came_to = found.gateway if row is None else row.owner
        try:
            received = self._read_all(info, [folder / path.name for path in found.complete], rule, mark)
            self._record(info, received, rule, folder, came_to, is_known=row is not None)
        except TakenOverError:
            raise  # whoever was quicker ends the mark
        except HilumError:
            mark.take_back()
            raise
        if received:
            mark.end()
        else:
            self._remove(folder)
        _log.warning("association.recovered", association=info.id, instances=len(received), accepted=rule.accept_broken)

    def _read_all(
        self, info: AssociationInfo, files: Sequence[Path], rule: StoreRule, mark: Mark
    ) -> Sequence[Received]:
        received: list[Received] = []
        poison = mark.poison
        for path in files:
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
        self,
        info: AssociationInfo,
        received: Sequence[Received],
        rule: StoreRule,
        folder: Path,
        owner: str,
        *,
        is_known: bool,
    ) -> None:
        now = self.clock()
        place = str(folder.relative_to(self.settings.spool))
        until = now + self.settings.aborted_retention
        with self.database.write() as connection:
            if not is_known:
                reception.opened(connection, info, owner=owner, folder=place)
            if not received:
                reception.empty(connection, info, _NOTHING, now=now)
            elif rule.accept_broken:
                why = "taken as aborted-associations says, although " + _WHY
                reception.released(connection, info, received, rule.grouping, _NOTHING, now=now, why=why, folder=place)
            else:
                why = f"{Ending.STOPPED}: {_WHY}{f': {owner}' if owner else ''}; held by gateway {self.owner}"
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

    def _lost(self, info: AssociationInfo) -> bool:
        """The ledger has it open, and there is no folder: it stored nothing, or somebody removed it."""
        now = self.clock()
        why = f"{Ending.STOPPED}: {_WHY}, and its spool folder is not there"
        try:
            with self.database.write() as connection:
                reception.broken(connection, info, (), _NOTHING, why=why, folder=info.id, remove_at=now, now=now)
        except TakenOverError:
            return False
        return True


def _is_as_told(row: AnyRow, known: _Gateways) -> bool:
    """Whether the ledger knows all about an association that has ended, and nobody has to look into its folder."""
    written_off = row.state in WRITTEN_OFF and not row.instances
    return bool(row.owner in known.over and row.spooled and not written_off)
