"""From lines of history to notices, and from notices to channels, with a real ledger."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import update

from hilum.errors import TemporaryError
from hilum.ledger import noticeboard, notices, tables
from hilum.ledger.database import Database
from hilum.ledger.lease import MAX_BEGUN, drop_leases
from hilum.ledger.port import LedgerBusyError
from hilum.ledger.rows import AnyRow
from hilum.ledger.transition import NoSuchRowError, note
from hilum.model import Topic
from hilum.notify.policy import Expectation
from hilum.notify.port import Message, NotTold, Told
from hilum.notify.wording import Site
from hilum.notify.worker import NewsStep, NotifySettings, Route, TellStep
from hilum.retry import RetryRule
from hilum.states import IllegalTransitionError
from stage.ledger.clock import MovableClock
from stage.ledger.reception_desk import Reception

LEASE = timedelta(minutes=1)
AGAIN = 600.0
ALL = frozenset(Topic)


@dataclass
class Ear:
    """A channel that hears, unless it is told not to."""

    deaf: str = ""
    heard: list[Message] = field(default_factory=list)

    def tell(self, message: Message, _clock: Callable[[], datetime]) -> Told | NotTold:
        if self.deaf:
            return NotTold(why=self.deaf)
        self.heard.append(message)
        return Told(answer="heard")

    @property
    def gists(self) -> list[str]:
        return [one.gist for one in self.heard]


class Office:
    """The two steps, and what happens for them."""

    def __init__(self, desk: Reception) -> None:
        self.desk, self.clock, self.database = desk, desk.clock, desk.database
        self.ears = {"oncall": Ear()}
        self.topics = {"oncall": ALL}
        self.expected: tuple[Expectation, ...] = ()
        self.news = NewsStep(database=self.database, settings=self.settings)
        self.tell = self.new_tell()

    def new_tell(self) -> TellStep:
        return TellStep(
            database=self.database, owner="gateway", clock=self.clock, settings=self.settings, chance=lambda: 0.5
        )

    def settings(self) -> NotifySettings:
        return NotifySettings(
            routes={
                name: Route(channel=ear, topics=frozenset(self.topics.get(name, ALL)))
                for name, ear in self.ears.items()
            },
            expected=self.expected,
            again_after=timedelta(seconds=AGAIN),
            retries=RetryRule(waits=[timedelta(seconds=10), timedelta(seconds=60)], give_up_after=timedelta(hours=1)),
            site=Site(gateway="gw1"),
        )

    @property
    def ear(self) -> Ear:
        return self.ears["oncall"]

    def happens(self, machine: str, subject: str, event: str, **more: str) -> None:
        with self.database.write() as connection:
            note(connection, machine, subject, event, now=self.clock(), **more)

    def down(self, name: str = "PACS") -> None:
        self.happens("destination", name, "failed", before="up", after="down", why="the connection was refused")

    def up(self, name: str = "PACS") -> None:
        self.happens("destination", name, "answered", before="down", after="up")

    def read(self) -> None:
        while self.news.claim(self.clock(), self.clock() + LEASE, 1):
            pass

    def round(self) -> None:
        """Both steps until nothing is left to do now."""
        self.read()
        while works := self.tell.claim(self.clock(), self.clock() + LEASE, 8):
            for work in works:
                self.tell.record(work, self.tell.act(work), self.clock())

    def later(self, seconds: float) -> None:
        self.clock.forward(seconds)
        self.round()

    def rows(self, **equal: Any) -> Sequence[AnyRow]:
        return self.desk.rows("notices", **equal)

    def cursor(self) -> int:
        with self.database.read() as connection:
            return int(connection.execute(tables.cursors.select()).one().line)


@pytest.fixture
def office(desk: Reception) -> Office:
    return Office(desk)


def test_a_line_becomes_a_notice_that_is_sent_once(office: Office) -> None:
    office.down()
    office.round()
    office.later(1)
    assert office.ear.gists == ["destination PACS is down"]
    [row] = office.rows()
    assert (row.state, row.topic, row.phase, row.attempts) == ("sent", "destination-down", "began", 1)
    [made, sent] = office.desk.history(machine="notice", subject=str(row.id))
    assert (made.event, made.to_state) == ("made", "due")
    assert (sent.event, sent.from_state, sent.to_state, sent.why) == ("accepted", "due", "sent", "heard")


def test_a_new_ledger_tells_nothing_of_what_was_before_it_was_brought_up_to_date(office: Office) -> None:
    assert office.cursor() == 0
    office.round()
    assert office.rows() == []


def test_a_storm_is_told_at_once_and_then_as_one(office: Office) -> None:
    for _ in range(50):
        office.happens("gateway", "gw", "distrusted")
        office.later(3)
    assert len(office.ear.heard) == 1
    office.later(AGAIN)
    assert [one.count for one in office.ear.heard] == [1, 49]
    assert office.ear.heard[1].gist == "the gateway ended 49 times because the disk failed to sync its ledger"
    office.later(AGAIN)
    assert len(office.ear.heard) == 2


def test_other_subjects_do_not_wait_for_it(office: Office) -> None:
    office.down("A")
    office.round()
    office.down("B")
    office.round()
    assert office.ear.gists == ["destination A is down", "destination B is down"]


def test_what_waits_in_line_is_read_in_parts_and_none_is_left_out(office: Office) -> None:
    with office.database.write() as connection:
        for _ in range(1000):
            note(connection, "gateway", "gw", "distrusted", now=office.clock())
    office.round()
    office.later(AGAIN)
    assert sum(one.count for one in office.ear.heard) == 1000


def test_an_end_is_told_and_how_long_it_was(office: Office) -> None:
    office.down()
    office.round()
    office.clock.forward(300)
    office.up()
    office.round()
    assert office.ear.gists == ["destination PACS is down", "destination PACS is up again, after 5 min"]
    assert len({one.key for one in office.ear.heard}) == 2
    office.up()
    office.round()
    assert len(office.ear.heard) == 2, "once"


def test_what_is_over_before_anybody_was_told_is_told_as_such(office: Office) -> None:
    office.down()
    office.round()
    for _ in range(3):
        office.clock.forward(10)
        office.up()
        office.down()
    office.clock.forward(10)
    office.up()
    office.round()
    office.later(AGAIN)
    assert [(one.phase.value, one.count) for one in office.ear.heard] == [("began", 1), ("over", 1), ("began", 3)]
    assert (
        office.ear.gists[2]
        == "destination PACS went down 3 times; destination PACS is up again, after less than a minute"
    )
    with office.database.read() as connection:
        assert notices.lasting(connection, Topic.DESTINATION_DOWN) == []


def test_each_channel_gets_what_it_is_about(office: Office) -> None:
    office.ears["desk"] = Ear()
    office.topics["desk"] = frozenset({Topic.DISK_FULL})
    office.down()
    office.happens("disk", "storage", "disk full", why="/data: 91.3 % used, limit 85 %")
    office.round()
    assert office.ears["desk"].gists == ["the disk is too full: no instances are taken"]
    assert office.ears["desk"].heard[0].reason == "91.3 % used, limit 85 %"
    assert len(office.ear.heard) == 2


def test_a_channel_that_fails_costs_one_attempt_per_wait_and_the_others_go_on(office: Office) -> None:
    office.ears["desk"] = Ear()
    office.ear.deaf = "answered 500"
    for name in ("A", "B", "C"):
        office.down(name)
    office.round()
    assert len(office.ears["desk"].heard) == 3
    waiting = office.rows(channel="oncall", state="due")
    assert sorted(row.attempts for row in waiting) == [0, 0, 1]
    office.later(10)
    assert sum(row.attempts for row in office.rows(channel="oncall")) == 2
    office.ear.deaf = ""
    office.later(61)
    assert sorted(office.ear.gists) == [f"destination {name} is down" for name in "ABC"]


def test_what_may_have_been_received_does_not_change_any_more(office: Office) -> None:
    office.ear.deaf = "no answer within 10 s"
    office.down()
    office.round()
    office.down()
    office.round()
    office.ear.deaf = ""
    office.later(2 * AGAIN)
    assert [one.count for one in office.ear.heard] == [1, 1]
    assert len({one.key for one in office.ear.heard}) == 2


def test_nor_does_what_could_not_be_recorded(office: Office) -> None:
    office.down()
    office.read()
    [work] = office.tell.claim(office.clock(), office.clock() + LEASE, 8)
    office.tell.act(work)
    office.tell.failed(work, LedgerBusyError("locked"), office.clock())
    office.down()
    office.later(61)
    office.later(AGAIN)
    assert [(one.count, one.key) for one in office.ear.heard[:2]] == [(1, work.facts.key)] * 2, "told again, unchanged"
    assert sum({one.key: one.count for one in office.ear.heard}.values()) == 2


def test_old_news_are_given_up_and_the_line_says_what_to_do(office: Office) -> None:
    office.ear.deaf = "answered 404 Not Found"
    office.down()
    office.round()
    for _ in range(70):
        office.later(60)
    [row] = office.rows()
    assert row.state == "given up"
    [line] = office.desk.history(machine="notice", event="failed for good")
    assert line.why == ("answered 404 Not Found; not told within 1 h (notifications.retry.give-up-after)")
    assert "hilum notify test" in line.remedy
    office.ear.deaf = ""
    office.up()
    office.round()
    assert office.ear.heard == [], "nobody was told that it was down"


def test_a_storm_while_nobody_hears_stays_small(office: Office) -> None:
    office.ear.deaf = "answered 500"
    for _ in range(40):
        for name in ("A", "B"):
            office.down(name)
        office.later(45)
    assert len(office.rows()) <= 8
    office.ear.deaf = ""
    for _ in range(3):
        office.later(AGAIN)
    assert sum(one.count for one in office.ear.heard) == 80


def test_a_channel_that_is_gone_takes_its_notices_with_it(office: Office) -> None:
    office.ear.deaf = "answered 500"
    office.down()
    office.round()
    del office.ears["oncall"]
    office.ears["desk"] = Ear()
    office.later(20)
    [row] = office.rows(channel="oncall")
    assert (row.state, row.why) == ("given up", "there is no channel 'oncall' in notifications any more")
    office.up()
    office.round()
    assert office.rows(channel="oncall")[0].over_at is not None


def test_whoever_dies_in_between_tells_it_once_more_under_the_same_key(office: Office) -> None:
    office.down()
    office.read()
    [work] = office.tell.claim(office.clock(), office.clock() + LEASE, 8)
    office.tell.act(work)
    with office.database.write() as connection:
        drop_leases(connection)  # as the next start does
    office.tell = office.new_tell()
    office.round()
    office.later(AGAIN)
    assert [one.key for one in office.ear.heard] == [work.facts.key] * 2
    assert [row.state for row in office.rows()] == ["sent"]


def test_a_notice_that_kills_the_gateway_is_set_aside(office: Office) -> None:
    office.down()
    office.read()
    for _ in range(MAX_BEGUN):
        [_] = office.tell.claim(office.clock(), office.clock() + LEASE, 8)
        with office.database.write() as connection:
            drop_leases(connection)
        office.tell = office.new_tell()
    [work] = office.tell.claim(office.clock(), office.clock() + LEASE, 8)
    with pytest.raises(Exception, match="in the middle of telling a notice") as raised:
        office.tell.act(work)
    office.tell.failed(work, raised.value, office.clock())
    assert [row.state for row in office.rows()] == ["given up"]
    assert office.ear.heard == []


def test_a_crash_between_reading_and_writing_forgets_and_doubles_nothing(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.down("A")
    office.down("B")
    real = notices.have_read

    def dies(*_: object) -> None:
        raise LedgerBusyError("gone")

    monkeypatch.setattr(notices, "have_read", dies)
    with pytest.raises(LedgerBusyError):
        office.read()
    assert office.rows() == []
    monkeypatch.setattr(notices, "have_read", real)
    office.read()
    office.news = NewsStep(database=office.database, settings=office.settings)
    office.read()
    assert sorted(row.subject for row in office.rows()) == ["A", "B"]


def test_nobody_to_tell_means_that_nothing_is_kept(office: Office) -> None:
    ears, office.ears = office.ears, {}
    office.down()
    office.later(61)
    office.ears = ears
    office.round()
    assert office.rows() == []
    office.down()
    office.round()
    assert len(office.ear.heard) == 1


def test_jobs_deliveries_and_groups_are_named_as_commands_name_them(office: Office) -> None:
    office.desk.send("1.2.3")
    [group] = office.desk.rows("groups")
    office.happens("group", str(group.id), "cannot plan", why="KeyError: 'DOE^JOHN'")
    aborted = office.desk.associate()
    aborted.receive("1.2.4")
    aborted.abort()
    office.round()
    parked, held = office.ear.heard
    assert (parked.subject, parked.examples, parked.reason) == ("SCP", (f"group:{group.id}",), "")
    assert f"hilum retry group:{group.id}" in parked.remedy
    assert (held.subject, held.examples) == ("SCANNER to SCP", (aborted.id,))
    assert held.reason == "the peer sent A-ABORT"
    assert f"hilum accept {aborted.id}" in held.remedy


# --- quiet sources; the clock of the tests begins on Sunday, 2026-11-22, at 08:15 UTC


def expect(office: Office, by: str = "09:00", **other: Any) -> None:
    plain = {"source": "SCANNER", "since": time(0), "days": frozenset(range(7)), "zone": ZoneInfo("UTC")}
    office.expected = (Expectation(**plain | other, by=time.fromisoformat(by)),)


def test_a_quiet_source_is_told_once_a_day_and_again_when_it_sends(office: Office) -> None:
    expect(office)
    office.round()
    assert office.ear.heard == []
    office.clock.now = datetime(2026, 11, 22, 9, 0, 1, tzinfo=UTC)
    office.round()
    for _ in range(5):
        office.later(3600)
    [quiet] = office.ear.heard
    assert quiet.gist == "nothing has come from SCANNER"
    assert quiet.reason == "expected by 09:00"
    assert quiet.first_at == datetime(2026, 11, 22, tzinfo=UTC)
    office.desk.send("1.2.3")
    office.later(1)
    assert office.ear.gists[1:] == ["SCANNER sends again"]
    office.clock.now = datetime(2026, 11, 23, 9, 0, 1, tzinfo=UTC)
    office.round()
    assert office.ear.gists[2:] == ["nothing has come from SCANNER"]


def test_a_source_that_has_sent_is_not_missed(office: Office) -> None:
    expect(office)
    office.desk.send("1.2.3")
    office.later(3600)
    assert office.ear.heard == []


def test_one_that_sent_yesterday_is(office: Office) -> None:
    expect(office)
    office.desk.send("1.2.3")
    office.later(3600)
    office.later(86400)
    assert len(office.ear.heard) == 1


def test_what_came_before_it_counts_is_not_enough(office: Office) -> None:
    office.desk.send("1.2.3")
    expect(office, since=time(8, 30))
    office.later(3600)
    assert office.ear.gists == ["nothing has come from SCANNER"]


def test_an_association_that_was_opened_before_the_time_and_stored_after_it_ends_the_alarm(office: Office) -> None:
    expect(office)
    office.clock.now = datetime(2026, 11, 22, 8, 59, 58, tzinfo=UTC)
    late = office.desk.associate()
    office.later(3)
    late.receive("1.2.3")
    office.later(1)
    assert office.ear.gists == ["nothing has come from SCANNER", "SCANNER sends again"]


def test_on_days_off_nobody_is_told(office: Office) -> None:
    expect(office, days=frozenset({0, 1, 2, 3, 4}))
    office.later(7200)
    assert office.ear.heard == []


def test_a_gateway_that_was_not_running_tells_it_as_soon_as_it_starts(office: Office) -> None:
    expect(office, by="08:00")
    office.round()
    assert len(office.ear.heard) == 1


def test_the_step_wakes_for_the_time(office: Office) -> None:
    expect(office)
    assert office.news.next_due(office.clock()) == datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


# --- how channels do


def test_the_board_shows_notices_and_how_channels_do(office: Office) -> None:
    office.ears["desk"] = Ear(deaf="answered 500")
    office.down()
    office.round()
    with office.database.read() as connection:
        desk, oncall = noticeboard.channels(connection, office.ears)
        found = noticeboard.list_notices(connection, limit=10)
        due = noticeboard.list_notices(connection, state=found[0].state, channel=found[0].channel, limit=10)
        older = noticeboard.list_notices(connection, before=found[0].id, limit=10)
    assert (desk.due, desk.failing, desk.sent_at, desk.given_up) == (1, "answered 500", None, 0)
    assert desk.next_try == office.clock.in_(10)
    assert (oncall.due, oncall.failing, oncall.sent_at) == (0, "", office.clock())
    assert {one.channel for one in found} == {"desk", "oncall"}
    assert [one.id for one in due] == [found[0].id]
    assert [one.id for one in older] == [found[1].id]


def test_a_channel_that_lost_something_and_told_nothing_since_is_seen(office: Office) -> None:
    office.down("A")
    office.round()
    office.ear.deaf = "answered 500"
    office.down("B")
    for _ in range(70):
        office.later(60)
    with office.database.read() as connection:
        [view] = noticeboard.channels(connection, office.ears)
    assert (view.due, view.failing, view.given_up) == (0, "", 1)
    office.ear.deaf = ""
    office.down("C")
    office.later(60)
    with office.database.read() as connection:
        [view] = noticeboard.channels(connection, office.ears)
    assert view.given_up == 0


def test_two_steps_never_send_the_same_one(office: Office) -> None:
    for name in "ABCDEFGH":
        office.down(name)
    office.read()
    other = office.new_tell()
    steps = [office.tell, other]

    def work(step: TellStep) -> None:
        while works := step.claim(office.clock(), office.clock() + LEASE, 1):
            for one in works:
                step.record(one, step.act(one), office.clock())

    threads = [threading.Thread(target=work, args=(step,)) for step in steps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(office.ear.heard) == 8
    assert len({one.key for one in office.ear.heard}) == 8


def test_a_claim_that_is_lost_changes_nothing(office: Office, database: Database, clock: MovableClock) -> None:
    office.down()
    office.read()
    [work] = office.tell.claim(clock(), clock() + LEASE, 8)
    with database.write() as connection:
        connection.execute(update(tables.notices).values(fence=tables.notices.c.fence + 1))
    with pytest.raises(Exception, match="was lost"):
        office.tell.record(work, Told(answer="heard"), clock())
    assert [row.state for row in office.rows()] == ["due"]


class TestByHand:
    """What an operator has told again."""

    def retry(self, office: Office, number: int) -> None:
        with office.database.write() as connection:
            notices.ask_retry(connection, number, now=office.clock())

    def given_up(self, office: Office) -> int:
        office.ear.deaf = "answered 500"
        office.happens("gateway", "gw", "distrusted")
        office.round()
        for _ in range(80):
            office.later(60)
        [row] = office.rows(state="given up")
        return int(row.id)

    def test_what_was_given_up_is_told_at_once_although_its_channel_rests(self, office: Office) -> None:
        number = self.given_up(office)
        office.happens("destination", "FAR", "failed", before="up", after="down")
        office.round()  # in vain: the channel rests from now on
        office.ear.deaf = ""
        self.retry(office, number)
        office.round()
        assert "the gateway ended because the disk failed to sync its ledger, and was started again" in office.ear.gists
        [row] = office.rows(id=number)
        assert (row.state, row.why) == ("sent", "")
        asked = office.desk.history(machine="notice", subject=str(number), event="retry asked")
        assert [(line.from_state, line.to_state) for line in asked] == [("given up", "due")]

    def test_its_time_begins_anew(self, office: Office) -> None:
        number = self.given_up(office)
        self.retry(office, number)
        office.round()
        [row] = office.rows(id=number)
        assert (row.state, row.why) == ("due", "answered 500")
        assert row.not_before > office.clock()

    def test_it_takes_in_nothing_more(self, office: Office) -> None:
        number = self.given_up(office)
        self.retry(office, number)
        office.happens("gateway", "gw", "distrusted")
        office.read()
        [row] = office.rows(id=number)
        assert row.times == 1

    def test_what_was_sent_is_not_told_again(self, office: Office) -> None:
        office.down()
        office.round()
        [row] = office.rows()
        with pytest.raises(IllegalTransitionError):
            self.retry(office, row.id)
        with pytest.raises(NoSuchRowError, match="there is no notice 99"):
            self.retry(office, 99)

    def test_what_is_being_sent_is_left_alone(self, office: Office) -> None:
        office.down()
        office.read()
        [due] = office.tell.claim(office.clock(), office.clock() + LEASE, 1)
        with pytest.raises(TemporaryError, match="being sent just now"):
            self.retry(office, int(due.lease.id))

    def test_those_of_a_channel_that_are_meant_are_those_since_it_took_one(self, office: Office) -> None:
        old = self.given_up(office)
        office.ear.deaf = ""
        office.down()
        office.later(3600)
        assert office.ear.gists == ["destination PACS is down"]
        office.ear.deaf = "answered 500"
        office.down("FAR")
        for _ in range(80):
            office.later(60)
        with office.database.read() as connection:
            meant = noticeboard.given_up(connection, "oncall", limit=10)
            [channel] = noticeboard.channels(connection, ["oncall"])
        assert [one.subject for one in meant] == ["FAR"]
        assert channel.given_up == 1
        assert old not in {one.id for one in meant}


def test_a_configuration_that_is_in_order_again_is_told(office: Office) -> None:
    office.happens("config", "/app.yaml", "refused", why="line 3")
    office.round()
    office.later(120)
    assert office.ear.gists == ["a changed configuration was refused; the last good one is in force"]
    office.happens("config", "/another.yaml", "reloaded", why="as it was before")
    office.round()
    assert len(office.ear.heard) == 1
    office.happens("config", "/app.yaml", "reloaded", why="as it was before")
    office.round()
    assert office.ear.gists[1:] == ["the configuration is in order again, after 2 min"]
    office.later(AGAIN)
    assert len(office.ear.heard) == 2


def test_a_gateway_that_begins_with_a_refused_configuration_has_taken_it(office: Office) -> None:
    office.happens("config", "/app.yaml", "refused", why="line 3")
    office.round()
    office.later(1)
    office.happens("gateway", "gw", "started")
    office.round()
    assert office.ear.gists[1:] == ["the configuration is in order again, after less than a minute"]
