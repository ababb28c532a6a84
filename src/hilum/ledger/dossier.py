"""Everything that the ledger knows of one thing that somebody asks for. Changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Select, and_, case, func, select, union

from hilum import states
from hilum.ledger import tables, views
from hilum.ledger.grouping import Fate
from hilum.ledger.inquiry import COLUMNS, Kind, Match, lines_of
from hilum.ledger.rows import AnyRow, chunks
from hilum.ledger.shown import AssociationView, DeliveryView, GroupView, HistoryLine, JobView, ResultView, as_view
from hilum.ledger.tables import associations, deliveries, history, instances, jobs, results
from hilum.ledger.transition import NoSuchRowError
from hilum.ledger.whereabouts import Place, Standing, place

#: Of one thing no more is told than this of each kind.
_MOST: Final = 1000
_EXAMPLES: Final = 20
_LAST: Final = chr(0x10FFFF)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Instances that came with one association and share their fate.

    Attributes:
        at: When the last of them was received.
    """

    association: str
    group: int | None
    fate: Fate
    place: Place
    instances: int
    bytes: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """All that the ledger knows of one thing; lists are in the order of time.

    Attributes:
        patients: Patient IDs of its instances: personal data.
        results: Those that jobs wrote; of an instance that is a result, only this one.
        deliveries: Of these results.
        history: Of everything here, and of the instance if that is asked for.
    """

    match: Match
    patients: Sequence[str]
    parts: Sequence[Part]
    associations: Sequence[AssociationView]
    groups: Sequence[GroupView]
    jobs: Sequence[JobView]
    results: Sequence[ResultView]
    deliveries: Sequence[DeliveryView]
    history: Sequence[HistoryLine]


def dossier(connection: Connection, match: Match, *, now: datetime) -> Dossier:
    """Everything about one thing.

    Raises:
        NoSuchRowError: It is not there any more.
    """
    own_jobs, own_results, own_deliveries = _asked_for(connection, match, now)
    chosen = _instances_of(match, own_jobs)
    parts = [] if chosen is None else _parts(connection, chosen)
    group_ids = sorted({part.group for part in parts if part.group is not None} | _own_group(match))[:_MOST]
    groups = [views.group(connection, number) for number in group_ids]
    if match.kind in {Kind.JOB, Kind.DELIVERY} or (own_results and not parts):
        made = own_jobs
    else:
        made = [*_jobs_of(connection, group_ids), *(job for job in own_jobs if job.group_id not in group_ids)]
    written = own_results or [one for job in made for one in views.job_results(connection, job.id)]
    sent = own_deliveries or [
        one for job in made for one in views.list_deliveries(connection, now=now, job_id=job.id, limit=None)
    ]
    came = _associations(connection, {part.association for part in parts} | _own_association(match))
    return Dossier(
        match=match,
        patients=() if chosen is None else _patients(connection, chosen),
        parts=parts,
        associations=came,
        groups=groups,
        jobs=made,
        results=written,
        deliveries=sent,
        history=_history(
            connection,
            {
                "association": {*(one.id for one in came), *_own_association(match)},
                "group": {str(one.id) for one in groups},
                "job": {one.id for one in made},
                "delivery": {str(one.id) for one in sent},
                "instance": {*_apart(connection, parts, chosen), *_own_instance(match)},
                "result": set() if match.kind is Kind.DELIVERY else {one.id for one in made},
            },
            {str(one.id): one.destination for one in sent},
        ),
    )


def _own_group(match: Match) -> set[int]:
    return {int(match.id)} if match.kind is Kind.GROUP else set()


def _own_association(match: Match) -> set[str]:
    return {match.id} if match.kind is Kind.ASSOCIATION else set()


def _own_instance(match: Match) -> set[str]:
    return {match.id} if match.kind is Kind.INSTANCE else set()


def _asked_for(
    connection: Connection, match: Match, now: datetime
) -> tuple[list[JobView], list[ResultView], list[DeliveryView]]:
    """The job that is asked for, or that wrote what is asked for, and what of it is meant if not all."""
    if match.kind is Kind.JOB:
        return [views.job(connection, match.id)], [], []
    if match.kind is Kind.DELIVERY:
        row = connection.execute(select(deliveries.c.job_id).where(deliveries.c.id == int(match.id))).one_or_none()
        if row is None:
            raise NoSuchRowError(f"there is no delivery {match.id}; `hilum deliveries` lists them")
        all_of_it = views.list_deliveries(connection, now=now, job_id=row.job_id, limit=None)
        one = [delivery for delivery in all_of_it if delivery.id == int(match.id)]
        written = [each for each in views.job_results(connection, row.job_id) if each.path == one[0].path]
        return [views.job(connection, row.job_id)], written, one
    if match.kind not in {Kind.INSTANCE, Kind.STUDY}:
        return [], [], []
    column = results.c.study if match.kind is Kind.STUDY else results.c.sop_instance
    ids = connection.execute(select(results.c.job_id).where(column == match.id).distinct().limit(_MOST)).scalars().all()
    found = [views.job(connection, job) for job in ids]
    if match.kind is Kind.STUDY:
        return found, [], []
    own = [each for job in ids for each in views.job_results(connection, job) if each.sop_instance == match.id]
    sent = [
        each
        for job in ids
        for each in views.list_deliveries(connection, now=now, job_id=job, limit=None)
        if each.sop_instance == match.id
    ]
    return found, own, sent


def _instances_of(match: Match, own_jobs: Sequence[JobView]) -> Select[Any] | None:
    """The numbers of the instances that are meant; ``None``: none can be."""
    ids = select(instances.c.id)
    match match.kind:
        case Kind.STUDY | Kind.SERIES | Kind.INSTANCE:
            return ids.where(COLUMNS[match.kind] == match.id)
        case Kind.ASSOCIATION:
            return ids.where(instances.c.association_id == match.id)
        case Kind.GROUP:
            number: int | None = int(match.id)
        case Kind.JOB | Kind.DELIVERY:
            number = own_jobs[0].group_id
    if number is None:
        return None
    of_it = ids.where(instances.c.group_id == number)
    # Each has its index.
    return select(union(of_it.where(tables.IS_GROUPED), of_it.where(tables.IS_APART)).subquery().c.id)


def _parts(connection: Connection, chosen: Select[Any]) -> list[Part]:
    group, association = tables.groups, associations
    made = select(func.count()).where(jobs.c.group_id == group.c.id).scalar_subquery()
    kept = (
        select(func.count())
        .where(jobs.c.group_id == group.c.id, tables.by_no_index(jobs.c.state) != states.Job.REMOVED)
        .scalar_subquery()
    )
    counted = (
        select(
            instances.c.association_id,
            instances.c.group_id,
            instances.c.fate,
            func.count().label("number"),
            func.sum(instances.c.size).label("bytes"),
            func.max(instances.c.received_at).label("last"),
        )
        .where(instances.c.id.in_(chosen))
        .group_by(instances.c.association_id, instances.c.group_id, instances.c.fate)
        .subquery()
    )
    query = (
        select(
            counted,
            association.c.state.label("association_state"),
            group.c.state.label("group_state"),
            case((group.c.id.is_not(None), made), else_=0).label("made"),
            case((group.c.id.is_not(None), kept), else_=0).label("kept"),
        )
        .join_from(counted, association, association.c.id == counted.c.association_id)
        .join(group, group.c.id == counted.c.group_id, isouter=True)
        .order_by(counted.c.last)
    )
    return [_part(row) for row in connection.execute(query)]


def _part(row: AnyRow) -> Part:
    standing = Standing(
        fate=Fate(row.fate),
        association=states.Association(row.association_state),
        group=None if row.group_state is None else states.Group(row.group_state),
        jobs=row.made,
        kept=row.kept,
    )
    return Part(
        association=row.association_id,
        group=row.group_id,
        fate=standing.fate,
        place=place(standing),
        instances=row.number,
        bytes=row.bytes,
        at=row.last,
    )


def _patients(connection: Connection, chosen: Select[Any]) -> Sequence[str]:
    query = select(instances.c.patient_id).where(instances.c.id.in_(chosen)).distinct().limit(_EXAMPLES)
    return sorted(filter(None, connection.execute(query).scalars()))


def _apart(connection: Connection, parts: Sequence[Part], chosen: Select[Any] | None) -> Sequence[str]:
    """SOP Instance UIDs of those that do not count in their group; some of them, if there are many."""
    if chosen is None or all(part.fate in {Fate.GROUPED, Fate.HELD} for part in parts):
        return ()
    query = select(instances.c.sop_instance).where(instances.c.id.in_(chosen), tables.IS_APART).limit(_EXAMPLES)
    return connection.execute(query).scalars().all()


def _jobs_of(connection: Connection, group_ids: Sequence[int]) -> list[JobView]:
    found: list[str] = []
    for chunk in chunks(group_ids):
        found += connection.execute(select(jobs.c.id).where(jobs.c.group_id.in_(chunk))).scalars()
    return sorted((views.job(connection, job) for job in found[:_MOST]), key=lambda job: (job.created_at, job.id))


def _associations(connection: Connection, ids: Iterable[str]) -> Sequence[AssociationView]:
    found: list[AssociationView] = []
    for chunk in chunks(sorted(ids)[-_MOST:]):
        rows = connection.execute(select(associations).where(associations.c.id.in_(chunk)))
        found += (as_view(AssociationView, row) for row in rows)
    return sorted(found, key=lambda one: one.opened_at)


def _history(
    connection: Connection, subjects: Mapping[str, Collection[str]], going_to: Mapping[str, str]
) -> Sequence[HistoryLine]:
    """The lines about these.

    Args:
        subjects: By machine; of results their jobs.
        going_to: The destination of each delivery.
    """
    rows: list[AnyRow] = []
    for machine, ids in subjects.items():
        if machine == "result":
            queries = [_result_lines(job) for job in sorted(ids)]
        else:
            queries = [lines_of(machine, chunk).limit(_MOST * 5) for chunk in chunks(sorted(ids))]
        rows += [row for query in queries for row in connection.execute(query)]
    rows.sort(key=lambda row: (row.at, row.id))
    lines = (as_view(HistoryLine, row) for row in rows)
    return [
        replace(line, destination=going_to.get(line.subject, "")) if line.machine == "delivery" else line
        for line in lines
    ]


def _result_lines(job: str) -> Select[Any]:
    of_it = and_(history.c.subject >= f"{job}:", history.c.subject < f"{job}:" + _LAST)
    return select(history).where(history.c.machine == "result", of_it).order_by(history.c.id).limit(_MOST)
