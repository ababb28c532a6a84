"""What must not be, counted: what the sender was told against what the site holds and what the PACS got."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from crash.archive import Archive
from crash.reading import JobRow, Places, Site
from crash.sender import Ledger

#: Files of a job's folder that are neither input nor output. A run that was killed may leave one that it was just
#: writing, with the id of its process at the end; like its log it belongs to that run.
_OF_A_JOB: Final = re.compile(
    r"job\.meta|job\.json|receipt\.json|output/job\.done"
    r"|run/[0-9]+/(lock|(started\.json|exit\.json|cancel)(\.[0-9]+)?|log\.txt|log\.old\.txt|output|output/.*)"
)
#: By which gateways know that a folder is the one that they share.
_MARK: Final = ".hilum-storage"
_OF_A_RUN: Final = re.compile(r"/run/[0-9]+/output/")


class Fault(StrEnum):
    """All of these are to be zero."""

    NO_JOB = "acknowledged and released, in no job"
    TWO_JOBS = "in two jobs"
    NOT_HELD = "acknowledged, not released, neither held nor in a job"
    NOT_DELIVERED = "in a job, not delivered"
    OTHER_BYTES = "other bytes than were sent"
    UNKNOWN_FILE = "files that no row knows"
    MISSING_FILE = "rows without their file"
    PHANTOM = "never sent"
    REPEATED = "delivered again without a reason"
    RUN_TWICE = "an attempt of a job that was run twice"
    RUN_AGAIN = "a job that was run again although no attempt of it had failed"
    CUT_OFF = "refused or cut off although a gateway was there to take it"
    LEDGER = "the ledger is damaged"


@dataclass(slots=True)
class Tally:
    """What one look found.

    Attributes:
        faults: What was wrong, by kind; each entry says where.
        acknowledged: Instances whose success was read before any power cut.
        released: Those of them whose association was released.
        unknown: Instances that were begun, and whose answer was not read or does not count.
        found_unknown: Those of them that are there nevertheless, as they may be.
        held: Instances that are held.
        repeated: Deliveries that came more than once.
        quarantined: Files put aside as damaged.
        jobs: Jobs.
        run_again: Attempts of them beyond the first.
        spanning: Groups of instances that came to more than one gateway.
        revived: Gateways that ended by themselves and were started again.
    """

    faults: dict[Fault, list[str]] = field(default_factory=lambda: defaultdict(list))
    acknowledged: int = 0
    released: int = 0
    unknown: int = 0
    found_unknown: int = 0
    held: int = 0
    repeated: int = 0
    quarantined: int = 0
    jobs: int = 0
    run_again: int = 0
    spanning: int = 0
    revived: int = 0

    def check(self) -> None:
        """Raises if anything is wrong, with all of it."""
        if self.faults:
            raise AssertionError("\n".join(f"{kind}: {len(which)}: {which[:5]}" for kind, which in self.faults.items()))


def count(
    site: Site,
    places: Places,
    ledger: Ledger,
    archive: Archive,
    *,
    unknown_outcomes: int,
    held_before_release: bool = True,
    held_was_accepted: bool = False,
) -> Tally:
    """Compare.

    Args:
        unknown_outcomes: How many answers of the PACS the gateway may not have read, or not have kept.
        held_before_release: What was acknowledged is on disk before its association is released.
        held_was_accepted: An operator has had everything taken that was held: it has to be in jobs by now.
    """
    tally = Tally(jobs=len(site.jobs))
    digests = {one.uid: one.digest for told in ledger.associations for one in told.sent}
    jobs = _jobs(site, tally)
    held = _held(site, places, tally)
    _compare_promises(tally, ledger, jobs, () if held_was_accepted else held, held_before_release=held_before_release)
    _compare_bytes(tally, site, places, digests)
    for uid in (jobs.keys() | held) - digests.keys():
        tally.faults[Fault.PHANTOM].append(uid)
    for uid in jobs.keys() & held:
        tally.faults[Fault.TWO_JOBS].append(f"{uid}: {jobs[uid]}, and held, so that a second can be asked for")
    _compare_deliveries(tally, archive, jobs, digests, unknown_outcomes)
    _compare_rows_and_files(tally, site, places)
    if site.integrity != "ok":
        tally.faults[Fault.LEDGER].append(site.integrity)
    return tally


def _jobs(site: Site, tally: Tally) -> dict[str, list[str]]:
    """The jobs whose input folder has an instance, by its SOP Instance UID."""
    jobs: dict[str, list[str]] = defaultdict(list)
    by_folder = {job.folder: job for job in site.jobs}
    for path in site.files:
        folder, _, name = path.rpartition("/input/")
        if (job := by_folder.get(folder)) is not None:
            jobs[name.removesuffix(".dcm")].append(job.name)
    # Also one that the ledger alone believes to be in two.
    for uid, times in Counter(uid for job in site.jobs for uid in job.inputs).items():
        names = [job.name for job in site.jobs if uid in job.inputs] if times > 1 else jobs[uid]
        if len(set(names)) > 1 or len(names) > 1:
            tally.faults[Fault.TWO_JOBS].append(f"{uid}: {names}")
    return {uid: names for uid, names in jobs.items() if names}


def _held(site: Site, places: Places, tally: Tally) -> set[str]:
    """Instances that wait aside with their association, row and file both there."""
    held = {folder for state, folder in site.associations.values() if state == "held"}
    found = {
        uid
        for path, uid in site.spooled.items()
        if path.rpartition("/")[0] in held and f"{places.spool}/{path}" in site.files
    }
    tally.held = len(found)
    return found


def _compare_promises(
    tally: Tally, ledger: Ledger, jobs: Collection[str], held: Collection[str], *, held_before_release: bool
) -> None:
    for told in ledger.associations:
        for one in told.sent:
            is_there = one.uid in jobs or one.uid in held
            if not ledger.counts(one.acknowledged_at):
                tally.unknown += 1
                tally.found_unknown += is_there
                continue
            tally.acknowledged += 1
            if ledger.counts(told.released_at):
                tally.released += 1
                if one.uid not in jobs:
                    tally.faults[Fault.NO_JOB].append(one.uid)
            elif not is_there and held_before_release:
                tally.faults[Fault.NOT_HELD].append(one.uid)


def _compare_bytes(tally: Tally, site: Site, places: Places, digests: dict[str, str]) -> None:
    of_numbers = {f"{places.spool}/{path}": uid for path, uid in site.spooled.items()}
    for path, digest in site.files.items():
        if not path.endswith(".dcm") or path.startswith(f"{places.spool}/quarantine/") or _OF_A_RUN.search(path):
            continue  # put aside as damaged; what a lost attempt left
        uid = of_numbers.get(path) or path.rpartition("/")[2].removesuffix(".dcm")
        if digests.get(uid, digest) != digest:
            tally.faults[Fault.OTHER_BYTES].append(path)


def _compare_deliveries(
    tally: Tally, archive: Archive, jobs: dict[str, list[str]], digests: dict[str, str], unknown_outcomes: int
) -> None:
    received = archive.received()
    for uid in jobs:
        if uid in digests and (uid, digests[uid]) not in received:
            tally.faults[Fault.NOT_DELIVERED].append(uid)
    for uid, digest in received:
        if uid not in digests:
            tally.faults[Fault.PHANTOM].append(f"the PACS got {uid}")
        elif digest != digests[uid]:
            tally.faults[Fault.OTHER_BYTES].append(f"the PACS got {uid}")
    tally.repeated = sum(times - 1 for times in received.values())
    if tally.repeated > unknown_outcomes:
        tally.faults[Fault.REPEATED].append(f"{tally.repeated}, of unknown outcome were {unknown_outcomes}")


def _compare_rows_and_files(tally: Tally, site: Site, places: Places) -> None:
    spool = f"{places.spool}/"
    expected = {spool + path for path in site.spooled}
    expected |= {f"{spool}{folder}/association.json" for _, folder in site.associations.values()}
    quarantined = {path for path in site.files if path.startswith(f"{spool}quarantine/")}
    tally.quarantined = sum(path.endswith(".dcm") for path in quarantined)
    folders = {f"{spool}held", f"{spool}quarantine"} | {spool + folder for _, folder in site.associations.values()}
    jobs = {job.folder: job for job in site.jobs if job.state != "removed"}
    marks = {f"{root}/{_MARK}" for root in (places.spool, places.payloads)}
    for path in site.files.keys() - quarantined - expected - marks:
        job = _job_of(path, places, jobs)
        if job is None or not _belongs(path.removeprefix(f"{job.folder}/"), job):
            tally.faults[Fault.UNKNOWN_FILE].append(path)
    for path in site.folders:
        if path not in folders and _job_of(path, places, jobs) is None:
            tally.faults[Fault.UNKNOWN_FILE].append(f"{path}/")
    missing = [path for path in (*expected, *_files_of(jobs.values())) if path not in site.files]
    if missing:
        tally.faults[Fault.MISSING_FILE] = missing


def _job_of(path: str, places: Places, jobs: dict[str, JobRow]) -> JobRow | None:
    root = f"{places.payloads}/"
    if not path.startswith(root):
        return None
    return jobs.get(root + path.removeprefix(root).partition("/")[0])


def _belongs(path: str, job: JobRow) -> bool:
    place, _, rest = path.partition("/")
    if place == "input":
        return rest.removesuffix(".dcm") in job.inputs
    # What a job wrote that is no result is listed to the operator; these write only results.
    return (place == "output" and rest in job.results) or _OF_A_JOB.fullmatch(path) is not None


def _files_of(jobs: Collection[JobRow]) -> Iterator[str]:
    for job in jobs:
        yield f"{job.folder}/job.meta"
        yield f"{job.folder}/job.json"
        yield from (f"{job.folder}/input/{uid}.dcm" for uid in job.inputs)
        yield from (f"{job.folder}/output/{path}" for path in job.results)
        if job.state == "complete":
            yield f"{job.folder}/receipt.json"
