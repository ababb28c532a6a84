"""The lines of history, for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, Text, and_, cast, func, or_, select

from hilum.ledger import tables
from hilum.ledger.rows import AnyRow
from hilum.ledger.shown import HistoryLine, JobView, as_view
from hilum.ledger.tables import deliveries, history

#: Lines that one search for a text looks at: no index leads to it.
TEXT_REACH: Final = 50_000
#: Clocks that were put back leave lines whose times do not rise with their numbers; so far they are looked for.
_ASTRAY: Final = 1000


def list_history(
    connection: Connection,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    before: int | None = None,
    everything: bool = False,
    machine: str | None = None,
    subject: str | None = None,
    event: str | None = None,
    text: str | None = None,
    limit: int = 100,
) -> Sequence[HistoryLine]:
    """What was refused, ignored, held, tried in vain, given up or removed; the last lines, in the order of time.

    Args:
        since: Only lines of this time or later; ``until``: before it.
        before: Only lines with a smaller id: to page backwards.
        everything: Every change of every row, too.
        machine: Only lines about a row of this kind; ``subject``: about this one.
        text: Only lines whose subject, reason or remedy contains this, in any case; of the last ``TEXT_REACH`` lines
            before ``before``.
    """
    about: list[ColumnElement[bool]] = [] if everything else [tables.IS_NOTABLE]
    # Notable lines are few among those of a kind, and have an index of their own.
    kind = history.c.machine if everything else tables.by_no_index(history.c.machine)
    about += [] if machine is None else [kind == machine]
    about += [] if subject is None else [history.c.subject == subject]
    about += [] if event is None else [history.c.event == event]
    about += [] if before is None else [history.c.id < before]
    if since is not None:
        about.append(history.c.at >= since)
        if everything:  # where to stop on the way back: times do not always rise with the numbers
            # "+ 0", or SQLite would look for the least number from the first line on, not from the index of times.
            first = connection.execute(select(func.min(history.c.id + 0)).where(history.c.at >= since)).scalar_one()
            about.append(history.c.id >= (first or 0))
        else:
            about.append(history.c.id >= _first_since(connection, since))
    if until is not None:
        about += [history.c.at < until, history.c.id <= _last_before(connection, until)]
    if text is not None:
        about += [history.c.id >= text_begins(connection, before), _contains(text)]
    query: Select[Any] = select(history).where(*about).order_by(history.c.id.desc()).limit(limit)
    return _lines(connection, connection.execute(query).all()[::-1])


def text_begins(connection: Connection, before: int | None) -> int:
    """The first line that a search for a text looks at."""
    end = last_line(connection) + 1
    return max(1, (end if before is None else min(before, end)) - TEXT_REACH)


def last_line(connection: Connection) -> int:
    """The number of the line that was written last; 0: there is none."""
    return connection.execute(select(history.c.id).order_by(history.c.id.desc()).limit(1)).scalar() or 0


def lines_after(connection: Connection, line: int, *, limit: int) -> Sequence[HistoryLine]:
    """What was written after a line, in that order: every change of every row."""
    query = select(history).where(history.c.id > line).order_by(history.c.id).limit(limit)
    return _lines(connection, connection.execute(query).all())


def _first_since(connection: Connection, moment: datetime) -> int:
    earliest = select(history.c.id).where(history.c.at >= moment).order_by(history.c.at).limit(_ASTRAY).subquery()
    return connection.execute(select(func.min(earliest.c.id))).scalar_one() or 0


def _last_before(connection: Connection, moment: datetime) -> int:
    latest = select(history.c.id).where(history.c.at < moment).order_by(history.c.at.desc()).limit(_ASTRAY).subquery()
    return connection.execute(select(func.max(latest.c.id))).scalar_one() or 0


def _contains(text: str) -> ColumnElement[bool]:
    columns = (history.c.subject, history.c.why, history.c.remedy, history.c.event)
    return or_(*(column.icontains(text, autoescape=True) for column in columns))


def job_history(
    connection: Connection,
    view: JobView,
    *,
    after: tuple[datetime, int] | None = None,
    limit: int | None = None,
) -> Sequence[HistoryLine]:
    """All that happened to a job, its group, its results and its deliveries, in the order of time.

    Args:
        after: Where to go on: the time of a line, and its id.
        limit: ``None`` = all.
    """
    own = select(cast(deliveries.c.id, Text)).where(deliveries.c.job_id == view.id)
    about: list[ColumnElement[bool]] = [
        and_(history.c.machine == "job", history.c.subject == view.id),
        and_(history.c.machine == "delivery", history.c.subject.in_(own)),
        and_(history.c.machine == "result", history.c.subject.startswith(f"{view.id}:", autoescape=True)),
    ]
    if view.group_id is not None:
        about.append(and_(history.c.machine == "group", history.c.subject == str(view.group_id)))
    query = select(history).where(or_(*about)).order_by(history.c.at, history.c.id).limit(limit)
    if after is not None:
        at, number = after
        query = query.where(or_(history.c.at > at, and_(history.c.at == at, history.c.id > number)))
    return _lines(connection, connection.execute(query).all())


def row_history(connection: Connection, machine: str, subject: str) -> Sequence[HistoryLine]:
    """All that happened to one row, in the order in which it was written."""
    about = (history.c.machine == machine, history.c.subject == subject)
    query = select(history).where(*about).order_by(history.c.id)
    return _lines(connection, connection.execute(query).all())


def _lines(connection: Connection, rows: Sequence[AnyRow]) -> Sequence[HistoryLine]:
    """With the destinations of deliveries, which the lines themselves do not name."""
    numbers = sorted({int(row.subject) for row in rows if row.machine == "delivery"})
    going_to: dict[str, str] = {}
    while numbers:
        chunk, numbers = numbers[:500], numbers[500:]  # SQLite takes some thousand parameters at most
        found = connection.execute(select(deliveries.c.id, deliveries.c.destination).where(deliveries.c.id.in_(chunk)))
        going_to |= {str(row.id): row.destination for row in found}
    lines = (as_view(HistoryLine, row) for row in rows)
    return [
        replace(line, destination=going_to.get(line.subject, "")) if line.machine == "delivery" else line
        for line in lines
    ]
