"""What ``hilum status`` looks at, gathered from the ledger and the disk."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from hilum import states, words
from hilum.cli.ledger import Office
from hilum.ledger import views
from hilum.ledger.shown import AssociationView, DestinationView, GroupView, JobView
from hilum.store.disk import judge

#: States of a job that something still happens in.
ACTIVE: Final = (
    states.Job.QUEUED,
    states.Job.RUNNING,
    states.Job.CANCELLING,
    states.Job.FINISHED,
    states.Job.COLLECTED,
)
_EXAMPLES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """The file system of one of the storage folders.

    Attributes:
        used_percent: As ``df`` counts.
        full: Why nothing new is taken, or ``None``.
    """

    folder: Path
    used_percent: float
    free_bytes: int
    watermark_percent: int
    full: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """Something that an operator should look at.

    Attributes:
        remedy: What to do, mostly a command.
    """

    what: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """A gateway at one moment.

    Attributes:
        attention: The most pressing first; empty when all is well.
        failed: The newest failed jobs.
        destinations: Of the configuration and of the ledger, by name.
    """

    at: datetime
    config: Path
    ledger: Path
    running: bool
    listens: str
    attention: Sequence[Attention]
    associations: Sequence[AssociationView]
    held: Sequence[AssociationView]
    groups: Sequence[GroupView]
    jobs: Mapping[states.Job, int]
    failed: Sequence[JobView]
    destinations: Sequence[DestinationView]
    disks: Sequence[Disk]


def look(office: Office, now: datetime) -> Overview:
    """Look at everything once."""
    settings, scp = office.settings, office.settings.dicom.scp
    with office.database.read() as connection:
        associations = views.open_associations(connection)
        held = views.held_associations(connection)
        groups = views.list_groups(connection, states_wanted=[states.Group.OPEN], limit=_EXAMPLES * 4)
        waiting = views.list_groups(connection, states_wanted=[states.Group.PARKED, states.Group.STORED_ONLY])
        counts = views.job_counts(connection)
        failed = views.list_jobs(connection, state=states.Job.FAILED, limit=_EXAMPLES)
        reached = {one.name: one for one in views.destinations(connection)}
    for one in settings.dicom.scu.destinations:
        reached.setdefault(one.name, _unused(one.name))
    disks = _disks(office)
    running = office.running
    attention = (
        *_gateway(office, running, associations),
        *(Attention(what=f"nothing new is taken: {disk.full}", remedy="make room") for disk in disks if disk.full),
        *_jobs(counts, failed),
        *_destinations(list(reached.values()), now),
        *_parked(waiting),
        *_held(held),
        *_stored_only(waiting),
    )
    return Overview(
        at=now,
        config=office.path,
        ledger=office.database.path,
        running=running,
        listens=f"{words.listed([ae.title for ae in scp.ae_titles])} on {scp.host} port {scp.port}",
        attention=attention,
        associations=associations,
        held=held,
        groups=groups,
        jobs=counts,
        failed=failed,
        destinations=[reached[name] for name in sorted(reached)],
        disks=disks,
    )


def _unused(name: str) -> DestinationView:
    return DestinationView(
        name=name,
        state=states.Destination.UP,
        since=None,
        failures=0,
        due=0,
        delivered=0,
        given_up=0,
        next_try=None,
        last_error="",
    )


def _disks(office: Office) -> Sequence[Disk]:
    storage = office.settings.storage
    found: dict[int, Disk] = {}
    for folder in (storage.temporary, storage.payloads):
        try:
            device = folder.stat().st_dev
            stat = os.statvfs(folder)
        except OSError:
            continue  # no gateway has made it yet
        used = stat.f_blocks - stat.f_bfree
        reserve = int(storage.reserve_gb * 1_000_000_000)
        disk = Disk(
            folder=folder,
            used_percent=round(100 * used / max(1, used + stat.f_bavail), 1),
            free_bytes=stat.f_bavail * stat.f_frsize,
            watermark_percent=storage.watermark_percent,
            full=judge(folder, stat, percent=storage.watermark_percent, reserve_bytes=reserve),
        )
        found.setdefault(device, disk)
    return tuple(found.values())


def _gateway(office: Office, running: bool, associations: Sequence[AssociationView]) -> Iterator[Attention]:
    if running:
        return
    lost = f"; {words.count(len(associations), 'association')} had not ended when it stopped" if associations else ""
    yield Attention(what=f"no gateway is running{lost}", remedy=f"hilum serve --config {office.path}")


def _jobs(counts: Mapping[states.Job, int], failed: Sequence[JobView]) -> Iterator[Attention]:
    number = counts[states.Job.FAILED]
    if number:
        newest, job = failed[0], failed[0].id[:8]
        yield Attention(
            what=f"{words.count(number, 'job')} failed, the newest {job} ({newest.workflow_name}): {newest.why}",
            remedy=f"hilum jobs show {job}, mend the cause, then hilum retry {job}",
        )


def _destinations(destinations: Sequence[DestinationView], now: datetime) -> Iterator[Attention]:
    for one in destinations:
        if one.given_up:
            yield Attention(
                what=f"{words.count(one.given_up, 'delivery', 'deliveries')} to {one.name} given up: {one.last_error}",
                remedy="mend the cause, then hilum retry JOB; see hilum deliveries --state given-up",
            )
        if one.due and one.last_error:
            number = words.count(one.due, "delivery waits", "deliveries wait")
            down = ", which is down" if one.state is states.Destination.DOWN else ""
            yield Attention(
                what=f"{number} for {one.name}{down}: {one.last_error}",
                remedy=f"tried again {words.until(one.next_try, now)}; hilum echo {one.name} tests it",
            )


def _parked(groups: Sequence[GroupView]) -> Iterator[Attention]:
    for one in groups:
        if one.state is states.Group.PARKED:
            yield Attention(what=f"group {one.id} is parked: {one.why}", remedy=f"hilum retry group:{one.id}")


def _stored_only(groups: Sequence[GroupView]) -> Iterator[Attention]:
    found = [one for one in groups if one.state is states.Group.STORED_ONLY]
    if found:
        yield Attention(
            what=f"{words.count(len(found), 'group')} stored, but no workflow wanted it: {found[0].why}",
            remedy=f"add a workflow, then hilum retry group:{found[0].id}",
        )


def _held(held: Sequence[AssociationView]) -> Iterator[Attention]:
    if held:
        newest = held[-1]
        yield Attention(
            what=f"{words.count(len(held), 'association')} held, the newest with "
            f"{words.count(newest.instances, 'instance')} from {newest.calling}: {newest.why}",
            remedy=f"have it sent again, or hilum accept {newest.id}",
        )
