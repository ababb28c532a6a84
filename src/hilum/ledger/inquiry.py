"""Finds what somebody asks for by a name that they have. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Column, Connection, Select, and_, func, or_, select

from hilum.ledger import annals, tables
from hilum.ledger.rows import AnyRow
from hilum.ledger.shown import HistoryLine
from hilum.ledger.tables import associations, deliveries, history, instances, jobs, results

#: More choices than this help nobody.
_CHOICES: Final = 20
#: The shortest beginning of a name that is looked for.
_LEAST: Final = 4
_LAST: Final = chr(0x10FFFF)


class Kind(StrEnum):
    """What something is that somebody asks for."""

    STUDY = "study"
    SERIES = "series"
    INSTANCE = "instance"
    JOB = "job"
    ASSOCIATION = "association"
    GROUP = "group"
    DELIVERY = "delivery"


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Something that the words of an operator may mean.

    Attributes:
        id: Asks for it alone; of a group or a delivery its number.
        of: What of it there is, for people to choose by; no personal data.
        at: When it came or was made; ``None``: not known.
    """

    kind: Kind
    id: str
    of: str = ""
    at: datetime | None = None

    @property
    def name(self) -> str:
        """As the command line takes it: ``group:12``."""
        return f"{self.kind}:{self.id}" if self.kind in {Kind.GROUP, Kind.DELIVERY} else self.id


def matches(connection: Connection, text: str) -> Sequence[Match]:
    """What a name may mean: what it names exactly, else jobs and associations whose name begins so.

    Args:
        text: A UID, a Patient ID, a job's id or name, an association's id, ``group:12`` or ``delivery:12``.
    """
    kind, _, number = text.partition(":")
    if kind in {Kind.GROUP, Kind.DELIVERY} and number.isdecimal():
        return _numbered(connection, Kind(kind), int(number[:18]))
    exact = [*_named(connection, text), *_received(connection, text), *_of_patient(connection, text)]
    if exact or len(text) < _LEAST:
        return exact[:_CHOICES]
    return _beginning(connection, text)[:_CHOICES]


def _numbered(connection: Connection, kind: Kind, number: int) -> Sequence[Match]:
    table = tables.groups if kind is Kind.GROUP else deliveries
    found = connection.execute(select(table.c.id).where(table.c.id == number)).first()
    return [] if found is None else [Match(kind=kind, id=str(number))]


def _named(connection: Connection, text: str) -> Iterator[Match]:
    """Jobs and associations by their whole name."""
    query = select(jobs).where(or_(jobs.c.id == text, jobs.c.name == text))
    yield from map(_job_match, connection.execute(query))
    row = connection.execute(select(associations).where(associations.c.id == text)).one_or_none()
    if row is not None:
        yield _association_match(row)
    elif connection.execute(lines_of("association", [text]).limit(1)).first() is not None:
        yield Match(kind=Kind.ASSOCIATION, id=text)


def _received(connection: Connection, text: str) -> Iterator[Match]:
    """What has this UID."""
    for kind, column in COLUMNS.items():
        if connection.execute(select(instances.c.id).where(column == text).limit(1)).first() is not None:
            yield Match(kind=kind, id=text)
        elif kind is not Kind.SERIES and _is_result(connection, kind, text):
            yield Match(kind=kind, id=text, of="written by a workflow")
        elif kind is Kind.INSTANCE and connection.execute(lines_of("instance", [text]).limit(1)).first() is not None:
            yield Match(kind=kind, id=text)


#: Where the UIDs of what was received stand.
COLUMNS: Final[Mapping[Kind, Column[str]]] = {
    Kind.STUDY: instances.c.study,
    Kind.SERIES: instances.c.series,
    Kind.INSTANCE: instances.c.sop_instance,
}


def _is_result(connection: Connection, kind: Kind, text: str) -> bool:
    column = results.c.study if kind is Kind.STUDY else results.c.sop_instance
    return connection.execute(select(results.c.id).where(column == text).limit(1)).first() is not None


def _of_patient(connection: Connection, text: str) -> Iterator[Match]:
    """The studies of a patient, the newest first; instances without a study by their associations."""
    if not text:
        return
    there = instances.c.patient_id == text
    number, last = func.count().label("number"), func.max(instances.c.received_at).label("last")
    by_study = select(instances.c.study, number, last).where(there, tables.by_no_index(instances.c.study) != "")
    for row in connection.execute(by_study.group_by(instances.c.study).order_by(last.desc()).limit(_CHOICES)):
        yield Match(kind=Kind.STUDY, id=row.study, of=f"{row.number} instances", at=row.last)
    alone = select(instances.c.association_id, number, last).where(there, tables.by_no_index(instances.c.study) == "")
    for row in connection.execute(alone.group_by(instances.c.association_id).order_by(last.desc()).limit(_CHOICES)):
        of = f"{row.number} instances without a study"
        yield Match(kind=Kind.ASSOCIATION, id=row.association_id, of=of, at=row.last)


def _beginning(connection: Connection, text: str) -> Sequence[Match]:
    def begins(column: Column[str]) -> Any:  # noqa: ANN401  an SQL expression
        return and_(column >= text, column < text + _LAST)  # a comparison takes the index that LIKE does not

    by_id = select(jobs.c.id).where(begins(jobs.c.id)).order_by(jobs.c.id.desc()).limit(_CHOICES)
    by_name = select(jobs.c.id).where(begins(jobs.c.name)).order_by(jobs.c.name.desc()).limit(_CHOICES)
    ids = {row.id for query in (by_id, by_name) for row in connection.execute(query)}
    found = [_job_match(row) for row in connection.execute(select(jobs).where(jobs.c.id.in_(ids)))] if ids else []
    rows = select(associations).where(begins(associations.c.id)).order_by(associations.c.id.desc()).limit(_CHOICES)
    found += map(_association_match, connection.execute(rows))
    return sorted(found, key=lambda one: str(one.at), reverse=True)


def _job_match(row: AnyRow) -> Match:
    return Match(kind=Kind.JOB, id=row.id, of=f"{row.name}, {row.state}", at=row.created_at)


def _association_match(row: AnyRow) -> Match:
    of = f"{row.calling} to {row.called}, {row.instances} instances, {row.state}"
    return Match(kind=Kind.ASSOCIATION, id=row.id, of=of, at=row.opened_at)


def lines_of(machine: str, subjects: Sequence[str]) -> Select[Any]:
    """The lines of history about some rows of one machine, in their order."""
    return select(history).where(history.c.machine == machine, history.c.subject.in_(subjects)).order_by(history.c.id)


#: Events of history that tell of something that did not come in.
_NOT_IN: Final = frozenset({"rejected", "dropped", "broken", "refused", "ignored"})
_RECENT: Final = 500


def not_taken(connection: Connection, *, since: datetime) -> Sequence[HistoryLine]:
    """What was rejected, refused, ignored or broke off lately: the last lines of that kind, in the order of time."""
    lines = annals.list_history(connection, since=since, limit=_RECENT)
    return [line for line in lines if line.event in _NOT_IN]
