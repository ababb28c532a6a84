"""A gateway at one moment: what it does, and first of all what an operator should look at.

The command line, the API and the dashboard tell the same: what is wrong, why, and what to do stands here once.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from hilum import states, words
from hilum.config import Settings
from hilum.ledger import annals, noticeboard, views
from hilum.ledger.database import Database
from hilum.ledger.noticeboard import ChannelView
from hilum.ledger.shown import AssociationView, DestinationView, GatewayView, GroupView, HistoryLine, JobView
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
#: How long a peer that was turned away is worth a look, and how many lines of history are looked at for that.
_RECENT: Final = timedelta(days=1)
_LINES: Final = 500


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


class Matter(StrEnum):
    """What kind of thing needs attention; decides what can be done about it at once."""

    NOT_RUNNING = "not running"
    GATEWAY_GONE = "gateway gone"
    DISK = "disk"
    CONFIGURATION = "configuration"
    JOBS_FAILED = "jobs failed"
    GIVEN_UP = "given up"
    WAITING = "waiting"
    PAUSED = "paused"
    REJECTED = "rejected"
    REFUSED = "refused"
    PARKED = "parked"
    HELD = "held"
    STORED_ONLY = "stored only"
    UNTOLD = "untold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """Something that an operator should look at.

    Attributes:
        what: What is wrong, as one clause.
        why: The reason, if it is known.
        remedy: What to do, wherever one sits.
        command: What does it on the command line; empty: there is none for it.
        subject: The id of the job, group or association, the name of the destination or channel, or the peer's
            address.
        at: When it happened last, if that is known.
        count: Of how many it speaks.
    """

    matter: Matter
    what: str
    why: str = ""
    remedy: str
    command: str = ""
    subject: str = ""
    at: datetime | None = None
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """A gateway at one moment.

    Attributes:
        ledger: Its file, or where on which server it is.
        attention: The most pressing first; empty when all is well.
        gateways: Those that share the ledger, and those whose work was not taken over yet, the eldest first.
        failed: The newest failed jobs.
        destinations: Of the configuration and of the ledger, by name.
        channels: Of notifications, by name.
    """

    at: datetime
    config: Path | None
    ledger: str
    running: bool
    listens: str
    attention: Sequence[Attention]
    gateways: Sequence[GatewayView]
    associations: Sequence[AssociationView]
    held: Sequence[AssociationView]
    groups: Sequence[GroupView]
    jobs: Mapping[states.Job, int]
    failed: Sequence[JobView]
    destinations: Sequence[DestinationView]
    disks: Sequence[Disk]
    channels: Sequence[ChannelView]


def look(database: Database, settings: Settings, config: Path | None, now: datetime, *, running: bool) -> Overview:
    """Look at everything once.

    Args:
        config: Where the settings came from.
        running: Whether a gateway has the ledger now.
    """
    scp = settings.dicom.scp
    with database.read() as connection:
        gateways = views.list_gateways(connection)
        associations = views.open_associations(connection)
        held = views.held_associations(connection)
        groups = views.list_groups(connection, states_wanted=[states.Group.OPEN], limit=_EXAMPLES * 4)
        waiting = views.list_groups(connection, states_wanted=[states.Group.PARKED, states.Group.STORED_ONLY])
        counts = views.job_counts(connection)
        failed = views.list_jobs(connection, state=states.Job.FAILED, limit=_EXAMPLES)
        reached = destinations(connection, settings)
        lines = annals.list_history(connection, since=now - _RECENT, limit=_LINES)
        reloads = annals.list_history(connection, machine="config", everything=True, limit=1)
        told = settings.notifications
        channels = noticeboard.channels(connection, {*told.webhooks, *told.mail})
        starts = annals.list_history(connection, machine="gateway", event="started", everything=True, limit=1)
    disks = disks_of(settings)
    attention = (
        *_gateway(config, running, associations),
        *(_silent(one, now) for one in gateways if running and _is_silent(one, now)),
        *map(_disk, (disk for disk in disks if disk.full)),
        *_configuration(reloads, starts),
        *_jobs(counts, failed),
        *_destinations(reached, now),
        *_turned_away(lines),
        *_parked(waiting),
        *_held(held),
        *_stored_only(waiting),
        *_channels(channels, now),
    )
    return Overview(
        at=now,
        config=config,
        ledger=database.name,
        running=running,
        listens=f"{words.listed([ae.title for ae in scp.ae_titles])} on {scp.host} port {scp.port}",
        attention=attention,
        gateways=gateways,
        associations=associations,
        held=held,
        groups=groups,
        jobs=counts,
        failed=failed,
        destinations=reached,
        disks=disks,
        channels=channels,
    )


def destinations(connection: Connection, settings: Settings) -> Sequence[DestinationView]:
    """Those of the configuration and those that anything was ever due for, by name."""
    found = {one.name: one for one in views.destinations(connection)}
    for one in settings.dicom.scu.destinations:
        found.setdefault(one.name, _unused(one.name))
    return [found[name] for name in sorted(found)]


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


def disks_of(settings: Settings) -> Sequence[Disk]:
    """The file systems of the storage folders, each once."""
    storage = settings.storage
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


def _gateway(config: Path | None, running: bool, associations: Sequence[AssociationView]) -> Iterator[Attention]:
    if running:
        return
    lost = f"; {words.count(len(associations), 'association')} had not ended when it stopped" if associations else ""
    yield Attention(
        matter=Matter.NOT_RUNNING,
        what=f"no gateway is running{lost}",
        remedy="start it",
        command=f"hilum serve --config {config}",
    )


def _is_silent(gateway: GatewayView, now: datetime) -> bool:
    late = gateway.state is states.Gateway.RUNNING and gateway.seen_until < now
    return late or gateway.state is states.Gateway.GONE


def _silent(gateway: GatewayView, now: datetime) -> Attention:
    return Attention(
        matter=Matter.GATEWAY_GONE,
        what=f"gateway {gateway.id} is gone: it was last heard of {words.ago(gateway.seen_at, now)} ago",
        remedy=f"see to it that it is started again on {gateway.host}; the others take over what it had begun",
        subject=gateway.id,
        at=gateway.seen_at,
    )


def _disk(disk: Disk) -> Attention:
    return Attention(
        matter=Matter.DISK,
        what="nothing new is taken: the disk is full",
        why=disk.full or "",
        remedy=f"make room on the disk of {disk.folder}, or change storage.watermark-percent or storage.reserve-gb; "
        "senders are told to try again later, and nothing that was accepted is lost",
        subject=str(disk.folder),
    )


def _configuration(reloads: Sequence[HistoryLine], starts: Sequence[HistoryLine]) -> Iterator[Attention]:
    for line in reloads:
        # A gateway that started since then found a file that it could use.
        if line.event == "refused" and not any(one.id > line.id for one in starts):
            yield Attention(
                matter=Matter.CONFIGURATION,
                what="the configuration file has errors; the last good one is in force",
                why=line.why,
                remedy=line.remedy,
                command="hilum check",
                at=line.at,
            )


def _jobs(counts: Mapping[states.Job, int], failed: Sequence[JobView]) -> Iterator[Attention]:
    number = counts[states.Job.FAILED]
    if number:
        newest, job = failed[0], failed[0].id[:8]
        yield Attention(
            matter=Matter.JOBS_FAILED,
            what=f"{words.count(number, 'job')} failed, the newest {job} ({newest.workflow_name})",
            why=newest.why,
            remedy="read the end of its log, mend the cause, then run it again",
            command=f"hilum jobs show {job}, mend the cause, then hilum retry {job}",
            subject=newest.id,
            at=newest.finished_at,
            count=number,
        )


def _destinations(found: Sequence[DestinationView], now: datetime) -> Iterator[Attention]:
    for one in found:
        if one.given_up:
            yield Attention(
                matter=Matter.GIVEN_UP,
                what=f"{words.count(one.given_up, 'delivery', 'deliveries')} to {one.name} given up",
                why=one.last_error,
                remedy="mend the cause, then have them tried again",
                command="mend the cause, then hilum retry JOB; see hilum deliveries --state given-up",
                subject=one.name,
                count=one.given_up,
            )
        if one.state is states.Destination.PAUSED:
            waits = words.count(one.due, "delivery waits", "deliveries wait")
            yield Attention(
                matter=Matter.PAUSED,
                what=f"{one.name} is paused{f', and {waits} for it' if one.due else ''}",
                why=one.last_error,
                remedy="resume it when it may be sent to again; nothing is lost meanwhile",
                command=f"hilum resume {one.name}",
                subject=one.name,
                at=one.since,
                count=one.due,
            )
        elif one.due and one.last_error:
            number = words.count(one.due, "delivery waits", "deliveries wait")
            down = ", which is down" if one.state is states.Destination.DOWN else ""
            again = f"tried again {words.until(one.next_try, now)}"
            yield Attention(
                matter=Matter.WAITING,
                what=f"{number} for {one.name}{down}",
                why=one.last_error,
                remedy=f"see that {one.name} runs and can be reached; nothing is lost, it is {again} by itself",
                command=f"{again}; hilum echo {one.name} tests it",
                subject=one.name,
                at=one.since,
                count=one.due,
            )


def _turned_away(lines: Sequence[HistoryLine]) -> Iterator[Attention]:
    """Peers that got no association, and instances that were not taken: what the ledger has no rows of."""
    kinds = {
        ("association", "rejected"): (Matter.REJECTED, "association", "rejected"),
        ("instance", "refused"): (Matter.REFUSED, "instance", "refused"),
    }
    found: dict[tuple[str, ...], list[HistoryLine]] = {}
    for line in reversed(lines):
        if (line.machine, line.event) in kinds:
            found.setdefault((line.machine, line.event, line.remedy), []).append(line)
    for (machine, event, remedy), same in list(found.items())[:_EXAMPLES]:
        matter, noun, done = kinds[machine, event]
        newest = same[0]
        host = f" from {newest.subject}" if matter is Matter.REJECTED else ""
        yield Attention(
            matter=matter,
            what=f"{words.count(len(same), noun)}{host} {done} in the last day",
            why=newest.why,
            remedy=remedy,
            subject=newest.subject,
            at=newest.at,
            count=len(same),
        )


def _parked(groups: Sequence[GroupView]) -> Iterator[Attention]:
    for one in groups:
        if one.state is states.Group.PARKED:
            yield Attention(
                matter=Matter.PARKED,
                what=f"group {one.id} is parked: no jobs could be made of it",
                why=one.why,
                remedy="mend the cause, then give it to the workflows again",
                command=f"hilum retry group:{one.id}",
                subject=str(one.id),
                at=one.closed_at,
            )


def _stored_only(groups: Sequence[GroupView]) -> Iterator[Attention]:
    found = [one for one in groups if one.state is states.Group.STORED_ONLY]
    if found:
        yield Attention(
            matter=Matter.STORED_ONLY,
            what=f"{words.count(len(found), 'group')} stored, but no workflow wanted it",
            why=found[0].why,
            remedy="add a workflow, then give it to the workflows again",
            command=f"add a workflow, then hilum retry group:{found[0].id}",
            subject=str(found[0].id),
            at=found[0].closed_at,
            count=len(found),
        )


def _held(held: Sequence[AssociationView]) -> Iterator[Attention]:
    if held:
        newest = held[-1]
        yield Attention(
            matter=Matter.HELD,
            what=f"{words.count(len(held), 'association')} held, the newest with "
            f"{words.count(newest.instances, 'instance')} from {newest.calling}",
            why=newest.why,
            remedy="have it sent again, or accept what arrived",
            command=f"have it sent again, or hilum accept {newest.id}",
            subject=newest.id,
            at=newest.ended_at,
            count=len(held),
        )


def _channels(channels: Sequence[ChannelView], now: datetime) -> Iterator[Attention]:
    for one in channels:
        if one.failing:
            again = f"tried again {words.until(one.next_try, now)}"
            yield Attention(
                matter=Matter.UNTOLD,
                what=f"{words.count(one.due, 'notice waits', 'notices wait')} for {one.name}",
                why=one.failing,
                remedy=f"mend the channel in notifications, or what it leads to; it is {again} by itself",
                command=f"{again}; hilum notify test {one.name} tests it",
                subject=one.name,
                count=one.due,
            )
        elif one.given_up:
            yield Attention(
                matter=Matter.UNTOLD,
                what=f"{words.count(one.given_up, 'notice')} through {one.name} given up, and nothing was told since",
                remedy="mend the channel in notifications, or what it leads to, and test it; then have them told again",
                command=f"hilum notify test {one.name} tests it; then hilum retry channel:{one.name}",
                subject=one.name,
                count=one.given_up,
            )
