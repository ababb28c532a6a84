"""Work that goes on in this process is not claimed by it a second time, whatever clock and ledger do."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from hilum.errors import TemporaryError
from hilum.runner import LEASE, Runner, Wake

WAIT_SECONDS = 20.0


class Leased:
    """One row that takes long; claimable whenever its lease has run out."""

    name = "leased"
    concurrency = 2

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 8, 15, tzinfo=UTC)
        self.until = self.now
        self.locked = False
        self.acts = 0
        self.looks = threading.Semaphore(0)
        self.acting, self.go_on = threading.Event(), threading.Event()

    def claim(self, now: datetime, until: datetime, limit: int) -> Sequence[str]:  # noqa: ARG002
        if self.until > now:
            return []
        self.until = until
        return ["row"]

    def act(self, work: str) -> None:  # noqa: ARG002
        self.acts += 1
        self.acting.set()
        assert self.go_on.wait(WAIT_SECONDS)

    def record(self, work: str, outcome: None, now: datetime) -> None:
        """Nothing to remember."""

    def failed(self, work: str, error: Exception, now: datetime) -> None:
        """Does not fail."""

    def renew(self, works: Sequence[str], until: datetime) -> None:  # noqa: ARG002
        if self.locked:
            raise TemporaryError("the ledger is locked")
        self.until = until

    def next_due(self, now: datetime) -> datetime | None:  # noqa: ARG002
        self.looks.release()
        return None


@pytest.fixture
def wake() -> Wake:
    return Wake()


@pytest.fixture
def step(wake: Wake) -> Iterator[Leased]:
    step = Leased()
    with capture_logs():
        running = Runner(step, lambda: step.now, wake, timedelta(hours=1))
        running.start()
        assert step.acting.wait(WAIT_SECONDS)
        yield step
        step.go_on.set()
        running.stop()


def look(step: Leased, wake: Wake, times: int = 3) -> None:
    """Let the loop go round."""
    for _ in range(times):
        wake.notify()
        assert step.looks.acquire(timeout=WAIT_SECONDS)


@pytest.mark.parametrize("jump", [LEASE, timedelta(days=1)])
def test_a_jump_of_the_clock_or_a_machine_that_slept(step: Leased, wake: Wake, jump: timedelta) -> None:
    step.now += jump
    look(step, wake)
    assert step.acts == 1
    assert step.until == step.now + LEASE


def test_a_ledger_that_was_locked_while_leases_had_to_be_renewed(step: Leased, wake: Wake) -> None:
    step.locked = True
    step.now += LEASE
    look(step, wake)
    assert step.acts == 1
    step.locked = False
    look(step, wake)
    assert step.acts == 1
    assert step.until == step.now + LEASE


def test_a_thread_that_cannot_be_had_does_not_end_the_loop(wake: Wake, monkeypatch: pytest.MonkeyPatch) -> None:
    step = Leased()
    started, real = [0], threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if thread.name.startswith("leased_"):  # one of the pool's
            started[0] += 1
            if started[0] == 1:
                raise RuntimeError("can't start new thread")
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    with capture_logs() as log:
        running = Runner(step, lambda: step.now, wake, timedelta(milliseconds=10))
        running.start()
        assert step.looks.acquire(timeout=WAIT_SECONDS)
        step.now += LEASE
        assert step.acting.wait(WAIT_SECONDS)
        step.go_on.set()
        running.stop()
    assert "step.turn_failed" in {line["event"] for line in log}
