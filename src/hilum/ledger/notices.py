"""Notices: how they come from the history, and what becomes of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Table, and_, func, select, text, update

from hilum import states
from hilum.errors import TemporaryError
from hilum.ledger.lease import Lease, claim, lease_of, unleased
from hilum.ledger.rows import AnyRow, locked
from hilum.ledger.tables import (
    IS_LASTING,
    IS_NEWS,
    IS_WAITING,
    associations,
    cursors,
    deliveries,
    groups,
    history,
    jobs,
    notices,
)
from hilum.ledger.transition import NoSuchRowError, apply, born, one_at_a_time
from hilum.model import NewsLine, NoticeId, Phase, Topic

_READER: Final = "notices"
#: Rows that one transaction gives up.
_BATCH: Final = 500


def anything_new(connection: Connection) -> bool:
    """Whether there is a line of news that nobody has read yet."""
    return connection.execute(select(history.c.id).where(_unread()).limit(1)).first() is not None


def writing(connection: Connection) -> frozenset[str]:
    """The transactions that are in the middle of writing lines.

    On a server a line gets its number when it is written and is there when its transaction ends: after a line was
    seen, one with a smaller number may still come, from a transaction that is named here from then on until it ends.
    Of SQLite's transactions one ends before the next one begins.
    """
    if connection.dialect.name == "sqlite":
        return frozenset()
    return frozenset(connection.execute(_WRITING).scalars())


_WRITING: Final = text(
    "SELECT virtualtransaction FROM pg_locks WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND granted "
    "AND relation = 'history'::regclass "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


def take_turn(connection: Connection) -> None:
    """From here to the end of the transaction, no other gateway reads news."""
    one_at_a_time(connection, "reads news")


def _unread() -> ColumnElement[bool]:
    behind = select(cursors.c.line).where(cursors.c.reader == _READER).scalar_subquery()
    return and_(history.c.id > behind, IS_NEWS)


def unread(connection: Connection, limit: int, *, last: int | None = None) -> Sequence[NewsLine]:
    """The next lines of news, in the order in which they were written.

    Args:
        last: None behind this one.
    """
    wanted = _unread() if last is None else and_(_unread(), history.c.id <= last)
    rows = connection.execute(select(history).where(wanted).order_by(history.c.id).limit(limit)).all()
    return [
        NewsLine(
            id=row.id,
            at=row.at,
            machine=row.machine,
            subject=row.subject,
            event=row.event,
            to_state=row.to_state,
            why=row.why,
            facts=_facts(connection, row),
        )
        for row in rows
    ]


#: By machine: the table, what turns a subject into its id, and which columns are worth knowing.
_ROWS: Final[Mapping[str, tuple[Table, type[str] | type[int], Mapping[str, str]]]] = {
    "job": (jobs, str, {"workflow": "workflow_name"}),
    "delivery": (deliveries, int, {"destination": "destination", "status": "status"}),
    "association": (associations, str, {"calling": "calling", "called": "called"}),
    "group": (groups, int, {"ae": "ae"}),
}


def _facts(connection: Connection, line: Row[Any]) -> Mapping[str, str]:
    if line.machine not in _ROWS:
        return {}
    table, kind, wanted = _ROWS[line.machine]
    if kind is int and not line.subject.isdecimal():
        return {}
    columns = [table.c[column].label(name) for name, column in wanted.items()]
    row = connection.execute(select(*columns).where(table.c.id == kind(line.subject))).one_or_none()
    found = {} if row is None else {name: value for name, value in row._mapping.items() if value is not None}
    return {name: f"{value:04X}" if isinstance(value, int) else value for name, value in found.items()}


def have_read(connection: Connection, line: int) -> None:
    """Everything up to this line has been dealt with."""
    connection.execute(update(cursors).where(cursors.c.reader == _READER).values(line=line))


def pass_over(connection: Connection) -> None:
    """Deal with nothing that was written so far: nobody wants to be told."""
    last = select(func.coalesce(func.max(history.c.id), 0)).scalar_subquery()
    connection.execute(update(cursors).where(cursors.c.reader == _READER).values(line=last))


def latest(connection: Connection, channel: str, topic: Topic, subject: str) -> AnyRow | None:
    """The notice with the latest ``due_at`` of those that do not say that something is over."""
    same = (notices.c.channel == channel, notices.c.topic == topic, notices.c.subject == subject)
    query = select(notices).where(*same, notices.c.phase != Phase.OVER)
    return connection.execute(query.order_by(notices.c.due_at.desc(), notices.c.id.desc()).limit(1)).one_or_none()


def is_fresh(row: AnyRow) -> bool:
    """Whether nobody has begun to send it."""
    return bool(row.state == states.Notice.DUE and not row.attempts and not row.begun and row.lease_until is None)


def lasting(connection: Connection, topic: Topic, subject: str | None = None) -> Sequence[AnyRow]:
    """Notices of what goes on, of all channels, the oldest first."""
    wanted = [IS_LASTING, notices.c.topic == topic]
    if subject is not None:
        wanted.append(notices.c.subject == subject)
    return connection.execute(select(notices).where(*wanted).order_by(notices.c.id)).all()


def is_known(connection: Connection, channel: str, topic: Topic, subject: str, occasion: str) -> bool:
    """Whether there is a notice of that occasion."""
    same = (notices.c.channel == channel, notices.c.topic == topic, notices.c.subject == subject)
    query = select(notices.c.id).where(*same, notices.c.occasion == occasion)
    return connection.execute(query.limit(1)).first() is not None


def write(
    connection: Connection,
    *,
    channel: str,
    topic: Topic,
    phase: Phase,
    subject: str,
    occasion: str,
    key: str,
    first_at: datetime,
    last_at: datetime,
    reason: str,
    examples: Sequence[str],
    due_at: datetime,
    now: datetime,
) -> NoticeId:
    """A new one, due from ``due_at`` on."""
    new = {
        "channel": channel,
        "state": states.Notice.DUE,
        "topic": topic,
        "phase": phase,
        "subject": subject,
        "occasion": occasion,
        "key": key,
        "times": 1,
        "first_at": first_at,
        "last_at": last_at,
        "reason": reason,
        "examples": list(examples),
        "due_at": due_at,
        "not_before": due_at,
    }
    number = connection.execute(notices.insert().returning(notices.c.id), new).scalar_one()
    born(connection, notices, number, new, now=now, why=f"{topic} to {channel}")
    return NoticeId(number)


def gather(
    connection: Connection, notice: NoticeId, *, at: datetime, reason: str, examples: Sequence[str], occasion: str
) -> None:
    """It happened once more; what had ended goes on."""
    values = {"last_at": at, "reason": reason, "examples": list(examples), "occasion": occasion, "over_at": None}
    connection.execute(update(notices).where(notices.c.id == notice).values(times=notices.c.times + 1, **values))


def over(connection: Connection, which: Sequence[NoticeId], *, at: datetime) -> None:
    """What they tell has ended."""
    connection.execute(update(notices).where(notices.c.id.in_(which)).values(over_at=at))


def has_sent(connection: Connection, source: str, since: datetime) -> datetime | None:
    """When the first association of that calling AE title was opened, since then, that stored something."""
    query = select(func.min(associations.c.opened_at)).where(
        associations.c.calling == source, associations.c.opened_at >= since
    )
    found: datetime | None = connection.execute(query).scalar_one_or_none()
    return found


def taken_since(connection: Connection, file: str, since: datetime) -> datetime | None:
    """When a configuration file was first taken after it was refused, by a reload or a start."""
    reload = (history.c.machine == "config", history.c.event == "reloaded", history.c.subject == file)
    start = (history.c.machine == "gateway", history.c.event == "started")
    # One by one, and by their numbers: lines of these two kinds are few, those since then may be many.
    queries = [
        select(history.c.at).where(*lines, history.c.at >= since).order_by(history.c.id).limit(1)
        for lines in (reload, start)
    ]
    return min(filter(None, (connection.execute(query).scalar_one_or_none() for query in queries)), default=None)


def waiting_channels(connection: Connection) -> Sequence[str]:
    """Channels that something is due for, whenever."""
    return connection.execute(select(notices.c.channel).where(IS_WAITING).distinct()).scalars().all()


def claim_due(connection: Connection, channel: str, *, owner: str, now: datetime, until: datetime) -> AnyRow | None:
    """Lease the notice of that channel that has waited longest."""
    ready = and_(_ready(now), notices.c.channel == channel)
    order: list[ColumnElement[Any]] = [notices.c.not_before, notices.c.id]
    rows = claim(connection, notices, ready, owner=owner, now=now, until=until, limit=1, order_by=order)
    return rows[0] if rows else None


def _ready(now: datetime) -> ColumnElement[bool]:
    return and_(IS_WAITING, notices.c.not_before <= now)


def channels_ready(connection: Connection, now: datetime, avoid: Collection[str]) -> Sequence[str]:
    """Channels that something can be sent through now."""
    query = select(notices.c.channel).where(_ready(now), unleased(notices, now)).distinct()
    return [name for name in connection.execute(query).scalars() if name not in avoid]


def next_due(connection: Connection, now: datetime, avoid: Collection[str]) -> datetime | None:
    """When the next notice is due, of channels that are not to be avoided."""
    query = select(func.min(notices.c.not_before)).where(
        IS_WAITING, unleased(notices, now), notices.c.channel.not_in(sorted(avoid))
    )
    found: datetime | None = connection.execute(query).scalar_one_or_none()
    return found


def sent(connection: Connection, lease: Lease, *, answer: str, now: datetime) -> None:
    """The other side has it."""
    values = {"ended_at": now, "attempts": notices.c.attempts + 1, "why": ""}
    event = states.NoticeEvent.ACCEPTED
    apply(connection, notices, lease.id, event, now=now, fence=lease.fence, why=answer, values=values)


def postponed(connection: Connection, lease: Lease, *, why: str, not_before: datetime, now: datetime) -> None:
    """This attempt failed; the next one has its time."""
    values = {"not_before": not_before, "attempts": notices.c.attempts + 1, "why": why}
    event = states.NoticeEvent.FAILED_FOR_NOW
    apply(connection, notices, lease.id, event, now=now, fence=lease.fence, why=why, values=values)


def given_up(connection: Connection, lease: Lease, *, why: str, remedy: str, now: datetime, tried: bool = True) -> None:
    """It will not be tried again."""
    values: dict[str, Any] = {"ended_at": now, "why": why}
    if tried:
        values["attempts"] = notices.c.attempts + 1
    event = states.NoticeEvent.FAILED_FOR_GOOD
    apply(connection, notices, lease.id, event, now=now, fence=lease.fence, why=why, remedy=remedy, values=values)


def give_up_overdue(
    connection: Connection, channel: str, *, before: datetime | None, why: str, remedy: str, now: datetime
) -> None:
    """Give up what waits for a channel and belongs to a time before that; ``None``: all that waits for it."""
    wanted = [IS_WAITING, unleased(notices, now), notices.c.channel == channel]
    if before is not None:
        wanted += [notices.c.due_at < before, notices.c.last_at < before]
    for row in connection.execute(locked(select(notices).where(*wanted).limit(_BATCH), skip=True)).all():
        given_up(connection, lease_of(row), why=why, remedy=remedy, now=now, tried=False)


def ask_retry(connection: Connection, notice: int, *, now: datetime) -> None:
    """Command of an operator: tell it now, whether it waits or was given up; its time to be given up begins anew.

    Raises:
        NoSuchRowError, IllegalTransitionError: It does not exist, or was sent.
        TemporaryError: It is being sent.
    """
    columns = (notices.c.attempts, notices.c.lease_until)
    row = connection.execute(select(*columns).where(notices.c.id == notice)).one_or_none()
    if row is None:
        raise NoSuchRowError(f"there is no notice {notice}")
    if row.lease_until is not None and row.lease_until > now:
        raise TemporaryError(f"notice {notice} is being sent just now; see what comes of it")
    # As it is: one attempt at least, so that it takes in nothing more, and see ``asked_for``.
    values = {"not_before": now, "due_at": now, "attempts": max(1, row.attempts), "ended_at": None}
    event = states.NoticeEvent.RETRY_ASKED
    apply(connection, notices, notice, event, now=now, why="asked by an operator", values=values)


def asked_for(connection: Connection, now: datetime) -> Sequence[str]:
    """Channels that an operator wants something told through, and nobody has tried since."""
    # Whatever was tried before and waits by itself has a later time than the one from which it was due.
    asked = (IS_WAITING, notices.c.attempts > 0, notices.c.not_before == notices.c.due_at, notices.c.not_before <= now)
    return connection.execute(select(notices.c.channel).where(*asked).distinct()).scalars().all()


def try_at_once(connection: Connection, channels: Collection[str], *, now: datetime) -> None:
    """What failed there need not wait any longer; what was never tried keeps its time."""
    waits = (IS_WAITING, notices.c.channel.in_(sorted(channels)), notices.c.attempts > 0, notices.c.not_before > now)
    connection.execute(update(notices).where(*waits, unleased(notices, now)).values(not_before=now))
