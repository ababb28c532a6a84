"""Finds what somebody asks for by name: associations of a day, instances of a study. For people, as ``views``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, select, union_all

from hilum import states
from hilum.ledger import account, tables
from hilum.ledger.account import Entry
from hilum.ledger.shown import AssociationView, GroupView, as_view
from hilum.ledger.tables import associations, instances
from hilum.ledger.transition import NoSuchRowError
from hilum.ledger.views import group


def list_associations(
    connection: Connection,
    *,
    state: states.Association | None = None,
    calling: str | None = None,
    called: str | None = None,
    host: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    after: str | None = None,
    limit: int = 50,
) -> Sequence[AssociationView]:
    """Associations that have stored something, those opened last first.

    Args:
        since: Only those opened at this time or later; ``until``: before it.
        after: Only those whose id comes before this one: ids sort by time of birth.
    """
    about: list[ColumnElement[bool]] = []
    for column, wanted in ((associations.c.calling, calling), (associations.c.called, called)):
        about += [] if wanted is None else [column == wanted]
    about += [] if host is None else [associations.c.host == host]
    # Ids begin with the time: an index in their order needs no other one for times.
    about += [] if since is None else [associations.c.id >= _born(since)]
    about += [] if until is None else [associations.c.id < _born(until)]
    about += [] if after is None else [associations.c.id < after]
    part = select(associations.c.id).order_by(associations.c.id.desc()).limit(limit)
    each = [part.where(associations.c.state == one, *about) for one in ([state] if state else states.Association)]
    chosen = union_all(*(select(one.subquery()) for one in each))
    query = select(associations).where(associations.c.id.in_(chosen)).order_by(associations.c.id.desc()).limit(limit)
    return [as_view(AssociationView, row) for row in connection.execute(query)]


def _born(moment: datetime) -> str:
    """How the ids of associations begin that were opened then."""
    return f"{moment.year:04}{moment:%m%dT%H%M%S%f}"


def association(connection: Connection, association_id: str) -> AssociationView:
    """One association that has stored something.

    Raises:
        NoSuchRowError: There is none with this id.
    """
    row = connection.execute(select(associations).where(associations.c.id == association_id)).one_or_none()
    if row is None:
        raise NoSuchRowError(f"there is no association {association_id!r} that has stored anything")
    return as_view(AssociationView, row)


def groups_of(connection: Connection, association_id: str) -> Sequence[GroupView]:
    """The groups that an association has contributed to, by number."""
    query = select(instances.c.group_id).where(instances.c.association_id == association_id).distinct()
    numbers = sorted(one for one in connection.execute(query).scalars() if one is not None)
    return [group(connection, number) for number in numbers]


def list_instances(
    connection: Connection,
    *,
    study: str | None = None,
    series: str | None = None,
    patient: str | None = None,
    sop_instance: str | None = None,
    association_id: str | None = None,
    group_id: int | None = None,
    after: int | None = None,
    limit: int = 50,
) -> Sequence[Entry]:
    """Instances that were answered with success and where they are, those accepted last first.

    Args:
        patient: Patient ID, whole and exact.
        after: Only those with a smaller id.
    """
    behind = instances.c.id > 0 if after is None else instances.c.id < after
    wanted = {
        # What is likely to be rarest comes first: it is looked up, the others are compared.
        instances.c.sop_instance: sop_instance,
        instances.c.series: series,
        instances.c.study: study,
        instances.c.association_id: association_id,
        instances.c.patient_id: patient,
    }
    about = [(column, value) for column, value in wanted.items() if value is not None]
    same: list[ColumnElement[bool]] = [
        (tables.by_no_index(column) if place or group_id is not None else column) == value
        for place, (column, value) in enumerate(about)
    ]
    part = select(instances.c.id).where(*same, behind).order_by(instances.c.id.desc()).limit(limit)
    chosen: Any = part
    if group_id is not None:  # two indexes have them together
        of_it = part.where(instances.c.group_id == group_id)
        chosen = union_all(
            *(select(of_it.where(one).subquery()) for one in (tables.IS_GROUPED, tables.IS_APART)),
        )
    query = account.INSTANCES.where(instances.c.id.in_(chosen)).order_by(instances.c.id.desc()).limit(limit)
    return account.entries_of(connection, connection.execute(query).all())


def instance(connection: Connection, instance_id: int) -> Entry:
    """One instance.

    Raises:
        NoSuchRowError: There is none with this number.
    """
    rows = connection.execute(account.INSTANCES.where(instances.c.id == instance_id)).all()
    if not rows:
        raise NoSuchRowError(f"there is no instance {instance_id}")
    return account.entries_of(connection, rows)[0]
