"""The loop, driven by a step that keeps its rows in memory and tells what is asked of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from hilum import runner
from hilum.errors import LocalError, PermanentError, TemporaryError
from hilum.runner import Runner, Wake, stop_all

NOW = datetime(2026, 11, 22, 8, 15, tzinfo=UTC)
LONG = timedelta(hours=1)
WAIT_SECONDS = 20.0


class Rows:
    """A step whose rows are words; each is claimed once and stays leased until it is recorded or failed."""

    name = "rows"

    def __init__(self, *waiting: str, concurrency: int = 1) -> None:
        self.concurrency = concurrency
        self.waiting = list(waiting)
        self.seen: list[tuple[str, Any]] = []
        self.on_act: Callable[[str], Any] = lambda _work: None
        self.on_record: Callable[[str], None] = lambda _work: None
        self.on_claim: Callable[[], None] = lambda: None
        self.on_failed: Callable[[str], None] = lambda _work: None
        self.on_renew: Callable[[], None] = lambda: None
        self.on_next_due: Callable[[], datetime | None] = lambda: None
        self._changed = threading.Condition()

    def tell(self, what: str, detail: Any) -> None:
        with self._changed:
            self.seen.append((what, detail))
            self._changed.notify_all()

    def count(self, what: str) -> int:
        with self._changed:
            return sum(name == what for name, _ in self.seen)

    def all(self, what: str) -> list[Any]:
        with self._changed:
            return [detail for name, detail in self.seen if name == what]

    def await_(self, what: str, count: int = 1) -> None:
        with self._changed:
            came = self._changed.wait_for(
                lambda: sum(name == what for name, _ in self.seen) >= count, timeout=WAIT_SECONDS
            )
        assert came, f"{what} did not come {count} times: {self.seen}"

    def claim(self, now: datetime, until: datetime, limit: int) -> Sequence[str]:
        self.tell("claim", (now, until, limit))
        self.on_claim()
        with self._changed:
            taken, self.waiting = self.waiting[:limit], self.waiting[limit:]
        return taken

    def act(self, work: str) -> str:
        self.tell("act", work)
        self.on_act(work)
        return work.upper()

    def record(self, work: str, outcome: str, now: datetime) -> None:
        self.on_record(work)
        self.tell("record", (work, outcome, now))

    def failed(self, work: str, error: Exception, now: datetime) -> None:  # noqa: ARG002
        self.tell("failed", (work, error))
        self.on_failed(work)

    def renew(self, works: Sequence[str], until: datetime) -> None:
        self.tell("renew", (tuple(works), until))
        self.on_renew()

    def next_due(self, now: datetime) -> datetime | None:
        self.tell("next_due", now)
        return self.on_next_due()


Start = Callable[..., Runner[str, str]]
Log = list[Any]


@pytest.fixture(autouse=True)
def log() -> Iterator[Log]:
    """What the loop logs; not printed."""
    with capture_logs() as lines:
        yield lines


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts runners of steps; each is stopped at the end."""
    started: list[Runner[str, str]] = []

    def start(
        step: Rows, *, poll: timedelta = LONG, wake: Wake | None = None, followers: Sequence[Wake] = ()
    ) -> Runner[str, str]:
        started.append(Runner(step, lambda: NOW, wake or Wake(), poll, followers))
        started[-1].start()
        return started[-1]

    yield start
    stop_all(started)


def test_what_is_claimed_is_acted_upon_and_recorded(start: Start) -> None:
    rows = Rows("a")
    start(rows)
    rows.await_("record")
    assert rows.all("record") == [("a", "A", NOW)]
    order = [name for name, _ in rows.seen if name in {"act", "record"}]
    assert order == ["act", "record"]


def test_a_claim_is_a_lease_until_its_end(start: Start) -> None:
    rows = Rows()
    start(rows)
    rows.await_("claim")
    assert rows.all("claim")[0] == (NOW, NOW + runner.LEASE, 1)


def test_all_that_waits_is_worked_off_without_sleeping_in_between(start: Start) -> None:
    rows = Rows(*"abcdefghij", concurrency=3)
    start(rows)  # a poll takes an hour
    rows.await_("record", 10)
    assert sorted(work for work, _, _ in rows.all("record")) == list("abcdefghij")
    assert rows.count("failed") == 0


def test_no_more_works_go_on_at_once_than_the_step_allows(start: Start) -> None:
    rows = Rows(*"abcdefgh", concurrency=3)
    going, most = set[str](), [0]
    lock, all_busy = threading.Lock(), threading.Event()

    def act(work: str) -> None:
        with lock:
            going.add(work)
            most[0] = max(most[0], len(going))
            if len(going) == 3:
                all_busy.set()
        assert all_busy.wait(WAIT_SECONDS)
        with lock:
            going.discard(work)

    rows.on_act = act
    start(rows)
    rows.await_("record", 8)
    assert most[0] == 3
    assert all(1 <= limit <= 3 for _, _, limit in rows.all("claim"))


def test_nothing_is_claimed_while_every_place_is_taken(start: Start) -> None:
    rows, go_on, wake = Rows("a", "b"), threading.Event(), Wake()
    rows.on_act = lambda work: go_on.wait(WAIT_SECONDS) if work == "a" else None
    start(rows, wake=wake)
    rows.await_("next_due", 1)  # found no free place, and goes to sleep
    for round_ in range(2, 6):
        wake.notify()
        rows.await_("next_due", round_)
    assert rows.count("claim") == 1
    go_on.set()
    rows.await_("record", 2)


@pytest.mark.parametrize("error", [TemporaryError("x"), PermanentError("x"), LocalError("x"), ValueError("x")])
def test_the_step_is_told_of_an_error_while_acting_and_decides(start: Start, error: Exception) -> None:
    rows = Rows("a")

    def act(_work: str) -> None:
        raise error

    rows.on_act = act
    start(rows)
    rows.await_("failed")
    assert rows.all("failed") == [("a", error)]
    assert rows.count("record") == 0


def test_the_step_is_told_of_an_error_while_recording(start: Start) -> None:
    rows = Rows("a")

    def record(_work: str) -> None:
        raise TemporaryError("the ledger is locked")

    rows.on_record = record
    start(rows)
    rows.await_("failed")
    assert str(rows.all("failed")[0][1]) == "the ledger is locked"


@pytest.mark.parametrize("record", [True, False], ids=["recording", "acting"])
def test_a_lease_is_not_left_because_the_ledger_was_away(start: Start, log: Log, record: bool) -> None:
    rows, away = Rows("a", "b"), [TemporaryError("the ledger is locked")] * 4

    def trip(work: str) -> None:
        if away and work == "a":
            raise away.pop()

    rows.on_failed = trip
    if record:
        rows.on_record = trip
    else:
        rows.on_act = trip
    running = start(rows, poll=timedelta(milliseconds=1))
    rows.await_("record")  # of the next one: the place was kept until this one was over
    assert [work for work, _ in rows.all("failed")] == ["a"] * 4
    assert not away
    running.stop()
    assert "step.lease_left" not in {line["event"] for line in log}


def test_stopping_does_not_wait_for_a_ledger_that_is_away(start: Start, log: Log) -> None:
    rows = Rows("a")

    def trip(_work: str) -> None:
        raise TemporaryError("the ledger is locked")

    rows.on_act = rows.on_failed = trip
    running = start(rows)  # asks again in an hour
    rows.await_("failed")
    running.stop()
    assert rows.count("failed") == 1
    assert "step.lease_left" in {line["event"] for line in log}


@pytest.mark.parametrize("error", [TemporaryError("x"), PermanentError("x"), ValueError("x")])
def test_the_loop_goes_on_after_an_error_in_any_place(start: Start, log: Log, error: Exception) -> None:
    rows, wake = Rows("a"), Wake()
    broken = threading.Event()
    broken.set()

    def trip(*_: object) -> None:
        if broken.is_set():
            raise error

    rows.on_claim = trip
    start(rows, poll=timedelta(milliseconds=1), wake=wake)
    rows.await_("claim", 2)
    rows.on_claim, rows.on_next_due = lambda: None, trip  # type: ignore[assignment]
    rows.on_act = rows.on_failed = trip
    rows.await_("failed")
    rows.await_("next_due", rows.count("next_due") + 2)
    broken.clear()
    rows.waiting.append("b")
    wake.notify()
    rows.await_("record")
    assert [work for work, _, _ in rows.all("record")] == ["b"]
    events = {line["event"] for line in log}
    assert {"step.claim_failed", "step.failed", "step.next_due_failed"} <= events
    assert ("step.lease_left" in events) is not isinstance(error, TemporaryError)  # which is asked again


def test_the_loop_goes_on_after_a_fault_of_its_own_and_does_not_spin(log: Log) -> None:
    rows, faults = Rows("a"), [RuntimeError("can't start new thread")] * 3

    def clock() -> datetime:
        if faults:
            raise faults.pop()
        return NOW

    running = Runner(rows, clock, Wake(), timedelta(milliseconds=20))
    began = time.monotonic()
    running.start()
    rows.await_("record")
    running.stop()
    assert time.monotonic() - began > 0.05
    assert [line["event"] for line in log] == ["step.turn_failed"] * 3


def test_work_that_fails_at_once_is_not_tried_as_fast_as_the_machine_can(start: Start) -> None:
    rows = Rows("a")

    def act(work: str) -> None:
        rows.waiting.append(work)  # claimable again, as a row whose lease was given back
        raise TemporaryError("not now")

    rows.on_act = act
    start(rows, poll=timedelta(milliseconds=50))
    began = time.monotonic()
    rows.await_("failed", 4)
    assert time.monotonic() - began > 0.1
    assert rows.count("claim") <= 6


def test_what_is_due_and_cannot_be_claimed_makes_no_busy_loop(start: Start) -> None:
    rows, wake = Rows(), Wake()
    rows.on_next_due = lambda: NOW - timedelta(days=1)  # due since yesterday, but somebody else has it
    start(rows, wake=wake)
    rows.await_("next_due")
    wake.notify()  # if it sleeps, this is its second look; otherwise there were hundreds by now
    rows.await_("next_due", 2)
    assert rows.count("claim") <= 3


def test_what_is_due_while_every_place_is_taken_makes_no_busy_loop(start: Start) -> None:
    rows, go_on = Rows("a"), threading.Event()
    rows.on_next_due = lambda: NOW
    rows.on_act = lambda _work: go_on.wait(0.2)
    start(rows)
    rows.await_("record")
    assert rows.count("next_due") <= 2


def test_a_step_sleeps_until_something_falls_due(start: Start) -> None:
    rows = Rows()
    rows.on_next_due = lambda: NOW + timedelta(milliseconds=30)
    start(rows)  # the poll is an hour away
    rows.await_("claim", 3)


def test_a_step_looks_at_every_poll_although_nobody_wakes_it(start: Start) -> None:
    rows = Rows()
    rows.on_next_due = lambda: NOW + LONG
    start(rows, poll=timedelta(milliseconds=5))
    rows.await_("claim", 3)


def test_a_wake_up_is_seen_at_once(start: Start) -> None:
    rows, wake = Rows(), Wake()
    start(rows, wake=wake)
    rows.await_("next_due")
    rows.waiting.append("a")
    wake.notify()
    rows.await_("record")


def test_a_wake_up_between_looking_and_sleeping_is_not_lost(start: Start) -> None:
    rows, wake = Rows(), Wake()

    def arrives_after_the_look() -> None:
        if not rows.count("act") and not rows.waiting:
            rows.waiting.append("a")
            wake.notify()

    rows.on_next_due = arrives_after_the_look  # type: ignore[assignment]
    start(rows, wake=wake)
    rows.await_("record")


def test_the_end_of_a_work_wakes_whoever_sleeps_on_the_same(start: Start) -> None:
    wake = Wake()
    rows, others = Rows("a"), Rows()
    rows.on_record = lambda work: others.waiting.append(work + "'s next step")
    start(others, wake=wake)
    others.await_("next_due")
    start(rows, wake=wake)
    others.await_("record")


def test_the_end_of_a_work_wakes_the_steps_that_follow(start: Start) -> None:
    rows, others, after = Rows("a"), Rows(), Wake()
    rows.on_record = lambda work: others.waiting.append(work + "'s next step")
    start(others, wake=after)
    others.await_("next_due")
    start(rows, followers=[after])
    others.await_("record")


def test_stopping_waits_until_what_goes_on_is_recorded(start: Start) -> None:
    rows, acting, go_on = Rows("a"), threading.Event(), threading.Event()

    def act(_work: str) -> None:
        acting.set()
        assert go_on.wait(WAIT_SECONDS)

    rows.on_act = act
    running = start(rows)
    assert acting.wait(WAIT_SECONDS)
    stopping = threading.Thread(target=running.stop)
    stopping.start()
    stopping.join(0.05)
    assert stopping.is_alive()
    go_on.set()
    stopping.join(WAIT_SECONDS)
    assert rows.count("record") == 1


def test_nothing_is_claimed_after_stop_was_asked(start: Start) -> None:
    rows = Rows("a", "b")
    running: list[Runner[str, str]] = []
    started = threading.Event()

    def act(_work: str) -> None:
        assert started.wait(WAIT_SECONDS)
        running[0]._stopping.set()

    rows.on_act = act
    running.append(start(rows))
    started.set()
    running[0].stop()
    assert rows.all("act") == ["a"]
    assert rows.waiting == ["b"]


def test_stopping_does_not_wait_for_the_poll(start: Start) -> None:
    rows = Rows()
    running = start(rows)
    rows.await_("next_due")
    began = time.monotonic()
    running.stop()
    assert time.monotonic() - began < WAIT_SECONDS


def test_stopping_ends_the_rest_after_a_failure_and_claims_nothing_more(start: Start) -> None:
    rows = Rows("a", "b")

    def act(_work: str) -> None:
        raise TemporaryError("not now")

    rows.on_act = act
    running = start(rows)  # rests for an hour
    rows.await_("failed")
    running.stop()
    assert rows.waiting == ["b"]


def test_all_parts_are_stopped_at_the_same_time() -> None:
    meet = threading.Barrier(3, timeout=WAIT_SECONDS)

    class Part:
        def start(self) -> None:
            """Nothing to begin."""

        def stop(self) -> None:
            meet.wait()

    stop_all([Part(), Part(), Part()])  # one after the other, the first would never come back


def test_leases_of_works_that_go_on_are_renewed(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "LEASE", timedelta(milliseconds=30))
    rows, go_on = Rows("a", "b", "c", concurrency=2), threading.Event()
    rows.on_act = lambda work: go_on.wait(WAIT_SECONDS) if work in {"a", "b"} else None
    start(rows)
    rows.await_("renew", 3)
    go_on.set()
    rows.await_("record", 3)
    last_works, until = rows.all("renew")[-1]
    assert set(last_works) <= {"a", "b", "c"}
    assert any(set(works) == {"a", "b"} for works, _ in rows.all("renew"))
    assert until == NOW + runner.LEASE


def test_leases_are_not_renewed_when_nothing_goes_on(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "LEASE", timedelta(milliseconds=3))
    rows = Rows()
    start(rows, poll=timedelta(milliseconds=2))
    rows.await_("claim", 20)
    assert rows.count("renew") == 0


@pytest.mark.parametrize("error", [TemporaryError("the ledger is locked"), ValueError("a bug")])
def test_a_renewal_that_fails_is_not_the_last_one(
    start: Start, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(runner, "LEASE", timedelta(milliseconds=15))
    rows, go_on = Rows("a"), threading.Event()

    def renew() -> None:
        raise error

    rows.on_renew = renew
    rows.on_act = lambda _work: go_on.wait(WAIT_SECONDS)
    start(rows)
    rows.await_("renew", 3)
    go_on.set()
    rows.await_("record")


def test_leases_are_kept_while_stopping_waits(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "LEASE", timedelta(milliseconds=15))
    rows, go_on = Rows("a"), threading.Event()
    rows.on_act = lambda _work: go_on.wait(WAIT_SECONDS)
    running = start(rows)
    rows.await_("act")
    stopping = threading.Thread(target=running.stop)
    stopping.start()
    assert running._stopping.wait(WAIT_SECONDS)
    rows.await_("renew", rows.count("renew") + 3)
    go_on.set()
    stopping.join(WAIT_SECONDS)
    assert rows.count("record") == 1


def test_a_wake_up_before_the_wait_is_kept_for_whoever_has_not_seen_it() -> None:
    wake = Wake()
    seen = wake.generation
    wake.notify()
    began = time.monotonic()
    wake.wait(seen, 60.0)
    assert time.monotonic() - began < WAIT_SECONDS


def test_a_wait_without_a_wake_up_ends_by_itself() -> None:
    wake = Wake()
    wake.wait(wake.generation, 0.001)
    assert wake.generation == 0


def test_a_runner_that_was_never_started_can_be_stopped() -> None:
    Runner(Rows(), lambda: NOW, Wake()).stop()
