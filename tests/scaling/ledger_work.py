"""What one association, its job and its deliveries ask of the ledger: a gateway taken apart and driven by hand.

Nothing polls and nothing runs beside, so that each number is the same at every run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from harness import sending
from harness.data import make_series
from harness.ledgers import Ledgers
from harness.pacs import Pacs
from harness.site import Site
from harness.waiting import eventually
from hilum.association.server import Server
from hilum.clock import utc_now
from hilum.config.settings import Ledger
from hilum.deliver import worker
from hilum.ledger import gateways
from hilum.runner import POLL, Step
from hilum.serve.heartbeat import RENEWALS
from hilum.serve.parts import Parts
from hilum.serve.roles import ALL
from hilum.serve.takeover import looks
from scaling.statements import Asked, Counter

#: So many instances, then so many more, then so many more again: what each of the last costs, each of the others does.
SIZES: Final = (1, 11, 31)
#: Before anything is counted, so many go the same way: connections are open then, and what is asked often is prepared.
_WARM_UP: Final = 8

FIRST: Final = "association with its first instance"
FURTHER: Final = "further instances, before the release"
RELEASE: Final = "release"
#: What steps are called in a table, in the order of the flow.
STEPS: Final[Mapping[str, str]] = {
    "job": "job made of a group",
    "submit": "job handed to its engine",
    "watch": "end of the job noticed",
    "results": "results collected",
    "deliver": "results delivered",
    "receipt": "receipt written",
    "sweep": "spool swept",
    "senders": "sender's day booked",
}
PHASES: Final = (FIRST, FURTHER, RELEASE, *STEPS.values())


@dataclass(slots=True, kw_only=True)
class Way:
    """What instances of one association cost on their way to the PACS.

    Attributes:
        phases: By the names of ``PHASES``.
        looks: By step, what it asks when it looks for work and there is none; nothing of those that seldom look.
        lookout: To see whether the other gateways are alive.
        beat: To stay alive for the others.
    """

    phases: dict[str, Asked] = field(default_factory=dict)
    looks: dict[str, Asked] = field(default_factory=dict)
    lookout: Asked = field(default_factory=Asked)
    beat: Asked = field(default_factory=Asked)


def ways(ledgers: Ledgers, folder: Path) -> list[Way]:
    """One for each of ``SIZES``, each on a ledger of its own."""
    found = []
    for size in SIZES:
        place = folder / str(size)
        for name in ("spool", "payloads", "output"):
            (place / name).mkdir(parents=True)
        with Pacs() as pacs:
            workflow = {"name": "copy", "clara-ae-title": "HILUM", "engine": "copy", "destination-name": "PACS"}
            keys = {"dicom": {"scu": {"destinations": [pacs.destination]}}, "workflows": [workflow]}
            keys["ledger"] = {"lease-seconds": 3600}  # renewals come with time, not with work
            found.append(way(Site(place, keys, ledger=ledgers.url(place)), pacs, size, folder=place / "files"))
    return found


def way(site: Site, pacs: Pacs, instances: int, *, folder: Path) -> Way:
    """Send so many over one association, and do all that follows."""
    found = Way()
    with _gateway(site) as (parts, counter), _listening(parts) as (server, port):
        steps = parts.steps()  # once: they remember what they have seen
        in_order = [step for name in STEPS for step in steps if step.name == name]
        for count in (_WARM_UP, instances):
            found.phases = _receive(counter, port, make_series(folder, count))
            eventually(lambda: not server.talking(), what="the association to be over")
            found.phases |= {STEPS[step.name]: _do(step, counter) for step in in_order}
        for step in steps:
            while works := step.claim(utc_now(), utc_now() + timedelta(minutes=1), 1):
                for work in works:
                    step.record(work, step.act(work), utc_now())
        for step in steps:
            with counter.during() as asked:
                assert not step.claim(utc_now(), utc_now() + timedelta(minutes=1), 1), f"{step.name} still finds work"
                step.next_due(utc_now())
            found.looks[step.name] = asked
        at = parts.takeover.next_due(utc_now()) or utc_now()
        with counter.during() as found.lookout:
            assert not parts.takeover.claim(at, at + timedelta(minutes=1), 1), "a gateway is dead"
        with counter.during() as found.beat:
            parts.heartbeat.beat()
    delivered = {one.request.sop_instance for one in pacs.accepted}
    assert {path.stem for path in folder.iterdir()} <= delivered
    return found


@contextmanager
def _gateway(site: Site) -> Iterator[tuple[Parts, Counter]]:
    with ExitStack() as stack:
        # A parcel that is under way asks once a second whether its destination was paused: no work of a file.
        stack.enter_context(patch.object(worker, "_LOOK_SECONDS", float("inf")))
        parts = Parts(site.settings, site.path, roles=ALL, clock=utc_now, distrusted=_distrusted, fenced=_distrusted)
        stack.callback(parts.database.close)
        counter = stack.enter_context(Counter(parts.database))
        parts.database.migrate()
        with parts.database.write() as connection:
            gateways.register(connection, parts.me, now=utc_now(), until=utc_now() + parts.heartbeat.lease)
        parts.heartbeat.beat()
        yield parts, counter


@contextmanager
def _listening(parts: Parts) -> Iterator[tuple[Server, int]]:
    server = parts.server()
    port = server.start()
    try:
        yield server, port
    finally:
        server.stop(timedelta(seconds=1))


def _distrusted(why: str) -> None:
    raise AssertionError(why)


def _receive(counter: Counter, port: int, paths: Sequence[Path]) -> dict[str, Asked]:
    found: dict[str, Asked] = {}
    with ExitStack() as association:
        with counter.during() as found[FIRST]:
            requestor = association.enter_context(sending.association(port, paths))
            assert sending.store(requestor, paths[0]).accepted
        with counter.during() as found[FURTHER]:
            for path in paths[1:]:
                assert sending.store(requestor, path).accepted
        with counter.during() as found[RELEASE]:
            association.close()
    return found


def _do(step: Step[Any, Any], counter: Counter) -> Asked:
    """Everything that it finds to do now, without the look that finds nothing more."""

    def claimed() -> Sequence[Any]:
        nonlocal asked
        with counter.during() as look:
            works = step.claim(utc_now(), utc_now() + timedelta(minutes=1), step.concurrency)
        asked = look if works else asked
        return works

    asked = Asked()
    # A command has not ended at once; looks before its end do not count.
    works = eventually(claimed, what=f"work for {step.name}")
    with counter.during() as acted:
        for work in works:
            step.record(work, step.act(work), utc_now())
    return asked + acted


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a phase asks.

    Attributes:
        once: However many instances there are.
        each: For each instance of it.
    """

    once: Asked
    each: Asked


def costs(ways: Sequence[Way]) -> dict[str, Cost]:
    """By phase, from one way for each of ``SIZES``.

    Raises:
        ValueError: Some instances cost more than others.
    """
    found = {}
    for phase in PHASES:
        small, middle, large = (one.phases[phase] for one in ways)
        each = (large - middle).over(SIZES[2] - SIZES[1])
        if (middle - small).over(SIZES[1] - SIZES[0]) != each:
            raise ValueError(f"{phase}: the first instances cost {middle - small}, the others {large - middle}")
        found[phase] = Cost(once=small - each.times(SIZES[0] if phase != FURTHER else 0), each=each)
    return found


def total(by_phase: Mapping[str, Cost]) -> Cost:
    """The whole way."""
    each, once = Asked(), Asked()
    for cost in by_phase.values():
        each, once = each + cost.each, once + cost.once
    return Cost(once=once, each=each)


def idle_minute(way: Way) -> Asked:
    """What a gateway of the default configuration asks in a minute in which nothing happens."""
    minute, lease = timedelta(minutes=1), timedelta(seconds=Ledger().lease_seconds)
    polled = sum(way.looks.values(), Asked()).times(minute // POLL)
    return polled + way.lookout.times(minute // looks(lease)) + way.beat.times(minute // (lease / RENEWALS))
