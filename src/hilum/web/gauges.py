"""What is so just now, looked at when Prometheus asks: queues, disks, destinations, the process."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final, TypeVar

import structlog
from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from hilum import states
from hilum.errors import HilumError
from hilum.ledger.vitals import Vitals, vitals
from hilum.observe.names import Names, known
from hilum.web.desk import Desk

#: A word of ours, or a name of the configuration.
Label = TypeVar("Label", bound=str)

_log = structlog.get_logger(__name__)

#: By name, what each one says and which labels it has.
GAUGES: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "hilum_receiving": ("1 if new instances are taken, 0 if a disk is above its watermark.", ()),
    "hilum_associations_open": ("Associations that are open now.", ("called",)),
    "hilum_associations_held": ("Associations that ended without a release and wait for an operator.", ()),
    "hilum_associations_held_oldest_seconds": ("How long the oldest of these has waited.", ()),
    "hilum_instances_held": ("Instances that these stored.", ()),
    "hilum_instances_spooled": ("Instances of associations that have ended, with files in the spool.", ()),
    "hilum_groups": (
        "Groups by state, all but those that have their jobs; stored only ones as long as they are kept.",
        ("state",),
    ),
    "hilum_groups_oldest_seconds": (
        "How long the oldest one has been open; of closed and parked ones, how long ago the oldest was closed.",
        ("state",),
    ),
    "hilum_jobs": ("Jobs by state, all but those that are over; failed ones as long as they are kept.", ("state",)),
    "hilum_jobs_oldest_seconds": ("How long ago the oldest job in this state was made.", ("state",)),
    "hilum_deliveries_due": ("Deliveries that are not made yet.", ("destination",)),
    "hilum_deliveries_oldest_seconds": ("How long the oldest of these has waited.", ("destination",)),
    "hilum_destination_up": ("0 if the destination is down: it is asked again by itself.", ("destination",)),
    "hilum_destination_paused": ("1 if an operator wants nothing sent there now.", ("destination",)),
    "hilum_destination_failures": ("How often it has failed in a row.", ("destination",)),
    "hilum_next_seconds": ("Until what waits for its time is due next; 0: it is overdue.", ("timer",)),
    "hilum_disk_used_bytes": ("Of the file system of a folder.", ("folder",)),
    "hilum_disk_free_bytes": ("Of it, what this user may still fill.", ("folder",)),
    "hilum_disk_free_inodes": ("Of it, how many files may still be made; 0 where there is no such limit.", ("folder",)),
    "hilum_disk_watermark_ratio": ("Above which nothing new is taken: storage.watermark-percent.", ()),
    "hilum_disk_reserve_bytes": ("Below which nothing new is taken: storage.reserve-gb.", ()),
    "hilum_ledger_up": ("1 if the ledger could be read for this answer.", ()),
    "hilum_ledger_bytes": ("Size of the ledger: of its file and its log, or of the database on a server.", ("file",)),
}


class Gauges(Collector):
    """Looks each time; what cannot be seen just now is left out, and the rest is told all the same."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def describe(self) -> Iterable[Metric]:
        """Without any value: nothing is looked at."""
        return [_family(name) for name in GAUGES]

    def collect(self) -> Iterator[Metric]:
        """As it is now."""
        names = Names.of(self._desk.settings())
        yield _one("hilum_receiving", float(self._desk.congested() is None))
        called = Counter(known(info.called, names.called) for info in self._desk.talking())
        yield _many("hilum_associations_open", {name: called[name] for name in sorted({*names.called, *called})})
        yield from self._disks()
        yield from self._ledger(names)
        yield InfoMetricFamily("hilum_build", "Which Hilum this is.", {"version": version("hilum")})

    def _ledger(self, names: Names) -> Iterator[Metric]:
        database = self._desk.database
        try:
            with database.read() as connection:
                extent, found = database.extent(connection), vitals(connection)
        except HilumError as error:
            _log.warning("metrics.no_ledger", error=str(error))
            yield _one("hilum_ledger_up", 0)
            return
        sizes = {"database": extent.size} | ({} if extent.log_size is None else {"wal": extent.log_size})
        yield _many("hilum_ledger_bytes", sizes)
        yield _one("hilum_ledger_up", 1)
        now = self._desk.clock()
        yield from _work(found, now)
        yield from _destinations(found, names, now)

    def _disks(self) -> Iterator[Metric]:
        storage = self._desk.settings().storage
        folders = {
            "temporary": storage.temporary,
            "payloads": storage.payloads,
            "output": storage.output,
        }
        if self._desk.database.path is not None:
            folders["ledger"] = self._desk.database.path.parent
        found = {name: look for name, path in folders.items() if (look := _statvfs(path)) is not None}
        used = {name: (one.f_blocks - one.f_bfree) * one.f_frsize for name, one in found.items()}
        yield _many("hilum_disk_used_bytes", used)
        yield _many("hilum_disk_free_bytes", {name: one.f_bavail * one.f_frsize for name, one in found.items()})
        yield _many("hilum_disk_free_inodes", {name: one.f_favail for name, one in found.items()})
        yield _one("hilum_disk_watermark_ratio", storage.watermark_percent / 100)
        yield _one("hilum_disk_reserve_bytes", storage.reserve_gb * 1_000_000_000)


def _work(found: Vitals, now: datetime) -> Iterator[Metric]:
    yield _one("hilum_associations_held", found.held.number)
    yield _one("hilum_associations_held_oldest_seconds", _age(found.held.oldest, now))
    yield _one("hilum_instances_held", found.held_instances)
    yield _one("hilum_instances_spooled", found.spooled)
    yield _many("hilum_groups", {state: one.number for state, one in found.groups.items()})
    ages = {state: _age(one.oldest, now) for state, one in found.groups.items() if state in _AGE_KNOWN}
    yield _many("hilum_groups_oldest_seconds", ages)
    yield _many("hilum_jobs", {state: one.number for state, one in found.jobs.items()})
    aged = {state: _age(one.oldest, now) for state, one in found.jobs.items() if state is not states.Job.FAILED}
    yield _many("hilum_jobs_oldest_seconds", aged)
    waits = {timer: max(0.0, (when - now).total_seconds()) for timer, when in found.timers.items()}
    yield _many("hilum_next_seconds", waits)


_AGE_KNOWN: Final = frozenset({states.Group.OPEN, states.Group.CLOSED, states.Group.PARKED})


def _destinations(found: Vitals, names: Names, now: datetime) -> Iterator[Metric]:
    due = dict.fromkeys(sorted(names.destinations), 0)
    ages = dict.fromkeys(due, 0.0)
    for name, queue in found.deliveries.items():
        label = known(name, names.destinations)
        due[label] = due.get(label, 0) + queue.number
        ages[label] = max(ages.get(label, 0.0), _age(queue.oldest, now))
    yield _many("hilum_deliveries_due", due)
    yield _many("hilum_deliveries_oldest_seconds", ages)
    ever = {name: found.destinations.get(name) for name in sorted(names.destinations)}
    up = {name: float(one is None or one.state is not states.Destination.DOWN) for name, one in ever.items()}
    yield _many("hilum_destination_up", up)
    paused = {name: float(one is not None and one.state is states.Destination.PAUSED) for name, one in ever.items()}
    yield _many("hilum_destination_paused", paused)
    yield _many("hilum_destination_failures", {name: 0 if one is None else one.failures for name, one in ever.items()})


def _family(name: str) -> GaugeMetricFamily:
    documentation, labels = GAUGES[name]
    return GaugeMetricFamily(name, documentation, labels=labels)


def _one(name: str, value: float) -> Metric:
    family = _family(name)
    family.add_metric((), value)
    return family


def _many(name: str, values: Mapping[Label, float]) -> Metric:
    family = _family(name)
    for label, value in values.items():
        family.add_metric((label,), value)
    return family


def _age(since: datetime | None, now: datetime) -> float:
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())


def _statvfs(path: Path) -> os.statvfs_result | None:
    try:
        return os.statvfs(path)
    except OSError:
        return None


def registry(desk: Desk) -> CollectorRegistry:
    """All gauges, and what the system knows of this process."""
    made = CollectorRegistry()
    made.register(Gauges(desk))
    ProcessCollector(registry=made)
    GCCollector(registry=made)
    return made
