"""Asks the ledger and the disk, and has the answer put into words."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from hilum import words
from hilum.errors import TemporaryError
from hilum.explain import answer
from hilum.explain.explanation import Around, Explanation, Finding, Remedy, Tone
from hilum.ledger import inquiry, views
from hilum.ledger.database import Database
from hilum.ledger.dossier import Dossier, dossier
from hilum.ledger.inquiry import Match
from hilum.ledger.shown import AssociationView
from hilum.ledger.whereabouts import Place
from hilum.model import Header
from hilum.states import Job
from hilum.store.rescan import Scanned, rescan

#: So long what was turned away may be the reason for what is not there.
_LATELY: Final = timedelta(days=2)
#: Files of open associations that are looked into: the others of an association are most likely like these.
_LOOK_INTO: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquirer:
    """Answers questions about what a gateway took.

    Attributes:
        spool: ``storage.temporary``.
        running: Whether a gateway has the ledger; ``None``: not known.
    """

    database: Database
    spool: Path
    running: bool | None = None

    def explain(self, text: str, *, now: datetime, personal: bool = False) -> Explanation:
        """Where something is, what happened to it, and what to do.

        Args:
            text: A UID, a Patient ID, a job, an association, ``group:12`` or ``delivery:12``.
            personal: Tell Patient IDs.
        """
        with self.database.read() as connection:
            found = inquiry.matches(connection, text)
            if len(found) == 1:
                return self._one(connection, found[0], now, personal=personal)
            if found:
                return answer.of_several(found, asked=_called(text, found, personal=personal))
            wanted = {text}
            return self._nothing(connection, wanted, now, asked=_called(text, (), personal=personal))

    def explain_file(self, header: Header, name: str, *, now: datetime, personal: bool = False) -> Explanation:
        """The same for the instance in a file, else for its study.

        Args:
            name: What to call the file.
        """
        with self.database.read() as connection:
            instances = _of_kind(inquiry.matches(connection, header.sop_instance), inquiry.Kind.INSTANCE)
            if instances:
                return replace(self._one(connection, instances[0], now, personal=personal), asked=name)
            studies = _of_kind(inquiry.matches(connection, header.study), inquiry.Kind.STUDY) if header.study else []
            if not studies:
                wanted = {header.sop_instance, header.study} - {""}
                return self._nothing(connection, wanted, now, asked=f"the instance in {name}, or of its study")
            missing = Finding(
                tone=Tone.WRONG,
                place="not received",
                subject=header.sop_instance,
                count=1,
                what=f"The instance in {name} is not among those that were received of its study",
                why="what is said here is about the other instances of the study",
                remedies=(Remedy(text="send it again, and see which status it is answered with"),),
            )
            return self._one(connection, studies[0], now, asked=name, personal=personal, before=(missing,))

    def _one(
        self,
        connection: Connection,
        match: Match,
        now: datetime,
        *,
        personal: bool,
        asked: str = "",
        before: Sequence[Finding] = (),
    ) -> Explanation:
        found = dossier(connection, match, now=now)
        around = Around(now=now, running=self.running, missing=self._missing(found))
        return answer.of_one(found, around, asked=asked or match.name, personal=personal, before=before)

    def _missing(self, found: Dossier) -> frozenset[str]:
        """Whose folders are not on the disk although something needs them."""
        needed = {part.association for part in found.parts if part.place in {Place.HELD, Place.GROUPED}}
        ended = [one for one in found.associations if one.id in needed and one.ended_at is not None]
        gone = {one.id for one in ended if not (self.spool / one.folder).is_dir()}
        return frozenset(
            gone | {job.id for job in found.jobs if job.state is not Job.REMOVED and not Path(job.folder).is_dir()}
        )

    def _nothing(self, connection: Connection, wanted: Collection[str], now: datetime, *, asked: str) -> Explanation:
        open_now = views.open_associations(connection)
        return answer.of_nothing(
            inquiry.not_taken(connection, since=now - _LATELY),
            self._arriving(open_now, wanted),
            open_now,
            Around(now=now, running=self.running),
            asked=asked,
            since=now - _LATELY,
        )

    def _arriving(self, open_now: Sequence[AssociationView], wanted: Collection[str]) -> Mapping[str, int]:
        """How many files of each open association are of what is wanted; of the newest files."""
        found: dict[str, int] = {}
        left = _LOOK_INTO
        for one in open_now:
            files = sorted((self.spool / one.folder).glob("*.dcm"), key=lambda path: path.stem.zfill(12))[-left:]
            left -= len(files)
            count = sum(bool(_names(path) & set(wanted)) for path in files)
            if count:
                found[one.id] = count
            if left <= 0:
                break
        return found


def _names(path: Path) -> set[str]:
    try:
        scanned = rescan(path)
    except TemporaryError:
        return set()  # it was moved meanwhile
    if not isinstance(scanned, Scanned):
        return set()
    header = scanned.header
    return {header.study, header.series, header.sop_instance, header.patient_id} - {""}


def _of_kind(found: Sequence[Match], kind: inquiry.Kind) -> Sequence[Match]:
    return [one for one in found if one.kind is kind]


def _called(text: str, found: Sequence[Match], *, personal: bool) -> str:
    """A question without personal data: what is neither a UID nor a name that Hilum gave may be a Patient ID."""
    ours = any(text in {one.id, one.name} for one in found) or text.partition(":")[0] in {"group", "delivery"}
    is_uid = text.replace(".", "").isdigit() and text.count(".") > 2
    if personal or ours or is_uid:
        return words.printable(text)
    return "what was asked for"
