"""What the ledger holds, for people: nothing here leases or changes a row.

Lists begin with what is newest unless something else is said.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    Select,
    Table,
    and_,
    case,
    func,
    or_,
    select,
    union,
    union_all,
)

from hilum import states
from hilum.ledger import gateways, tables
from hilum.ledger.grouping import no_contributor
from hilum.ledger.rows import AnyRow
from hilum.ledger.shown import (
    AssociationView,
    DeliveryView,
    DestinationView,
    GatewayView,
    GroupView,
    JobView,
    ResultView,
    as_view,
)
from hilum.ledger.tables import associations, deliveries, groups, instances, jobs, results
from hilum.ledger.transition import NoSuchRowError
from hilum.ledger.work import CANCELLED


def list_gateways(connection: Connection) -> Sequence[GatewayView]:
    """Gateways that run, and those whose work was not taken over yet, the eldest first."""
    of_associations = select(associations.c.owner, func.count()).where(associations.c.state == states.Association.OPEN)
    is_open = {row[0]: row[1] for row in connection.execute(of_associations.group_by(associations.c.owner))}
    at_work = (states.Job.QUEUED, states.Job.RUNNING, states.Job.CANCELLING)
    of_jobs = select(jobs.c.gateway, func.count()).where(jobs.c.state.in_(at_work), jobs.c.gateway.is_not(None))
    has_jobs = {row[0]: row[1] for row in connection.execute(of_jobs.group_by(jobs.c.gateway))}
    return [
        GatewayView(
            id=row.id,
            state=states.Gateway(row.state),
            host=row.host,
            process=row.process,
            version=row.version,
            roles=tuple(row.roles),
            address=row.address,
            started_at=row.started_at,
            seen_at=row.seen_at,
            seen_until=row.seen_until,
            ended_at=row.ended_at,
            ahead=row.ahead,
            associations=is_open.get(row.id, 0),
            jobs=has_jobs.get(row.id, 0),
        )
        for row in gateways.present(connection)
    ]


def open_associations(connection: Connection) -> Sequence[AssociationView]:
    """Associations that have stored something and have not ended, the oldest first."""
    return _associations(connection, states.Association.OPEN)


def held_associations(connection: Connection) -> Sequence[AssociationView]:
    """Associations that ended without a release and wait for an operator or for their end, the oldest first."""
    return _associations(connection, states.Association.HELD)


def _associations(connection: Connection, state: states.Association) -> Sequence[AssociationView]:
    query = select(associations).where(associations.c.state == state).order_by(associations.c.opened_at)
    return [as_view(AssociationView, row) for row in connection.execute(query)]


def find_held(connection: Connection, association: str) -> AssociationView:
    """The held association with this id, or whose id alone begins so.

    Raises:
        NoSuchRowError: None, or more than one.
    """
    found = [one for one in held_associations(connection) if one.id.startswith(association)]
    exact = [one for one in found if one.id == association] or found
    if len(exact) == 1:
        return exact[0]
    if exact:
        raise NoSuchRowError(
            f"{association!r} is the beginning of more than one held association: "
            f"{', '.join(one.id for one in exact[:3])}"
        )
    raise NoSuchRowError(f"no held association {association!r}; `hilum accept` lists those that are held")


def list_groups(
    connection: Connection,
    *,
    states_wanted: Collection[states.Group] = (),
    ae: str | None = None,
    study: str | None = None,
    patient: str | None = None,
    after: tuple[datetime | None, int] | None = None,
    limit: int = 50,
) -> Sequence[GroupView]:
    """Open groups first, those that close next at the top; then the others, the newest first.

    Args:
        states_wanted: Only groups in these; empty = all but removed ones.
        study: Only groups that have instances of this Study Instance UID; ``patient`` likewise.
        after: Where to go on: when an open group closes, or ``None`` for another one, and its number.
    """
    wanted = states_wanted or [state for state in states.Group if state is not states.Group.REMOVED]
    is_open = groups.c.state == states.Group.OPEN
    soonest = select(groups.c.id).order_by(groups.c.closes_at, groups.c.id.desc())
    newest = select(groups.c.id).order_by(groups.c.id.desc())
    if after is not None:
        closes_at, number = after
        if closes_at is None:
            wanted = [state for state in wanted if state is not states.Group.OPEN]
            newest = newest.where(groups.c.id < number)
        else:
            behind = or_(groups.c.closes_at > closes_at, groups.c.id < number)
            soonest = soonest.where(groups.c.closes_at >= closes_at, behind)
    if not wanted:
        return []
    about: list[ColumnElement[bool]] = [] if ae is None else [groups.c.ae == ae]
    if (with_these := _groups_with(study, patient)) is not None:
        about.append(groups.c.id.in_(with_these))
    state_of = groups.c.state if with_these is None else tables.by_no_index(groups.c.state)
    chosen = _first_of_each(
        (soonest if state is states.Group.OPEN else newest).where(state_of == state, *about).limit(limit)
        for state in dict.fromkeys(wanted)
    )
    order = (case((is_open, 0), else_=1), case((is_open, groups.c.closes_at)), groups.c.id.desc())
    query = _group_query().where(groups.c.id.in_(chosen)).order_by(*order).limit(limit)
    return [as_view(GroupView, row) for row in connection.execute(query)]


def _first_of_each(parts: Iterable[Select[Any]]) -> CompoundSelect[Any]:
    """What is at the top of each part, where an index has it in that order, instead of sorting everything.

    What is shown beside each row is then looked up for these alone.
    """
    return union_all(*(select(part.subquery()) for part in parts))


def _groups_with(study: str | None, patient: str | None) -> Select[Any] | None:
    """The numbers of groups that have instances of a study or patient; ``None``: neither was asked for."""
    about = [instances.c.study == study] if study is not None else []
    if patient is not None:
        about.append((tables.by_no_index(instances.c.patient_id) if about else instances.c.patient_id) == patient)
    return select(instances.c.group_id).where(instances.c.group_id.is_not(None), *about) if about else None


def group(connection: Connection, group_id: int) -> GroupView:
    """One group.

    Raises:
        NoSuchRowError: There is none with this number.
    """
    row = connection.execute(_group_query().where(groups.c.id == group_id)).one_or_none()
    if row is None:
        raise NoSuchRowError(f"there is no group {group_id}; `hilum groups` lists them")
    return as_view(GroupView, row)


def _group_query() -> Select[Any]:
    made = select(func.count()).where(jobs.c.group_id == groups.c.id).scalar_subquery()
    awaited = and_(groups.c.state == states.Group.OPEN, ~no_contributor())
    return select(groups, awaited.label("awaited"), made.label("jobs"))


def list_jobs(
    connection: Connection,
    *,
    state: states.Job | None = None,
    ae: str | None = None,
    workflow: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    study: str | None = None,
    patient: str | None = None,
    group_id: int | None = None,
    after: tuple[datetime, str] | None = None,
    limit: int = 50,
) -> Sequence[JobView]:
    """Jobs, the newest first.

    Args:
        state: ``None`` = all but removed ones.
        workflow: The name of its entry in ``workflows``, or what ``job.meta`` holds.
        since: Only jobs made at this time or later; ``until``: before it.
        study: Only jobs whose group has instances of this Study Instance UID; ``patient`` likewise.
        after: Where to go on: when a job was made, and its id.
    """
    order = (jobs.c.created_at.desc(), jobs.c.id)
    about: list[ColumnElement[bool]] = [] if ae is None else [jobs.c.ae == ae]
    if workflow is not None:
        about.append(or_(jobs.c.workflow_name == workflow, jobs.c.workflow == workflow))
    wanted = [state] if state else [one for one in states.Job if one is not states.Job.REMOVED]
    with_these = _groups_with(study, patient)
    few = with_these is not None or group_id is not None
    about += [] if since is None else [jobs.c.created_at >= since]
    about += [] if until is None else [jobs.c.created_at < until]
    if after is not None:
        made_at, number = after
        about += [jobs.c.created_at <= made_at, or_(jobs.c.created_at < made_at, jobs.c.id > number)]
    if with_these is not None:
        about.append(jobs.c.group_id.in_(with_these))
    if group_id is not None:
        about.append(jobs.c.group_id == group_id)
    part = select(jobs.c.id).where(*about).order_by(*order).limit(limit)
    state_of = tables.by_no_index(jobs.c.state) if few else jobs.c.state
    chosen = _first_of_each(part.where(state_of == one) for one in wanted)
    query = _job_query().where(jobs.c.id.in_(chosen)).order_by(*order).limit(limit)
    return [as_view(JobView, row) for row in connection.execute(query)]


def job(connection: Connection, job_id: str) -> JobView:
    """One job, by its whole id.

    Raises:
        NoSuchRowError: There is none.
    """
    row = connection.execute(_job_query().where(jobs.c.id == job_id)).one_or_none()
    if row is None:
        raise NoSuchRowError(f"there is no job {job_id}; `hilum jobs` lists them")
    return as_view(JobView, row)


def _job_query() -> Select[Any]:
    written = select(func.count()).where(results.c.job_id == jobs.c.id).scalar_subquery()
    counts = {
        name: select(func.count())
        .where(deliveries.c.job_id == jobs.c.id, deliveries.c.state == state)
        .scalar_subquery()
        .label(name)
        for name, state in (
            ("due", states.Delivery.DUE),
            ("delivered", states.Delivery.DELIVERED),
            ("given_up", states.Delivery.GIVEN_UP),
        )
    }
    return select(jobs, written.label("results"), *counts.values())


def job_counts(connection: Connection) -> Mapping[states.Job, int]:
    """How many jobs are in each state, in the order of a job's life; every state is there."""
    found = {row.state: row.number for row in connection.execute(_counts(jobs))}
    return {state: found.get(state, 0) for state in states.Job}


def group_counts(connection: Connection) -> Mapping[states.Group, int]:
    """How many groups are in each state; every state is there."""
    found = {row.state: row.number for row in connection.execute(_counts(groups))}
    return {state: found.get(state, 0) for state in states.Group}


def _counts(table: Table) -> Select[Any]:
    return select(table.c.state, func.count().label("number")).group_by(table.c.state)


def job_results(
    connection: Connection, job_id: str, *, after: str | None = None, limit: int | None = None
) -> Sequence[ResultView]:
    """The DICOM files that a job wrote, by path.

    Args:
        after: Only those whose path comes behind this one.
        limit: ``None`` = all.
    """
    query = select(results).where(results.c.job_id == job_id).order_by(results.c.path).limit(limit)
    if after is not None:
        query = query.where(results.c.path > after)
    return [as_view(ResultView, row) for row in connection.execute(query)]


def list_deliveries(
    connection: Connection,
    *,
    now: datetime,
    state: states.Delivery | None = None,
    destination: str | None = None,
    job_id: str | None = None,
    after: tuple[datetime, int] | None = None,
    limit: int | None = 50,
) -> Sequence[DeliveryView]:
    """Deliveries, those queued last first, within a job by path.

    Args:
        after: Where to go on: when a delivery was queued, and its number.
        limit: ``None`` = all.
    """
    query = _delivery_query(now).order_by(*_LAST_QUEUED)
    behind: list[ColumnElement[bool]] = []
    if after is not None:
        queued_at, number = after
        behind = [deliveries.c.queued_at <= queued_at]
        behind.append(or_(deliveries.c.queued_at < queued_at, deliveries.c.id > number))
    among = [state] if state else list(states.Delivery)
    if limit is None or job_id is not None:
        wanted: list[ColumnElement[bool]] = [tables.by_no_index(deliveries.c.state).in_(among)]
        if job_id is not None:
            wanted.append(deliveries.c.job_id == job_id)
        if destination is not None:
            wanted.append(tables.by_no_index(deliveries.c.destination) == destination)
        query = query.where(*wanted, *behind)
    else:
        part = select(deliveries.c.id).where(*behind).order_by(*_LAST_QUEUED).limit(limit)
        if destination is not None:
            part = part.where(deliveries.c.destination == destination)
        query = query.where(deliveries.c.id.in_(_first_of_each(part.where(deliveries.c.state == one) for one in among)))
    return [as_view(DeliveryView, row) for row in connection.execute(query if limit is None else query.limit(limit))]


def _delivery_query(now: datetime) -> Select[Any]:
    due = deliveries.c.state == states.Delivery.DUE
    not_up = and_(
        tables.destinations.c.id == deliveries.c.destination, tables.destinations.c.state != states.Destination.UP
    )
    later = case(
        (tables.destinations.c.state == states.Destination.PAUSED, None),
        (tables.destinations.c.not_before > deliveries.c.not_before, tables.destinations.c.not_before),
        else_=deliveries.c.not_before,
    )
    return (
        select(
            deliveries,
            jobs.c.name.label("job_name"),
            results.c.path,
            results.c.sop_instance,
            results.c.size,
            case((and_(due, deliveries.c.lease_until > now), 1), else_=0).label("sending"),
            case((due, later), else_=None).label("next_try"),
            case((due, func.coalesce(tables.destinations.c.why, "")), else_="").label("destination_down"),
        )
        .join(jobs, jobs.c.id == deliveries.c.job_id)
        .join(results, results.c.id == deliveries.c.result_id)
        .join(tables.destinations, not_up, isouter=True)
    )


def delivery(connection: Connection, number: int, *, now: datetime) -> DeliveryView:
    """One delivery.

    Raises:
        NoSuchRowError: There is none with this number.
    """
    row = connection.execute(_delivery_query(now).where(deliveries.c.id == number)).one_or_none()
    if row is None:
        raise NoSuchRowError(f"there is no delivery {number}; `hilum deliveries` lists them")
    return as_view(DeliveryView, row)


#: What is queued together gets its numbers in the order of paths.
_LAST_QUEUED: Final = (deliveries.c.queued_at.desc(), deliveries.c.id)


def destinations(connection: Connection) -> Sequence[DestinationView]:
    """How deliveries stand, by the names of destinations: those that anything was ever due for, or that are not up."""
    found: dict[str, dict[str, Any]] = {}
    for name, state, count in connection.execute(
        select(deliveries.c.destination, deliveries.c.state, func.count()).group_by(
            deliveries.c.destination, deliveries.c.state
        )
    ):
        entry = found.setdefault(name, dict(_NOTHING_YET))
        entry[states.Delivery(state).name.lower()] = count
    for name, entry in found.items():
        there = deliveries.c.destination == name
        if entry["given_up"]:
            cancelled = (there, deliveries.c.state == states.Delivery.GIVEN_UP, deliveries.c.why == CANCELLED)
            entry["given_up"] -= connection.execute(select(func.count()).where(*cancelled)).scalar_one()
        if entry["due"]:
            first = select(func.min(deliveries.c.not_before)).where(there, tables.IS_DUE)
            entry["next_try"] = connection.execute(first).scalar_one()
    answers = {row.id: row for row in connection.execute(select(tables.destinations))}
    not_up = {name for name, row in answers.items() if row.state != states.Destination.UP}
    for name in not_up:
        found.setdefault(name, dict(_NOTHING_YET))
    return [
        _destination(connection, name, entry, answers.get(name))
        for name, entry in sorted(found.items())
        if name in not_up or entry["due"] or entry["delivered"] or entry["given_up"]
    ]


_NOTHING_YET: Final[Mapping[str, Any]] = {"next_try": None, "due": 0, "delivered": 0, "given_up": 0}


def _destination(connection: Connection, name: str, entry: dict[str, Any], answers: AnyRow | None) -> DestinationView:
    view = DestinationView(
        **entry,
        name=name,
        state=states.Destination.UP if answers is None else states.Destination(answers.state),
        since=None if answers is None else answers.since,
        failures=0 if answers is None else answers.failures,
        last_error="",
    )
    if answers is None or view.state is states.Destination.UP:
        return replace(view, last_error=_last_error(connection, name))
    paused = view.state is states.Destination.PAUSED
    next_try = None if paused or view.next_try is None else max(view.next_try, answers.not_before)
    return replace(view, next_try=next_try, last_error=answers.why)


def _last_error(connection: Connection, destination: str) -> str:
    undelivered = deliveries.c.state.in_((states.Delivery.DUE, states.Delivery.GIVEN_UP))
    why: str | None = connection.execute(
        select(deliveries.c.why)
        .where(deliveries.c.destination == destination, undelivered, deliveries.c.why.not_in(("", CANCELLED)))
        .order_by(func.coalesce(deliveries.c.ended_at, deliveries.c.not_before).desc())
        .limit(1)
    ).scalar_one_or_none()
    return why or ""


def senders(connection: Connection, group_id: int) -> Sequence[AssociationView]:
    """The associations that contributed to a group, in the order in which they were opened."""
    of_it = select(instances.c.association_id).where(instances.c.group_id == group_id)
    contributed = union(of_it.where(tables.IS_GROUPED), of_it.where(tables.IS_APART))  # each has its index
    query = select(associations).where(associations.c.id.in_(contributed)).order_by(associations.c.opened_at)
    return [as_view(AssociationView, row) for row in connection.execute(query)]
