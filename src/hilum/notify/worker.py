"""Two steps: one makes notices of the history, the other tells them."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final

from sqlalchemy import Connection
from structlog.contextvars import bind_contextvars

from hilum import states
from hilum.clock import Clock
from hilum.ledger import annals, notices, tables
from hilum.ledger.database import Database
from hilum.ledger.lease import Lease, PoisonError, give_back, lease_of, renew
from hilum.ledger.rows import AnyRow
from hilum.model import NoticeId, Phase, Topic
from hilum.notify import policy, wording
from hilum.notify.port import Channel, NotTold, Told
from hilum.notify.rests import Rests
from hilum.retry import RetryAt, RetryRule

#: Lines of history that one transaction deals with.
_LINES: Final = 200
#: While nobody wants to be told, the cursor follows the history as seldom as this.
_PASS_OVER: Final = timedelta(minutes=1)
_REMEDY: Final = (
    "mend the channel in notifications, or what it leads to (hilum notify test tries it), then: hilum retry notice:ID"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A channel and what goes through it."""

    channel: Channel
    topics: frozenset[Topic]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifySettings:
    """``notifications``.

    Attributes:
        routes: By the names of channels.
        again_after: How long news of one subject is gathered after one was told.
    """

    routes: Mapping[str, Route]
    expected: tuple[policy.Expectation, ...]
    again_after: timedelta
    retries: RetryRule
    site: wording.Site


@dataclass(slots=True, kw_only=True)
class NewsStep:
    """Lines of history in, notices due out; the claim is the whole work: one transaction, no lease.

    The cursor moves in the transaction that writes the notices, so that no line is forgotten and none counts twice.
    """

    database: Database
    settings: Callable[[], NotifySettings]
    name: ClassVar[str] = "news"
    concurrency: ClassVar[int] = 1
    _passed_over: datetime = field(default=datetime.min.replace(tzinfo=UTC))
    #: The last line that was seen, and who was writing then and still is: see ``notices.writing``.
    _pending: tuple[int, frozenset[str]] | None = None

    def claim(self, now: datetime, until: datetime, limit: int) -> Sequence[int]:  # noqa: ARG002
        """Deal with what is new; ids of lines, if there may be more."""
        settings = self.settings()
        if not settings.routes:
            self._pass_over(now)
            return ()
        with self.database.read() as connection:
            new = notices.anything_new(connection)
            wrong = [*_expected(connection, settings, now), *_in_order_again(connection)]
        if not new and not wrong:
            return ()
        last = self._settled()
        with self.database.write() as connection:
            notices.take_turn(connection)
            lines = () if last is None else notices.unread(connection, _LINES, last=last)
            for line in lines:
                news = policy.news_of(line)
                if news is not None:
                    _spread(connection, news, settings, now)
            if lines:
                notices.have_read(connection, lines[-1].id)
            for one in (*_expected(connection, settings, now), *_in_order_again(connection)):
                _spread(connection, one, settings, now)
        return [line.id for line in lines][:limit]

    def _settled(self) -> int | None:
        """The line up to which no other can come any more; ``None``: that takes until the next poll."""
        with self.database.read() as connection:
            if self._pending is None:
                self._pending = annals.last_line(connection), notices.writing(connection)
            else:
                self._pending = self._pending[0], self._pending[1] & notices.writing(connection)
        last, writing = self._pending
        if writing:
            return None
        self._pending = None
        return last

    def _pass_over(self, now: datetime) -> None:
        if timedelta() <= now - self._passed_over < _PASS_OVER:
            return
        self._passed_over = now
        with self.database.read() as connection:
            new = notices.anything_new(connection)
        if new:
            with self.database.note() as connection:
                notices.pass_over(connection)

    def act(self, line: int) -> None:
        """Nothing is left to do."""

    def record(self, line: int, outcome: None, now: datetime) -> None:
        """Nothing is left to record."""

    def failed(self, line: int, error: Exception, now: datetime) -> None:
        """Cannot happen: nothing was left to do."""

    def renew(self, works: Sequence[int], until: datetime) -> None:
        """There is no lease."""

    def next_due(self, now: datetime) -> datetime | None:
        """When the next source may turn out to be quiet; the poll finds what is written meanwhile."""
        return policy.next_deadline(self.settings().expected, now)


def _expected(connection: Connection, settings: NotifySettings, now: datetime) -> Sequence[policy.News]:
    """Sources that should have sent by now and have not, as far as somebody is not told yet; those that send again."""
    wanting = [name for name, route in settings.routes.items() if Topic.SOURCE_QUIET in route.topics]
    found = []
    for one in settings.expected:
        window = policy.window(one, now)
        if window is None or now < window.end:
            continue
        untold = [
            name
            for name in wanting
            if not notices.is_known(connection, name, Topic.SOURCE_QUIET, one.source, window.occasion)
        ]
        if untold and notices.has_sent(connection, one.source, window.begin) is None:
            found.append(policy.quiet(one, window))
    begun: dict[str, datetime] = {}
    for row in notices.lasting(connection, Topic.SOURCE_QUIET):
        begun[row.subject] = row.last_at
    for source, since in begun.items():
        at = notices.has_sent(connection, source, since)
        if at is not None:
            found.append(policy.sends_again(source, at))
    return found


def _in_order_again(connection: Connection) -> Sequence[policy.News]:
    """Configuration files that were refused, as somebody was told or will be, and have been taken since."""
    refused = {row.subject: row.last_at for row in notices.lasting(connection, Topic.CONFIGURATION_REFUSED)}
    taken = {file: notices.taken_since(connection, file, since) for file, since in refused.items()}
    return [policy.in_order_again(file, at) for file, at in taken.items() if at is not None]


def _spread(connection: Connection, news: policy.News, settings: NotifySettings, now: datetime) -> None:
    """Do for each channel what ``policy.weigh`` says."""
    last_ones = notices.lasting(connection, news.topic, news.subject) if news.phase is Phase.OVER else ()
    wanting = [name for name, route in settings.routes.items() if news.topic in route.topics]
    for name in wanting:
        if news.occasion and notices.is_known(connection, name, news.topic, news.subject, news.occasion):
            continue
        row = notices.latest(connection, name, news.topic, news.subject)
        verdict = policy.weigh(
            news,
            last=None
            if row is None
            else policy.Last(id=NoticeId(row.id), due_at=row.due_at, fresh=notices.is_fresh(row)),
            lasting=[_lasting(one) for one in last_ones if one.channel == name],
            again_after=settings.again_after,
            now=now,
        )
        match verdict:
            case policy.Write(due_at=due_at):
                _write(connection, name, news, due_at, now)
            case policy.Gather(into=into):
                assert row is not None
                _gather(connection, row, into, news)
            case policy.End(over=over, say=say):
                notices.over(connection, over, at=news.at)
                if say:
                    _write(connection, name, news, now, now, first_at=min(one.first_at for one in last_ones))
    gone = [NoticeId(one.id) for one in last_ones if one.channel not in wanting]
    notices.over(connection, gone, at=news.at)


def _lasting(row: AnyRow) -> policy.Lasting:
    told = row.state != states.Notice.GIVEN_UP and not notices.is_fresh(row)
    return policy.Lasting(id=NoticeId(row.id), told=told)


def _write(
    connection: Connection,
    channel: str,
    news: policy.News,
    due_at: datetime,
    now: datetime,
    *,
    first_at: datetime | None = None,
) -> None:
    notices.write(
        connection,
        channel=channel,
        topic=news.topic,
        phase=news.phase,
        subject=news.subject,
        occasion=news.occasion,
        key=str(uuid.uuid4()),
        first_at=first_at or news.at,
        last_at=news.at,
        reason=news.reason,
        examples=[news.example] if news.example else [],
        due_at=due_at,
        now=now,
    )


def _gather(connection: Connection, row: AnyRow, into: NoticeId, news: policy.News) -> None:
    examples = [*row.examples, news.example] if news.example else list(row.examples)
    notices.gather(
        connection,
        into,
        at=max(row.last_at, news.at),
        reason=news.reason or row.reason,
        examples=list(dict.fromkeys(examples))[-policy.EXAMPLES :],
        occasion=news.occasion or row.occasion,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DueNotice:
    """A leased notice.

    Attributes:
        since: When its time to be given up began to run.
    """

    lease: Lease
    channel: str
    facts: wording.Facts
    attempts: int
    since: datetime


@dataclass(slots=True, kw_only=True)
class TellStep:
    """Notices due in, sent, postponed or given up ones out; of each channel one at a time, in their order.

    Attributes:
        chance: At random, from 0 to less than 1.
    """

    database: Database
    owner: str
    clock: Clock
    settings: Callable[[], NotifySettings]
    chance: Callable[[], float] = random.random
    name: ClassVar[str] = "notify"
    #: A channel that hangs keeps no other one waiting, as long as there are not more of them.
    concurrency: ClassVar[int] = 8
    _rests: Rests = field(default_factory=Rests)
    _known: dict[str, Channel] = field(default_factory=dict)

    def claim(self, now: datetime, until: datetime, limit: int) -> Sequence[DueNotice]:
        """One of each channel that is neither busy nor resting."""
        routes = self.settings().routes
        self._see_changes(routes, now)
        with self.database.read() as connection:
            for name in notices.asked_for(connection, now):
                self._rests.went_well(name)
            ready = notices.channels_ready(connection, now, self._rests.avoided(now))
        if not ready:
            return ()
        found: list[DueNotice] = []
        with self.database.write() as connection:
            for name in ready:
                if name not in routes:
                    why = f"there is no channel {name!r} in notifications any more"
                    notices.give_up_overdue(connection, name, before=None, why=why, remedy="", now=now)
                elif len(found) < limit:
                    row = notices.claim_due(connection, name, owner=self.owner, now=now, until=until)
                    found += [] if row is None else [_due(row)]
        for one in found:
            self._rests.begins(one.channel)
        return found

    def _see_changes(self, routes: Mapping[str, Route], now: datetime) -> None:
        """Whoever has just mended a channel need not wait."""
        present = {name: route.channel for name, route in routes.items()}
        mended = [name for name, channel in present.items() if self._known.get(name, channel) != channel]
        if mended:
            with self.database.write() as connection:
                notices.try_at_once(connection, mended, now=now)
            for name in mended:
                self._rests.went_well(name)
        self._known = present

    def act(self, due: DueNotice) -> Told | NotTold:
        """Tell it, once."""
        bind_contextvars(notice=str(due.lease.id))
        settings = self.settings()
        route = settings.routes.get(due.channel)
        if route is None:
            return NotTold(why=f"there is no channel {due.channel!r} in notifications any more")
        due.lease.refuse_poison("telling a notice")
        return route.channel.tell(wording.message(due.facts, settings.site), self.clock)

    def record(self, due: DueNotice, outcome: Told | NotTold, now: datetime) -> None:
        """Write down whether it was taken, and give up what its channel leaves no time for."""
        if isinstance(outcome, Told):
            with self.database.write() as connection:
                notices.sent(connection, due.lease, answer=outcome.answer, now=now)
            self._rests.went_well(due.channel)
        else:
            self._not_told(due, outcome.why, now)
        self._rests.ends(due.channel)

    def _not_told(self, due: DueNotice, why: str, now: datetime) -> None:
        rule, chance = self.settings().retries, self.chance()
        verdict = policy.next_attempt(attempts=due.attempts + 1, since=due.since, now=now, rule=rule, chance=chance)
        with self.database.write() as connection:
            match verdict:
                case RetryAt(when=when):
                    notices.postponed(connection, due.lease, why=why, not_before=when, now=now)
                case policy.GiveUp(why=end):
                    notices.given_up(connection, due.lease, why=f"{why}; {end}", remedy=_REMEDY, now=now)
            overdue = now - rule.give_up_after
            end = policy.out_of_time(rule)
            notices.give_up_overdue(
                connection, due.channel, before=overdue, why=f"{why}; {end}", remedy=_REMEDY, now=now
            )
        self._rests.failed(due.channel, now=now, rule=rule, chance=chance)

    def failed(self, due: DueNotice, error: Exception, now: datetime) -> None:
        """Something of ours broke: it waits for the ordinary time, or is set aside if it took the gateway with it."""
        rule = self.settings().retries
        why = f"{type(error).__name__}: {error}"
        with self.database.write() as connection:
            if isinstance(error, PoisonError):
                notices.given_up(connection, due.lease, why=str(error), remedy=_REMEDY, now=now)
            else:
                # It may have been told: it takes in nothing more.
                values = {"not_before": now + rule.waits[0], "why": why, "attempts": tables.notices.c.attempts + 1}
                give_back(connection, tables.notices, due.lease, values=values)
        self._rests.ends(due.channel)
        self._rests.failed(due.channel, now=now, rule=rule, chance=self.chance())

    def renew(self, works: Sequence[DueNotice], until: datetime) -> None:
        """A server may take its time."""
        with self.database.note() as connection:
            renew(connection, tables.notices, [one.lease for one in works], until=until)

    def next_due(self, now: datetime) -> datetime | None:
        """When the next notice is due, or a channel is tried again."""
        with self.database.read() as connection:
            due = notices.next_due(connection, now, self._rests.avoided(now))
        return min((at for at in (due, self._rests.next_end(now)) if at is not None), default=None)


def _due(row: AnyRow) -> DueNotice:
    return DueNotice(
        lease=lease_of(row),
        channel=row.channel,
        facts=wording.Facts(
            key=row.key,
            topic=Topic(row.topic),
            phase=Phase(row.phase),
            subject=row.subject,
            count=row.times,
            first_at=row.first_at,
            last_at=row.last_at,
            over_at=row.over_at,
            reason=row.reason,
            examples=tuple(row.examples),
        ),
        attempts=row.attempts,
        since=max(row.last_at, row.due_at),
    )
