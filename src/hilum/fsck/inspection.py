"""Walks ledger and disks, and hands what they say to the rules."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog

from hilum import states
from hilum.fsck import disk
from hilum.fsck.facts import Association, Count, File, Job, JobFiles, Moment, Result, Root, SpoolFolder
from hilum.fsck.finding import Finding, Kind
from hilum.fsck.mending import mend
from hilum.fsck.policy import ledger, payloads, spool
from hilum.ledger import account, audit, gateways, planning
from hilum.ledger.database import Database
from hilum.ledger.rows import AnyRow
from hilum.store.mark import MARK
from hilum.store.quarantine import payload_quarantine, spool_quarantine
from hilum.store.receive import QUARANTINE

_log = structlog.get_logger("hilum.fsck")

#: How long after a suspicion a running gateway has recorded what it was about to.
_SECOND_LOOK_SECONDS: Final = 1.0
#: So many findings are logged one by one; more would hide the first lines of a start.
_LOGGED: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """Of one gateway's ledger and folders.

    Attributes:
        spool: ``storage.temporary``.
        roots: Where job folders are; Hilum makes them in the first.
    """

    database: Database
    spool: Path
    roots: Sequence[Path]
    pause: Callable[[float], None] = time.sleep

    def at_start(self, now: datetime, *, alone: bool = True) -> Sequence[Finding]:
        """Compare folders, not the files in them, after a start has taken up what the last end left.

        Rows are set right where that is safe; nothing on disk is touched. Each finding is logged.

        Args:
            alone: No other gateway is at work meanwhile.
        """
        found = self._twice(lambda: self._folders(Moment(now=now, started=True)), once=alone)
        if not found:
            return ()
        mended = mend(self.database, found, now, move=False)
        for finding in mended[:_LOGGED]:
            _log.warning(
                "fsck.finding",
                kind=str(finding.kind),
                subject=finding.subject,
                found=finding.found,
                expected=finding.expected,
                means=finding.means,
                remedy=finding.remedy,
                repaired=finding.repaired,
            )
        left = sum(not finding.repaired for finding in mended)
        _log.warning("fsck.done", findings=len(mended), left=left, remedy="hilum fsck" if left else "")
        return mended

    def look(self, now: datetime, *, deep: bool = False, running: bool = False) -> Sequence[Finding]:
        """Compare everything and change nothing.

        Args:
            deep: Read every file and compare digests.
            running: A gateway is at work meanwhile: what is found is looked for a second time, and counts if it is
                still so.
        """
        moment = Moment(now=now, started=running)
        return self._twice(lambda: self._everything(moment, deep=deep), once=not running)

    def _twice(self, look: Callable[[], Iterable[Finding]], *, once: bool) -> list[Finding]:
        """What is found, and still is a moment later unless ``once`` is enough."""
        found = list(look())
        if found and not once:
            self.pause(_SECOND_LOOK_SECONDS)
            again = {(one.kind, one.subject) for one in look()}
            found = [one for one in found if (one.kind, one.subject) in again]
        return found

    def repair(self, now: datetime, *, deep: bool = False) -> Sequence[Finding]:
        """Compare everything and mend what can be mended safely; no gateway may be running."""
        return mend(self.database, self.look(now, deep=deep), now, move=True)

    def _everything(self, moment: Moment, *, deep: bool) -> Iterator[Finding]:
        yield from self._ledger()
        yield from self._folders(moment)
        yield from self._spool_files(moment, deep=deep)
        yield from self._job_files(moment, deep=deep)

    # --- folders

    def _folders(self, moment: Moment) -> Iterator[Finding]:
        yield from self._spool_folders(moment)
        # Folders before rows: a folder is there before its row.
        there = {str(root): disk.folders(root) for root in self.roots}
        with self.database.read() as connection:
            in_the_making = planning.jobs_in_the_making(connection)
            rows = audit.kept_jobs(connection, moment.now)
        jobs: dict[str, list[Job]] = defaultdict(list)
        for row in rows:
            job = _job(row)
            jobs[job.root].append(job)
        for root in there | dict.fromkeys(jobs):
            found = there[root] if root in there else disk.folders(Path(root))  # of an earlier configuration
            known = {job.name for job in jobs[root]}
            strange = (
                {name for name in found or () if not name.startswith(".")} - known if root == str(self.roots[0]) else ()
            )
            described = disk.described(Path(root), strange)
            facts = Root(path=root, folders=found, described=described, planning=in_the_making)
            yield from payloads.job_folders(jobs[root], facts, quarantine=str(payload_quarantine(Path(root))))

    def _spool_folders(self, moment: Moment) -> Iterator[Finding]:
        there = disk.spool_folders(self.spool)
        with self.database.read() as connection:
            rows = {row.id: _association(row) for row in audit.spooled(connection, moment.now)}
            moment = replace(moment, standing=gateways.standing(connection)) if moment.started else moment
            others = {name for name, _ in there} - rows.keys()
            rows |= {row.id: _association(row) for row in audit.named(connection, others, moment.now)}
        # What is in a folder matters only where no row tells of it.
        found = [
            SpoolFolder(id=name, place=place, told=True, complete=0)
            if name in rows and rows[name].spooled
            else disk.spool_folder(self.spool, name, place)
            for name, place in there
        ]
        yield from spool.spool_folders(
            rows, found, spool=str(self.spool), quarantine=str(spool_quarantine(self.spool)), moment=moment
        )

    # --- files

    def _spool_files(self, moment: Moment, *, deep: bool) -> Iterator[Finding]:
        with self.database.read() as connection:
            rows = [_association(row) for row in audit.spooled(connection, moment.now)]
        for row in rows:
            folder = self.spool / row.folder
            if row.state is states.Association.OPEN or row.letting_go or not folder.is_dir():
                continue
            with self.database.read() as connection:
                instances = audit.spool_instances(connection, row.id, moment.now)
            wanted = {f"{one.number}.dcm": File(size=one.size, digest=one.digest) for one in instances if one.needed}
            others = frozenset(f"{one.number}.dcm" for one in instances if not one.needed)
            found = disk.sizes(folder)
            if deep:
                found |= _digested(folder, wanted, found)
            yield from spool.spool_files(
                row,
                wanted,
                others | {"association.json", MARK},
                found,
                spool=str(self.spool),
                quarantine=str(spool_quarantine(self.spool)),
            )

    def _job_files(self, moment: Moment, *, deep: bool) -> Iterator[Finding]:
        with self.database.read() as connection:
            rows = audit.kept_jobs(connection, moment.now)
        for row in rows:
            job, folder = _job(row), Path(row.folder)
            if job.expiring or not folder.is_dir():
                continue
            with self.database.read() as connection:
                inputs = audit.inputs(connection, row.group_id) if job.own else ()
                results = audit.kept_results(connection, job.id)
            wanted = {f"{one.sop_instance}.dcm": File(size=one.size, digest=one.digest) for one in inputs}
            found = disk.sizes(folder / "input") if job.own else {}
            if deep:
                found |= _digested(folder / "input", wanted, found)
            names, parts = disk.names(folder), tuple(disk.parts(folder))
            files = JobFiles(names=names, inputs=wanted, found=found, parts=parts)
            yield from payloads.job_files(job, files, quarantine=str(payload_quarantine(folder.parent)))
            yield from payloads.job_results(job, [_result(one, folder, deep=deep) for one in results])

    # --- the ledger

    def _ledger(self) -> Iterator[Finding]:
        with self.database.read() as connection:
            damage = audit.quick_check(connection)
            references = audit.broken_references(connection)
            counted = [
                Count(machine=machine, subject=str(row.id), kept=row.kept, counted=row.counted)
                for machine, query in (("association", audit.wrong_associations), ("group", audit.wrong_groups))
                for row in query(connection)
            ]
            jobless = audit.groups_without_jobs(connection)
            sums = account.sums(connection)
        yield from ledger.complaints(Kind.LEDGER_DAMAGED, damage)
        yield from ledger.complaints(Kind.REFERENCE_BROKEN, references)
        yield from ledger.counts(counted)
        yield from ledger.groups_without_jobs(jobless)
        if not sums.adds_up:
            yield ledger.wrong_sum(sums.received, sums.accounted)


def _association(row: AnyRow) -> Association:
    return Association(
        id=row.id,
        state=states.Association(row.state),
        folder=row.folder,
        spooled=row.spooled,
        instances=row.instances,
        needed=row.needed,
        letting_go=row.letting_go,
    )


def _job(row: AnyRow) -> Job:
    root, _, name = row.folder.rpartition("/")  # an absolute path; there may be very many of them
    return Job(
        id=row.id,
        name=name,
        state=states.Job(row.state),
        root=root,
        own=row.group_id is not None,
        instances=row.instances,
        expiring=row.expiring,
    )


def _digested(folder: Path, wanted: dict[str, File], found: dict[str, File]) -> dict[str, File]:
    """Those files of a folder whose digest is known, with the digest that they have."""
    return {
        name: replace(found[name], digest=disk.data_set_digest(folder / name))
        for name, expected in wanted.items()
        if expected.digest and name in found and found[name].size == expected.size
    }


def _result(row: AnyRow, folder: Path, *, deep: bool) -> Result:
    path = folder / "output" / row.path
    found = disk.file(path)
    if found is not None and deep and found.size == row.size:
        found = replace(found, digest=disk.sha256(path))
    return Result(
        path=row.path,
        expected=File(size=row.size, digest=row.sha256),
        due=row.due,
        found=found,
        aside=disk.file(folder / QUARANTINE / row.path) is not None,
    )
