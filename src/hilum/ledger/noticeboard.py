"""Notices and channels, for people: nothing here leases or changes a row."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, func, select

from hilum import states
from hilum.ledger.rows import AnyRow
from hilum.ledger.tables import IS_WAITING, notices
from hilum.ledger.transition import NoSuchRowError
from hilum.model import NoticeId, Phase, Topic


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeView:
    """Word of something that people should know, through one channel.

    Attributes:
        channel: Its name in `notifications`.
        subject: What it happened to: a workflow, a destination, a source, a folder.
        key: The same for every attempt to send it.
        times: How often it happened.
        reason: Why it happened the last time, as far as notices say that.
        examples: Ids of some of what it is about, as commands name them.
        due_at: When it may be sent first.
        next_try: Of one that is due, when it is tried next.
        why: What went wrong at the last attempt.
        over_at: Of what lasts, when it ended.
    """

    id: NoticeId
    channel: str
    state: states.Notice
    topic: Topic
    phase: Phase
    subject: str
    key: str
    times: int
    first_at: datetime
    last_at: datetime
    over_at: datetime | None
    reason: str
    examples: tuple[str, ...]
    due_at: datetime
    attempts: int
    next_try: datetime | None
    ended_at: datetime | None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelView:
    """How a channel does.

    Attributes:
        due: Notices that wait, those gathered for later included.
        failing: Why the last attempt failed, if something that was tried still waits; else empty.
        next_try: When something that failed is tried next.
        sent_at: When it took something last; `None`: never.
        given_up: How many were given up since.
    """

    name: str
    due: int
    failing: str
    next_try: datetime | None
    sent_at: datetime | None
    given_up: int


def list_notices(
    connection: Connection,
    *,
    state: states.Notice | None = None,
    channel: str | None = None,
    topic: Topic | None = None,
    before: int | None = None,
    limit: int = 50,
) -> Sequence[NoticeView]:
    """The newest first.

    Args:
        before: Only those with a smaller id: to page.
    """
    query = select(notices).order_by(notices.c.id.desc()).limit(limit)
    for column, wanted in ((notices.c.state, state), (notices.c.channel, channel), (notices.c.topic, topic)):
        if wanted is not None:
            query = query.where(column == wanted)
    if before is not None:
        query = query.where(notices.c.id < before)
    return [_view(row) for row in connection.execute(query)]


def notice(connection: Connection, number: int) -> NoticeView:
    """One of them.

    Raises:
        NoSuchRowError: There is none with this number.
    """
    row = connection.execute(select(notices).where(notices.c.id == number)).one_or_none()
    if row is None:
        raise NoSuchRowError(f"there is no notice {number}; `hilum notify` lists them")
    return _view(row)


def given_up(connection: Connection, channel: str, *, limit: int) -> Sequence[NoticeView]:
    """Those of a channel that were given up since it took one last; the oldest first."""
    query = select(notices).where(_lost(connection, channel)).order_by(notices.c.id).limit(limit)
    return [_view(row) for row in connection.execute(query)]


def _lost(connection: Connection, channel: str) -> ColumnElement[bool]:
    sent = _last_sent(connection, channel)
    lost = and_(notices.c.channel == channel, notices.c.state == states.Notice.GIVEN_UP)
    return lost if sent is None else and_(lost, notices.c.id > sent.id)


def _last_sent(connection: Connection, channel: str) -> AnyRow | None:
    ended = and_(notices.c.channel == channel, notices.c.state == states.Notice.SENT)
    last = select(notices.c.id, notices.c.ended_at).where(ended).order_by(notices.c.id.desc()).limit(1)
    return connection.execute(last).one_or_none()


def _view(row: AnyRow) -> NoticeView:
    state = states.Notice(row.state)
    return NoticeView(
        id=NoticeId(row.id),
        channel=row.channel,
        state=state,
        topic=Topic(row.topic),
        phase=Phase(row.phase),
        subject=row.subject,
        key=row.key,
        times=row.times,
        first_at=row.first_at,
        last_at=row.last_at,
        over_at=row.over_at,
        reason=row.reason,
        examples=tuple(row.examples),
        due_at=row.due_at,
        attempts=row.attempts,
        next_try=row.not_before if state is states.Notice.DUE else None,
        ended_at=row.ended_at,
        why=row.why,
    )


def channels(connection: Connection, names: Collection[str]) -> Sequence[ChannelView]:
    """How these channels do, in the order of their names."""
    return [_channel(connection, name) for name in sorted(names)]


def _channel(connection: Connection, name: str) -> ChannelView:
    waiting = and_(IS_WAITING, notices.c.channel == name)
    due = connection.execute(select(func.count()).where(waiting)).scalar_one()
    failed = select(notices.c.why, notices.c.not_before).where(waiting, notices.c.attempts > 0)
    failing = connection.execute(failed.order_by(notices.c.not_before).limit(1)).one_or_none()
    sent = _last_sent(connection, name)
    lost = _lost(connection, name)
    return ChannelView(
        name=name,
        due=due,
        failing="" if failing is None else failing.why,
        next_try=None if failing is None else failing.not_before,
        sent_at=None if sent is None else sent.ended_at,
        given_up=connection.execute(select(func.count()).select_from(notices).where(lost)).scalar_one(),
    )
