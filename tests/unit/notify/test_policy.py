from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from hilum import states
from hilum.model import NewsLine, NoticeId, Phase, Topic
from hilum.notify.policy import (
    End,
    Expectation,
    Gather,
    GiveUp,
    Last,
    Lasting,
    News,
    Write,
    in_our_words,
    news_of,
    next_attempt,
    next_deadline,
    weigh,
    window,
)
from hilum.retry import RetryAt, RetryRule

NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)  # a Wednesday
HOUR = timedelta(hours=1)
RULE = RetryRule(waits=[timedelta(seconds=10), timedelta(seconds=60)], give_up_after=timedelta(hours=1))


def line(machine: str, event: str, subject: str = "7", to: str = "", why: str = "", **facts: str) -> NewsLine:
    return NewsLine(id=1, at=NOW, machine=machine, subject=subject, event=event, to_state=to, why=why, facts=facts)


@pytest.mark.parametrize(
    ("said", "topic", "subject", "example"),
    [
        (line("job", "failed", "abc", workflow="lung"), Topic.JOB_FAILED, "lung", "abc"),
        (line("delivery", "failed for good", destination="PACS"), Topic.DELIVERY_GIVEN_UP, "PACS", "delivery:7"),
        (line("destination", "failed", "PACS"), Topic.DESTINATION_DOWN, "PACS", ""),
        (line("disk", "disk full", "storage"), Topic.DISK_FULL, "storage", ""),
        (
            line("association", "broken", "20261125", to="held", calling="CT2", called="HILUM"),
            Topic.ASSOCIATION_HELD,
            "CT2 to HILUM",
            "20261125",
        ),
        (line("group", "cannot plan", ae="HILUM"), Topic.GROUP_PARKED, "HILUM", "group:7"),
        (line("instance", "quarantined", "1.2.3"), Topic.FILE_QUARANTINED, "spool", ""),
        (line("config", "refused", "/etc/app.yaml"), Topic.CONFIGURATION_REFUSED, "/etc/app.yaml", ""),
        (line("gateway", "distrusted", "gw"), Topic.LEDGER_DISTRUSTED, "ledger", ""),
    ],
    ids=lambda value: str(value) if isinstance(value, Topic) else "",
)
def test_each_setback_is_news(said: NewsLine, topic: Topic, subject: str, example: str) -> None:
    news = news_of(said)
    assert news is not None
    assert (news.topic, news.subject, news.example, news.at) == (topic, subject, example, NOW)


@pytest.mark.parametrize(
    "said",
    [
        line("association", "broken", "20261125"),  # nothing was stored: nothing is held
        line("instance", "refused"),
        line("job", "attempt failed"),
        line("notice", states.NoticeEvent.FAILED_FOR_GOOD),
        line("gateway", "started"),
        line("config", "reloaded"),
    ],
    ids=lambda said: f"{said.machine} {said.event}",
)
def test_other_lines_are_not(said: NewsLine) -> None:
    assert news_of(said) is None


@pytest.mark.parametrize(("machine", "event"), [("destination", "answered"), ("disk", "disk has room")])
def test_what_lasts_is_over_one_day(machine: str, event: str) -> None:
    news = news_of(line(machine, event))
    assert news is not None
    assert news.phase is Phase.OVER


@pytest.mark.parametrize(
    ("why", "told"),
    [
        ("the command ended with exit code 3; its log says why", "exit code 3"),
        ("PACS at 10.0.0.6:104: the connection was refused; is it running?", "connection was refused"),
        ("PACS: rejected for good: called AE title not recognized (1/1/7)", None),
        ("/data: 91.3 % used, limit 85 %", "91.3 % used, limit 85 %"),
        ("the command was killed by SIGKILL; if nobody sent it, the machine was out of memory", None),
        ("the destination answered status C123H (DOE^JOHN unknown); tried 3 times", "status C123H; tried 3 times"),
        ("KeyError: 'DOE^JOHN'", ""),
        ("/payloads/x/output/DOE^JOHN.dcm: no such file", ""),
        ("rejected: John Doe (1/2/3)", ""),
        ("killed by SIGJOHN; exit code 19610412", ""),
        ("", ""),
    ],
)
def test_reasons_are_quoted_in_words_of_ours_alone(why: str, told: str | None) -> None:
    found = in_our_words(why)
    assert "JOHN" not in found.upper()
    if told is not None:
        assert found == told
    else:
        assert found


def test_a_status_is_told_once() -> None:
    assert in_our_words("given up", "A700") == "status A700H"
    assert in_our_words("answered status A700H", "A700") == "status A700H"


def news(phase: Phase = Phase.HAPPENED) -> News:
    return News(topic=Topic.JOB_FAILED, phase=phase, subject="lung", at=NOW)


def test_the_first_of_a_subject_is_told_at_once() -> None:
    assert weigh(news(), last=None, lasting=(), again_after=HOUR, now=NOW) == Write(due_at=NOW)


def test_what_follows_waits_until_it_is_time_again() -> None:
    last = Last(id=NoticeId(1), due_at=NOW - HOUR / 4, fresh=False)
    assert weigh(news(), last=last, lasting=(), again_after=HOUR, now=NOW) == Write(due_at=NOW + HOUR * 3 / 4)


def test_what_follows_long_after_is_told_at_once() -> None:
    last = Last(id=NoticeId(1), due_at=NOW - 2 * HOUR, fresh=False)
    assert weigh(news(), last=last, lasting=(), again_after=HOUR, now=NOW) == Write(due_at=NOW)


def test_what_waits_takes_in_more() -> None:
    last = Last(id=NoticeId(1), due_at=NOW + HOUR, fresh=True)
    assert weigh(news(), last=last, lasting=(), again_after=HOUR, now=NOW) == Gather(into=NoticeId(1))


@pytest.mark.parametrize("told", [True, False])
def test_the_end_is_told_to_whom_was_told_of_the_beginning(told: bool) -> None:
    lasting = [Lasting(id=NoticeId(1), told=False), Lasting(id=NoticeId(2), told=told)]
    verdict = weigh(news(Phase.OVER), last=None, lasting=lasting, again_after=HOUR, now=NOW)
    assert verdict == End(over=[NoticeId(1), NoticeId(2)], say=told)


def attempt(attempts: int, since: datetime = NOW, chance: float = 0.5) -> RetryAt | GiveUp:
    return next_attempt(attempts=attempts, since=since, now=NOW, rule=RULE, chance=chance)


def test_waits_grow_and_the_last_one_repeats() -> None:
    assert [attempt(number) for number in (1, 2, 9)] == [
        RetryAt(when=NOW + timedelta(seconds=wait)) for wait in (10, 60, 60)
    ]


def test_waits_are_spread() -> None:
    assert attempt(1, chance=0.0) == RetryAt(when=NOW + timedelta(seconds=8))
    assert attempt(1, chance=1.0) == RetryAt(when=NOW + timedelta(seconds=12))


def test_old_news_are_given_up() -> None:
    verdict = attempt(3, since=NOW - timedelta(minutes=59, seconds=30))
    assert verdict == GiveUp(why="not told within 1 h (notifications.retry.give-up-after)")


def expectation(by: str = "08:00", since: str = "00:00", days: str = "0123456", zone: str = "UTC") -> Expectation:
    return Expectation(
        source="CT2",
        since=time.fromisoformat(since),
        by=time.fromisoformat(by),
        days=frozenset(map(int, days)),
        zone=ZoneInfo(zone),
    )


def test_a_window_is_one_day_of_the_place_where_the_source_stands() -> None:
    found = window(expectation(zone="Pacific/Auckland"), datetime(2026, 11, 24, 20, 0, tzinfo=UTC))
    assert found is not None
    assert found.occasion == "2026-11-25"
    assert found.begin == datetime(2026, 11, 24, 11, 0, tzinfo=UTC)
    assert found.end == datetime(2026, 11, 24, 19, 0, tzinfo=UTC)


def test_on_days_off_nobody_is_missed() -> None:
    assert window(expectation(days="56"), NOW) is None
    assert window(expectation(days="2"), NOW) is not None


@pytest.mark.parametrize(("day", "hour"), [(28, 7), (29, 6)])  # clocks of Berlin go forward on 2026-03-29
def test_summer_time_moves_the_deadline(day: int, hour: int) -> None:
    found = window(expectation(zone="Europe/Berlin"), datetime(2026, 3, day, 12, 0, tzinfo=UTC))
    assert found is not None
    assert found.end == datetime(2026, 3, day, hour, 0, tzinfo=UTC)


def test_the_next_deadline_is_the_next_day_that_counts() -> None:
    assert next_deadline([], NOW) is None
    assert next_deadline([expectation(by="09:30")], NOW) == NOW + timedelta(minutes=30)
    assert next_deadline([expectation()], NOW) == datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
    assert next_deadline([expectation(days="2")], NOW) == datetime(2026, 12, 2, 8, 0, tzinfo=UTC)
    both = [expectation(days="2"), expectation(days="4")]
    assert next_deadline(both, NOW) == datetime(2026, 11, 27, 8, 0, tzinfo=UTC)
