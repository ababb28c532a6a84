"""What a group is made of, for people; nothing here leases or changes a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from hilum.ledger import tables
from hilum.ledger.tables import instances


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesView:
    """The instances of one series that count in a group.

    Attributes:
        patient_id: Personal data.
        bytes: Of the files.
    """

    study: str
    series: str
    modality: str
    patient_id: str
    instances: int
    bytes: int
    first_at: datetime
    last_at: datetime


def series(connection: Connection, group_id: int, *, limit: int) -> Sequence[SeriesView]:
    """Study by study, in the order in which they began to arrive."""
    of = instances.c
    first = func.min(of.received_at).label("first_at")
    query = (
        select(
            of.study,
            of.series,
            of.modality,
            of.patient_id,
            func.count().label("instances"),
            func.sum(of.size).label("bytes"),
            first,
            func.max(of.received_at).label("last_at"),
        )
        .where(of.group_id == group_id, tables.IS_GROUPED)
        .group_by(of.study, of.series, of.modality, of.patient_id)
        .order_by(first, of.study, of.series)
        .limit(limit)
    )
    return [SeriesView(**row._mapping) for row in connection.execute(query)]
