"""What becomes a notice, when it may be told, and when it is tried again or given up; pure.

Nobody reads the fiftieth message of one night. So the first event of a subject (one workflow's jobs, one destination)
is told at once, and whatever follows within ``again_after`` is gathered in one notice that counts it. What lasts, such
as a destination that is down, is told when it begins and when it is over, if its beginning was told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

from hilum import states
from hilum.model import NewsLine, NoticeId, Phase, Topic
from hilum.retry import RetryAt, RetryRule, spread

#: Rows that a notice names; the others are only counted.
EXAMPLES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """Something that people should know.

    Attributes:
        subject: What it happened to, as far as messages are gathered by it; no personal data.
        reason: In words of ours alone; empty if there are none for it.
        example: The row that it is about, as commands name it; empty if there is none.
        occasion: What is told of only once, such as a day; empty for what is told each time.
    """

    topic: Topic
    phase: Phase
    subject: str
    at: datetime
    reason: str = ""
    example: str = ""
    occasion: str = ""


def news_of(line: NewsLine) -> News | None:
    """What a line of history tells people; ``None``: nothing that they need to know."""
    fact = line.facts.get
    match line.machine, line.event:
        case "job", states.JobEvent.FAILED:
            return _happened(line, Topic.JOB_FAILED, fact("workflow", ""), example=line.subject)
        case "delivery", states.DeliveryEvent.FAILED_FOR_GOOD:
            example = f"delivery:{line.subject}"
            return _happened(line, Topic.DELIVERY_GIVEN_UP, fact("destination", ""), example=example)
        case "destination", states.DestinationEvent.FAILED:
            return _lasts(line, Topic.DESTINATION_DOWN, Phase.BEGAN, line.subject)
        case "destination", states.DestinationEvent.ANSWERED:
            return _lasts(line, Topic.DESTINATION_DOWN, Phase.OVER, line.subject)
        case "disk", "disk full":
            return _lasts(line, Topic.DISK_FULL, Phase.BEGAN, line.subject)
        case "disk", "disk has room":
            return _lasts(line, Topic.DISK_FULL, Phase.OVER, line.subject)
        case "association", states.AssociationEvent.BROKEN if line.to_state == states.Association.HELD:
            sender = f"{fact('calling', '')} to {fact('called', '')}"
            return _happened(line, Topic.ASSOCIATION_HELD, sender, example=line.subject)
        case "group", states.GroupEvent.CANNOT_PLAN:
            return _happened(line, Topic.GROUP_PARKED, fact("ae", ""), example=f"group:{line.subject}")
        case "instance", "quarantined":
            return _happened(line, Topic.FILE_QUARANTINED, "spool")  # its name is a UID, which can lead to a person
        case "config", "refused":
            return _lasts(line, Topic.CONFIGURATION_REFUSED, Phase.BEGAN, line.subject)
        case "gateway", "distrusted":
            return _happened(line, Topic.LEDGER_DISTRUSTED, "ledger")
        case _:
            return None


def _happened(line: NewsLine, topic: Topic, subject: str, *, example: str = "") -> News:
    reason = in_our_words(line.why, line.facts.get("status", ""))
    return News(topic=topic, phase=Phase.HAPPENED, subject=subject, at=line.at, reason=reason, example=example)


def _lasts(line: NewsLine, topic: Topic, phase: Phase, subject: str) -> News:
    return News(topic=topic, phase=phase, subject=subject, at=line.at, reason=in_our_words(line.why))


#: What a notice may quote of a reason. Reasons can hold what a peer, a file's name or a foreign program said, and that
#: can name a patient; these words of ours, with their small numbers, cannot.
_QUOTABLE: Final = re.compile(
    r"exit code \d{1,3}\b"
    r"|killed by SIG(?:KILL|TERM|SEGV|ABRT|BUS|ILL|FPE|INT|HUP|PIPE|XCPU|SYS)\b"
    r"|machine was out of memory"
    r"|time limit of [\d.e+]{1,8} s\b"
    r"|stopped from outside by SIGTERM"
    r"|the run vanished without a trace"
    r"|not delivered within [\d.]{1,8} days"
    r"|tried \d{1,3} times"
    r"|status [0-9A-F]{4}H"
    r"|rejected(?: for good| for now)?: (?:no reason given(?: by the protocol layer)?|application context name not"
    r" supported|call(?:ing|ed) AE title not recognized|protocol version not supported|temporary congestion"
    r"|local limit of associations exceeded) \(\d/\d/\d\)"
    r"|the peer sent A-ABORT|A-ABORT"
    r"|connection was refused|connection lost|no connection within [\d.]{1,8} s|host name cannot be resolved"
    r"|[Nn]o route to host|[Nn]etwork is unreachable|[Cc]onnection reset by peer|timed out|protocol error"
    r"|is not in dicom\.scu\.destinations any more"
    r"|\d{1,3}\.\d % used, limit \d{1,3} %|[\d.]{1,9} GB free, reserve [\d.e+]{1,9} GB"
    r"|ended \d{1,3} times in a row"
    r"|damaged on disk|gateway (?:stopped|failed)"
)


def in_our_words(why: str, status: str = "") -> str:
    """What of a reason may leave the house: only the words and numbers that are known to name nobody.

    Args:
        status: A C-STORE status, four hexadecimal digits, if there was one.
    """
    found = list(dict.fromkeys(match.group() for match in _QUOTABLE.finditer(why)))
    if status and not any(part.startswith("status") for part in found):
        found.insert(0, f"status {status}H")
    return "; ".join(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Last:
    """The latest notice of a channel on the same topic and subject, those that say that it is over not counted.

    Attributes:
        fresh: Nobody has tried to send it: it can still take in more.
    """

    id: NoticeId
    due_at: datetime
    fresh: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Lasting:
    """A notice of something that, as far as the ledger knows, still goes on.

    Attributes:
        told: Somebody was told, or may have been.
    """

    id: NoticeId
    told: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """A new notice, that may be told from then on."""

    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Gather:
    """Count it in that notice, which waits."""

    into: NoticeId


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """Mark these notices as over, and say so in a new one if anybody was told."""

    over: Sequence[NoticeId]
    say: bool


def weigh(
    news: News, *, last: Last | None, lasting: Sequence[Lasting], again_after: timedelta, now: datetime
) -> Write | Gather | End:
    """What a channel makes of news.

    A notice that somebody has begun to send takes in nothing more: the receiver may have it already, and would take
    another one with the same key for a repetition.

    Args:
        last, lasting: Of this channel, on this topic and subject.
    """
    if news.phase is Phase.OVER:
        return End(over=[one.id for one in lasting], say=any(one.told for one in lasting))
    if last is None:
        return Write(due_at=now)
    if last.fresh:
        return Gather(into=last.id)
    return Write(due_at=max(now, last.due_at + again_after))


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """Do not try again."""

    why: str


def next_attempt(*, attempts: int, since: datetime, now: datetime, rule: RetryRule, chance: float) -> RetryAt | GiveUp:
    """What to do after a failed attempt.

    Args:
        attempts: How many failed, this one included; at least 1.
        since: When its time began; see ``RetryRule``.
        chance: At random, from 0 to less than 1.
    """
    when = now + spread(rule.wait(attempts), chance)
    if when - since > rule.give_up_after:
        return GiveUp(why=out_of_time(rule))
    return RetryAt(when=when)


def out_of_time(rule: RetryRule) -> str:
    """Why a notice is given up."""
    return f"not told within {rule.give_up_after / timedelta(hours=1):g} h (notifications.retry.give-up-after)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """One entry of ``notifications.expected``.

    Attributes:
        source: Calling AE title.
        since: What came since this time of day counts.
        by: The time of day at which something must have come.
        days: 0 is Monday.
    """

    source: str
    since: time
    by: time
    days: frozenset[int]
    zone: tzinfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """On one day, the time in which a source is to send.

    Attributes:
        occasion: The day, in the zone of the expectation.
    """

    begin: datetime
    end: datetime
    occasion: str


def window(expected: Expectation, now: datetime) -> Window | None:
    """Today's; ``None`` if the source need not send today."""
    return _on(expected, now.astimezone(expected.zone).date())


def _on(expected: Expectation, day: date) -> Window | None:
    if day.weekday() not in expected.days:
        return None

    def moment(of_day: time) -> datetime:
        return datetime.combine(day, of_day, tzinfo=expected.zone).astimezone(UTC)

    return Window(begin=moment(expected.since), end=moment(expected.by), occasion=day.isoformat())


def next_deadline(expected: Iterable[Expectation], now: datetime) -> datetime | None:
    """The next moment at which a source may turn out to be quiet; ``None``: nothing is expected."""
    ends: list[datetime] = []
    for one in expected:
        today = now.astimezone(one.zone).date()
        days = (_on(one, today + timedelta(days=ahead)) for ahead in range(8))
        ends += [found.end for found in days if found is not None and found.end > now][:1]
    return min(ends, default=None)


def quiet(expected: Expectation, found: Window) -> News:
    """A source has not sent since its window began."""
    by = f"{expected.by:%H:%M}"
    return News(
        topic=Topic.SOURCE_QUIET,
        phase=Phase.BEGAN,
        subject=expected.source,
        at=found.begin,
        reason=f"expected by {by}",
        occasion=found.occasion,
    )


def in_order_again(file: str, at: datetime) -> News:
    """A configuration that was refused has been taken."""
    return News(topic=Topic.CONFIGURATION_REFUSED, phase=Phase.OVER, subject=file, at=at)


def sends_again(source: str, at: datetime) -> News:
    """A source that was quiet has sent."""
    return News(topic=Topic.SOURCE_QUIET, phase=Phase.OVER, subject=source, at=at)
