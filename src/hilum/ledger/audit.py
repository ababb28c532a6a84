"""What an inspection asks the ledger: which files should be there, and whether the ledger agrees with itself."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, Subquery, Table, and_, false, func, or_, select, true, update

from hilum import states
from hilum.ledger.grouping import Fate
from hilum.ledger.rows import AnyRow, chunks
from hilum.ledger.tables import associations, deliveries, groups, history, instances, jobs, results

#: Groups whose instances are in no job yet: their files in the spool are the only ones.
_UNPLANNED: Final = (states.Group.OPEN, states.Group.CLOSED, states.Group.PARKED, states.Group.STORED_ONLY)
_OVER: Final = (states.Job.COMPLETE, states.Job.FAILED, states.Job.CANCELLED)


def _kept_aside(now: datetime) -> ColumnElement[bool]:
    """True for associations that are held and not about to be let go."""
    return or_(
        associations.c.state == states.Association.ACCEPTING,
        and_(associations.c.state == states.Association.HELD, associations.c.remove_at > now),
    )


def _associations(now: datetime) -> Select[Any]:
    of_this = instances.c.association_id == associations.c.id
    needed = or_(
        and_(_kept_aside(now), associations.c.instances > 0),
        and_(
            associations.c.state == states.Association.RELEASED,
            select(instances.c.id)
            .join(groups, groups.c.id == instances.c.group_id)
            .where(of_this, instances.c.fate == Fate.GROUPED, groups.c.state.in_(_UNPLANNED))
            .exists(),
        ),
    )
    columns = associations.c
    # A held one that is over may lose its folder any moment.
    letting_go = and_(columns.state == states.Association.HELD, columns.remove_at <= now)
    return select(
        columns.id,
        columns.state,
        columns.folder,
        columns.spooled,
        columns.instances,
        needed.label("needed"),
        letting_go.label("letting_go"),
    )


def spooled(connection: Connection, now: datetime) -> Sequence[AnyRow]:
    """Associations that say their folder is there."""
    return connection.execute(_associations(now).where(associations.c.spooled)).all()


def named(connection: Connection, ids: Collection[str], now: datetime) -> Sequence[AnyRow]:
    """Associations with these ids, whatever they say."""
    found: list[AnyRow] = []
    for chunk in chunks(sorted(ids)):
        found += connection.execute(_associations(now).where(associations.c.id.in_(chunk)))
    return found


def spool_instances(connection: Connection, association: str, now: datetime) -> Sequence[AnyRow]:
    """Instances of an association, each with whether its file in the spool is needed."""
    needed = or_(
        and_(instances.c.fate == Fate.HELD, _kept_aside(now)),
        and_(instances.c.fate == Fate.GROUPED, groups.c.state.in_(_UNPLANNED)),
    )
    return connection.execute(
        select(instances.c.number, instances.c.size, instances.c.digest, func.coalesce(needed, false()).label("needed"))
        .join_from(instances, associations, associations.c.id == instances.c.association_id)
        .join(groups, groups.c.id == instances.c.group_id, isouter=True)
        .where(instances.c.association_id == association)
        .order_by(instances.c.number)
    ).all()


def kept_jobs(connection: Connection, now: datetime) -> Sequence[AnyRow]:
    """Jobs whose folders should be there; ``expiring`` ones are about to lose it."""
    expiring = and_(jobs.c.state.in_(_OVER), jobs.c.remove_at <= now)
    columns = (jobs.c.id, jobs.c.name, jobs.c.state, jobs.c.group_id, jobs.c.folder, jobs.c.instances)
    return connection.execute(
        select(*columns, expiring.label("expiring")).where(jobs.c.state != states.Job.REMOVED)
    ).all()


def inputs(connection: Connection, group: int) -> Sequence[AnyRow]:
    """The instances that count in a group."""
    return connection.execute(
        select(instances.c.sop_instance, instances.c.size, instances.c.digest).where(
            instances.c.group_id == group, instances.c.fate == Fate.GROUPED
        )
    ).all()


def kept_results(connection: Connection, job: str) -> Sequence[AnyRow]:
    """The results of a job, each with whether a delivery of it is still due."""
    due = (
        select(deliveries.c.id)
        .where(deliveries.c.result_id == results.c.id, deliveries.c.state == states.Delivery.DUE)
        .exists()
    )
    return connection.execute(
        select(results.c.path, results.c.size, results.c.sha256, due.label("due"))
        .where(results.c.job_id == job)
        .order_by(results.c.path)
    ).all()


# --- the ledger with itself


def quick_check(connection: Connection) -> Sequence[str]:
    """What SQLite finds wrong with the file; nothing if it is sound, or a server's, which looks at what it reads."""
    if connection.dialect.name != "sqlite":
        return ()
    lines = connection.exec_driver_sql("PRAGMA quick_check").scalars().all()
    return [] if list(lines) == ["ok"] else [str(line) for line in lines]


def broken_references(connection: Connection) -> Sequence[str]:
    """Rows that refer to rows which are not there; on a server there are none, since it enforces references itself."""
    if connection.dialect.name != "sqlite":
        return ()
    rows = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    return [f"{row[0]}, row {row[1]}: refers to a row of {row[2]} that is not there" for row in rows]


def wrong_associations(connection: Connection) -> Sequence[AnyRow]:
    """Associations that have ended and have another number of instances than they say."""
    counted = (
        select(instances.c.association_id.label("key"), func.count().label("counted"))
        .group_by(instances.c.association_id)
        .subquery()
    )
    return _wrong(connection, associations, counted, associations.c.state != states.Association.OPEN)


def wrong_groups(connection: Connection) -> Sequence[AnyRow]:
    """Groups of which another number of instances count than they say."""
    counted = (
        select(instances.c.group_id.label("key"), func.count().label("counted"))
        .where(instances.c.fate == Fate.GROUPED)
        .group_by(instances.c.group_id)
        .subquery()
    )
    return _wrong(connection, groups, counted, true())


def _wrong(connection: Connection, table: Table, counted: Subquery, where: ColumnElement[bool]) -> Sequence[AnyRow]:
    number = func.coalesce(counted.c.counted, 0)
    return connection.execute(
        select(table.c.id, table.c.instances.label("kept"), number.label("counted"))
        .join_from(table, counted, counted.c.key == table.c.id, isouter=True)
        .where(where, table.c.instances != number)
        .order_by(table.c.id)
    ).all()


def groups_without_jobs(connection: Connection) -> Sequence[int]:
    """Groups that are planned and have no job, although something counts in them."""
    return (
        connection.execute(
            select(groups.c.id)
            .where(
                groups.c.state == states.Group.PLANNED,
                groups.c.instances > 0,
                ~select(jobs.c.id).where(jobs.c.group_id == groups.c.id).exists(),
            )
            .order_by(groups.c.id)
        )
        .scalars()
        .all()
    )


# --- what an inspection mends


def set_spooled(connection: Connection, association: str, there: bool) -> None:
    """Record whether an association's folder is there."""
    connection.execute(update(associations).where(associations.c.id == association).values(spooled=there))


def set_folder(connection: Connection, association: str, folder: str) -> None:
    """Record where an association's folder is, below ``storage.temporary``."""
    connection.execute(update(associations).where(associations.c.id == association).values(folder=folder))


def let_expire(connection: Connection, job: str, now: datetime) -> None:
    """End the retention of a job that is over: its folder is gone already."""
    over = and_(jobs.c.id == job, jobs.c.state.in_(_OVER), jobs.c.lease_until.is_(None))
    connection.execute(update(jobs).where(over).values(remove_at=now))


def forgotten(connection: Connection, limit: int) -> Sequence[AnyRow]:
    """Associations that were let go and whose folder was found again: only it is still to be removed."""
    return connection.execute(
        select(associations.c.id, associations.c.folder)
        .where(associations.c.spooled, associations.c.state == states.Association.REMOVED)
        .limit(limit)
    ).all()


def told(connection: Connection, machine: str, subjects: Collection[str], event: str) -> set[str]:
    """Of which of these subjects history has that event already."""
    found: set[str] = set()
    for chunk in chunks(sorted(subjects)):
        wanted = (history.c.machine == machine, history.c.subject.in_(chunk), history.c.event == event)
        found |= set(connection.execute(select(history.c.subject).where(*wanted)).scalars())
    return found
