"""The account of everything that was received: each instance with where it is now, and the sums, which must agree.

All of one account is read in one transaction, so that it is true of one moment, and in pieces, so that it takes the
same memory however much was received. Nobody waits for that transaction; only the write-ahead log is not shortened
meanwhile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, bindparam, func, select

from hilum import states
from hilum.ledger.grouping import Fate
from hilum.ledger.rows import AnyRow
from hilum.ledger.tables import associations, deliveries, groups, instances, jobs
from hilum.ledger.whereabouts import Place, Standing, place

#: Rows of one piece. SQLite takes so many parameters since 3.32; no more groups than this are asked for at once.
_PIECE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """What was received, and where it is.

    Attributes:
        received: Instances that were answered with success, counted from the rows of associations that have ended
            and have stored at least one; what others ignored stands in the history.
        places: How many are where, counted from the rows of instances; each place is there.
    """

    received: int
    places: Mapping[Place, int]

    @property
    def accounted(self) -> int:
        """How many are anywhere."""
        return sum(self.places.values())

    @property
    def adds_up(self) -> bool:
        """Whether every instance is in one place."""
        return self.received == self.accounted


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOf:
    """A job that an instance went into."""

    name: str
    state: states.Job
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One instance.

    Attributes:
        id: Of its row.
        number: Of its file in the association.
        digest: Of the data set; empty: it was received before digests were kept.
        jobs: Those of its group; a processor may have left it out of some.
        deliveries: How many of these jobs' results are in which state; those without any are left out.
    """

    id: int
    association: str
    number: int
    calling: str
    called: str
    host: str
    sop_class: str
    sop_instance: str
    transfer_syntax: str
    patient_id: str
    study: str
    series: str
    size: int
    digest: str
    received_at: datetime
    fate: Fate
    group: int | None
    group_state: states.Group | None
    jobs: tuple[JobOf, ...]
    deliveries: Mapping[states.Delivery, int]
    place: Place


@dataclass(slots=True)
class Account:
    """Reads one account: first ``entries`` to their end, then ``sums``.

    Args:
        connection: In the transaction whose view of the ledger is told.
    """

    connection: Connection
    _places: Counter[Place] = field(default_factory=Counter)

    def entries(self) -> Iterator[Entry]:
        """Every instance in the order in which they were accepted."""
        last = 0
        while rows := self.connection.execute(_PIECE_OF_INSTANCES, {"last": last}).all():
            last = rows[-1].id
            for entry in entries_of(self.connection, rows):
                self._places[entry.place] += 1
                yield entry

    def sums(self) -> Sums:
        """What the entries that were read add up to, beside what associations say they received."""
        return _sums(self.connection, self._places)


def entries_of(connection: Connection, rows: Sequence[AnyRow]) -> Sequence[Entry]:
    """Where instances are.

    Args:
        rows: As a query made of ``INSTANCES`` gives them; some hundreds at most.
    """
    works = _works(connection, sorted({row.group_id for row in rows if row.group_id is not None}))
    return [_entry(row, works.get(row.group_id, _NONE)) for row in rows]


def sums(connection: Connection) -> Sums:
    """The sums alone, without reading every instance into memory."""
    return _sums(connection, _count_places(connection))


def _sums(connection: Connection, places: Mapping[Place, int]) -> Sums:
    stored, ignored = connection.execute(
        select(
            func.coalesce(func.sum(associations.c.instances), 0), func.coalesce(func.sum(associations.c.ignored), 0)
        ).where(associations.c.state != states.Association.OPEN)
    ).one()
    counted = {one: places.get(one, 0) for one in Place}
    counted[Place.IGNORED] += ignored
    return Sums(received=stored + ignored, places=counted)


def _count_places(connection: Connection) -> Mapping[Place, int]:
    kept = func.sum((jobs.c.state != states.Job.REMOVED).cast(jobs.c.attempt.type))
    works = select(jobs.c.group_id, func.count().label("jobs"), kept.label("kept")).group_by(jobs.c.group_id).subquery()
    counted = select(
        instances.c.fate, instances.c.association_id, instances.c.group_id, func.count().label("number")
    ).group_by(instances.c.group_id, instances.c.association_id, instances.c.fate)
    parts = counted.subquery()
    rows = connection.execute(
        select(
            parts.c.fate,
            associations.c.state.label("association_state"),
            groups.c.state.label("group_state"),
            func.coalesce(works.c.jobs, 0),
            func.coalesce(works.c.kept, 0),
            func.sum(parts.c.number),
        )
        .join_from(parts, associations, associations.c.id == parts.c.association_id)
        .join(groups, groups.c.id == parts.c.group_id, isouter=True)
        .join(works, works.c.group_id == parts.c.group_id, isouter=True)
        .group_by(parts.c.fate, associations.c.state, groups.c.state, works.c.jobs, works.c.kept)
    )
    places: Counter[Place] = Counter()
    for fate, association, group, made, kept_ones, number in rows:
        places[place(_standing(fate, association, group, made, kept_ones))] += number
    return places


#: Instances with all that tells where they are.
INSTANCES: Final = (
    select(
        instances,
        associations.c.calling,
        associations.c.called,
        associations.c.host,
        associations.c.state.label("association_state"),
        groups.c.state.label("group_state"),
    )
    .join_from(instances, associations, associations.c.id == instances.c.association_id)
    .join(groups, groups.c.id == instances.c.group_id, isouter=True)
)
_PIECE_OF_INSTANCES: Final = INSTANCES.where(instances.c.id > bindparam("last")).order_by(instances.c.id).limit(_PIECE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Works:
    """The jobs of a group and the deliveries of these."""

    jobs: tuple[JobOf, ...]
    deliveries: Mapping[states.Delivery, int]


_NONE: Final = _Works(jobs=(), deliveries={})


def _works(connection: Connection, ids: Sequence[int]) -> Mapping[int, _Works]:
    if not ids:
        return {}
    made: dict[int, list[JobOf]] = {}
    for row in connection.execute(
        select(jobs.c.group_id, jobs.c.name, jobs.c.state, jobs.c.attempt)
        .where(jobs.c.group_id.in_(ids))
        .order_by(jobs.c.name)
    ):
        one = JobOf(name=row.name, state=states.Job(row.state), attempt=row.attempt)
        made.setdefault(row.group_id, []).append(one)
    sent: dict[int, dict[states.Delivery, int]] = {}
    for group, state, number in connection.execute(
        select(jobs.c.group_id, deliveries.c.state, func.count())
        .join_from(jobs, deliveries, deliveries.c.job_id == jobs.c.id)
        .where(jobs.c.group_id.in_(ids))
        .group_by(jobs.c.group_id, deliveries.c.state)
    ):
        sent.setdefault(group, {})[states.Delivery(state)] = number
    return {group: _Works(jobs=tuple(found), deliveries=sent.get(group, {})) for group, found in made.items()}


def _entry(row: AnyRow, works: _Works) -> Entry:
    kept = sum(job.state is not states.Job.REMOVED for job in works.jobs)
    standing = _standing(row.fate, row.association_state, row.group_state, len(works.jobs), kept)
    return Entry(
        id=row.id,
        association=row.association_id,
        number=row.number,
        calling=row.calling,
        called=row.called,
        host=row.host,
        sop_class=row.sop_class,
        sop_instance=row.sop_instance,
        transfer_syntax=row.transfer_syntax,
        patient_id=row.patient_id,
        study=row.study,
        series=row.series,
        size=row.size,
        digest=row.digest,
        received_at=row.received_at,
        fate=standing.fate,
        group=row.group_id,
        group_state=standing.group,
        jobs=works.jobs,
        deliveries=works.deliveries,
        place=place(standing),
    )


def _standing(fate: Any, association: Any, group: Any, made: int, kept: int) -> Standing:  # noqa: ANN401  columns
    return Standing(
        fate=Fate(fate),
        association=states.Association(association),
        group=None if group is None else states.Group(group),
        jobs=made,
        kept=kept,
    )
