"""How senders behaved, day by day: what ``hilum doctor`` tells of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, and_, delete, select, update

from hilum.ledger.rows import AnyRow, locked
from hilum.ledger.tables import senders
from hilum.ledger.transition import add
from hilum.observe.durations import BOUNDS, Durations

#: What is older helps nobody to find out why a sender is slow.
_KEEP: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderKey:
    """A sender, as far as it can be told apart."""

    calling: str
    called: str
    host: str


@dataclass(slots=True, kw_only=True)
class Behaviour:
    """Sums over associations of one sender.

    Attributes:
        broken: Associations that were not released.
        instances: C-STOREs that were answered.
        bytes: Of data sets.
        pdus: Of any type that came.
        seconds: That its associations lasted.
        pauses: From each answer of ours to its next request.
        stalls: Waits in the middle of a request.
        refused: Presentation contexts that were refused, by abstract syntax.
    """

    implementation: str
    last_at: datetime
    associations: int = 0
    broken: int = 0
    instances: int = 0
    bytes: int = 0
    pdus: int = 0
    seconds: float = 0.0
    pauses: Durations = field(default_factory=Durations)
    stalls: Durations = field(default_factory=Durations)
    refused: Counter[str] = field(default_factory=Counter)

    def add(self, other: Behaviour) -> None:
        """Count what another one has, too, which is the later one."""
        self.implementation = other.implementation or self.implementation
        self.last_at = max(self.last_at, other.last_at)
        self.associations += other.associations
        self.broken += other.broken
        self.instances += other.instances
        self.bytes += other.bytes
        self.pdus += other.pdus
        self.seconds += other.seconds
        self.pauses.add_all(other.pauses)
        self.stalls.add_all(other.stalls)
        self.refused.update(other.refused)


def record(connection: Connection, behaviours: Mapping[SenderKey, Behaviour], *, now: datetime) -> None:
    """Add to what the day has of each sender, and forget what is too old."""
    day = _day(now)
    # In one order: two gateways that know the same senders must not wait for each other.
    for key in sorted(behaviours, key=lambda one: (one.calling, one.called, one.host)):
        names = {"day": day, "calling": key.calling, "called": key.called, "host": key.host}
        if add(connection, senders, names | _values(behaviours[key])):
            continue
        here = and_(*(senders.c[name] == value for name, value in names.items()))
        known = _behaviour(connection.execute(locked(select(senders).where(here))).one())
        known.add(behaviours[key])
        connection.execute(update(senders).where(here).values(**_values(known)))
    connection.execute(delete(senders).where(senders.c.day < _day(now - _KEEP)))


def behaviours(connection: Connection, *, since: datetime) -> Mapping[SenderKey, Behaviour]:
    """Of each sender that came since the beginning of that day, who came last first."""
    found: dict[SenderKey, Behaviour] = {}
    for row in connection.execute(select(senders).where(senders.c.day >= _day(since)).order_by(senders.c.day)):
        key = SenderKey(calling=row.calling, called=row.called, host=row.host)
        if key in found:
            found[key].add(_behaviour(row))
        else:
            found[key] = _behaviour(row)
    return dict(sorted(found.items(), key=lambda entry: entry[1].last_at, reverse=True))


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"


def _values(one: Behaviour) -> dict[str, Any]:
    return {
        "implementation": one.implementation,
        "last_at": one.last_at,
        "associations": one.associations,
        "broken": one.broken,
        "instances": one.instances,
        "bytes": one.bytes,
        "pdus": one.pdus,
        "seconds": one.seconds,
        "idle_seconds": one.pauses.seconds,
        "pauses": one.pauses.counts,
        "stalls": [*one.stalls.counts, one.stalls.nanoseconds],
        "refused": dict(one.refused),
    }


def _behaviour(row: AnyRow) -> Behaviour:
    return Behaviour(
        implementation=row.implementation,
        last_at=row.last_at,
        associations=row.associations,
        broken=row.broken,
        instances=row.instances,
        bytes=row.bytes,
        pdus=row.pdus,
        seconds=row.seconds,
        pauses=_durations(row.pauses, int(row.idle_seconds * 1e9)),
        stalls=_durations(row.stalls[:-1], row.stalls[-1]),
        refused=Counter(row.refused),
    )


def _durations(counts: Sequence[int], nanoseconds: int) -> Durations:
    """As they were written; other buckets, of another version, count for nothing."""
    found = Durations()
    if len(counts) == len(BOUNDS) + 1:
        found.counts, found.nanoseconds = [*counts], nanoseconds
    return found
