"""The one loop of steps 4-8: wake, claim, act, record, stop.

A step claims rows in a short transaction, acts on the world with none open, and records what came of it in another.
The loop knows nothing of what a step does; it owns waking, how many works go on at once, keeping leases alive, and
stopping.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Generic, Protocol, TypeVar

import structlog
from structlog.contextvars import bind_contextvars, clear_contextvars

from hilum.clock import Clock
from hilum.errors import HilumError, LeaseLostError, TemporaryError
from hilum.observe.meter import SILENT, Meter, Phase

#: How long a claim holds without being renewed; the longest that work of a dead gateway waits for another one.
LEASE: Final = timedelta(seconds=60)
#: How long a step sleeps at most: a wake-up that was lost, or a row that another process wrote, is seen this late.
POLL: Final = timedelta(seconds=1)

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)

Work = TypeVar("Work")
Outcome = TypeVar("Outcome")

_log = structlog.get_logger(__name__)


class Step(Protocol[Work, Outcome]):
    """One step of the flow."""

    @property
    def name(self) -> str:
        """For the log and the names of threads."""

    @property
    def concurrency(self) -> int:
        """How many works may go on at once."""

    def claim(self, now: datetime, until: datetime, limit: int) -> Sequence[Work]:
        """Lease what is due; a short transaction."""

    def act(self, work: Work) -> Outcome:
        """Touch the world; no transaction is open. May run twice for one work, so it must be idempotent."""

    def record(self, work: Work, outcome: Outcome, now: datetime) -> None:
        """Write down what came of it and end the lease; a short transaction."""

    def failed(self, work: Work, error: Exception, now: datetime) -> None:
        """Act or record raised: end the lease so that the work is tried again later, or park it.

        Touches nothing but the ledger, and is called again after a ``TemporaryError``.
        """

    def renew(self, works: Sequence[Work], until: datetime) -> None:
        """Keep the leases of works that are still going on."""

    def next_due(self, now: datetime) -> datetime | None:
        """When something is due that is not due yet; ``None`` if nothing is known of."""


class Wake:
    """Tells a sleeping step that the ledger changed; a wake-up that nobody waits for is kept until somebody does."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._generation = 0

    def notify(self) -> None:
        """Wake everybody."""
        with self._changed:
            self._generation += 1
            self._changed.notify_all()

    @property
    def generation(self) -> int:
        """Rises with each ``notify``: read it before looking for work, hand it to ``wait`` after finding none."""
        return self._generation

    def wait(self, seen: int, timeout: float) -> None:
        """Sleep until ``notify`` was called after ``seen``, or for ``timeout`` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._generation != seen, timeout)


@dataclass(slots=True)
class Runner(Generic[Work, Outcome]):
    """Runs one step until it is stopped; see ``start`` and ``stop``.

    Attributes:
        wake: What it sleeps on; several may share one.
        followers: What those sleep on that may find something to do when a work of this step is done.
        meter: Told how long each phase took and what came of it.
        may_begin: Nothing is claimed while it says no.
    """

    step: Step[Work, Outcome]
    clock: Clock
    wake: Wake
    poll: timedelta = POLL
    followers: Sequence[Wake] = ()
    meter: Meter = SILENT
    may_begin: Callable[[], bool] = lambda: True
    _stopping: threading.Event = field(default_factory=threading.Event)
    _over: threading.Event = field(default_factory=threading.Event)
    _rest_until: float = 0.0  # monotonic
    _turned_at: float = field(default_factory=time.monotonic)
    _going: dict[Future[None], Work] = field(default_factory=dict)
    _held_until: datetime = _LONG_AGO  # the leases of all that is going hold until then
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _threads: list[threading.Thread] = field(default_factory=list)
    _pool: ThreadPoolExecutor | None = None

    def start(self) -> None:
        """Begin; returns at once."""
        self.meter.begins(self.step.name)
        self._pool = ThreadPoolExecutor(self.step.concurrency, thread_name_prefix=self.step.name)
        for body in (self._loop, self._keep_leases):
            thread = threading.Thread(target=body, name=f"{self.step.name}-{body.__name__.strip('_')}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Claim nothing more and wait until what goes on is recorded; its leases are kept until then."""
        self._stopping.set()
        self.wake.notify()
        for thread in self._threads[:1]:  # the loop: what it has claimed is in the pool once it ended
            thread.join()
        if self._pool is not None:
            self._pool.shutdown(wait=True)
        self._over.set()
        for thread in self._threads:
            thread.join()

    @property
    def turned_at(self) -> float:
        """When it last began to look for work, monotonic: a poll ago at most, unless the ledger keeps it waiting."""
        return self._turned_at

    def _loop(self) -> None:
        while not self._stopping.is_set():
            self._turned_at = time.monotonic()
            # Work that failed may be claimable at once, and would be claimed and fail as fast as the machine can.
            if self._stopping.wait(self._rest_until - time.monotonic()):
                return
            try:
                self._turn()
            except Exception:  # noqa: BLE001  no thread to be had, for example: this one must go on
                _log.exception("step.turn_failed", step=self.step.name)
                self._rest_until = time.monotonic() + self.poll.total_seconds()

    def _turn(self) -> None:
        seen = self.wake.generation
        now = self.clock()
        with self._lock:
            free = self.step.concurrency - len(self._going)
        claimed = self._claim(free, now) if free > 0 and self.may_begin() and self._holds_all(now) else 0
        if not claimed and not self._stopping.is_set():
            self.wake.wait(seen, self._until_next(now))

    def _holds_all(self, now: datetime) -> bool:
        """Whether what goes on is leased for a while yet: otherwise the next claim might take it a second time.

        That comes near when the ledger was locked for long, the clock jumped or the machine slept.
        """
        with self._lock:
            near = bool(self._going) and now >= self._held_until - LEASE / 3
        return not near or self._renew()

    def _claim(self, limit: int, now: datetime) -> int:
        began = time.perf_counter()
        try:
            works = self.step.claim(now, now + LEASE, limit)
        except TemporaryError as error:
            _log.warning("step.claim_failed", step=self.step.name, error=str(error))
            return 0
        except Exception:  # noqa: BLE001  see below
            # A bug in one step must not end its thread and so, in silence, its work for good.
            _log.exception("step.claim_failed", step=self.step.name)
            return 0
        assert self._pool is not None
        self.meter.stepped(self.step.name, Phase.CLAIM, time.perf_counter() - began)
        for work in works:
            with self._lock:
                future = self._pool.submit(self._work, work)
                self._held_until = min(self._held_until, now + LEASE) if self._going else now + LEASE
                self._going[future] = work
            future.add_done_callback(self._done)
        return len(works)

    def _until_next(self, claimed_at: datetime) -> float:
        """Seconds until something falls due that was not due when it was last looked for, at most the poll."""
        limit = self.poll.total_seconds()
        now = self.clock()
        try:
            due = self.step.next_due(now)
        except TemporaryError as error:
            _log.warning("step.next_due_failed", step=self.step.name, error=str(error))
            return limit
        except Exception:  # noqa: BLE001  as in _claim
            _log.exception("step.next_due_failed", step=self.step.name)
            return limit
        # What was due and could not be claimed, because nothing is free or somebody else has it, wakes this step later.
        if due is None or due <= claimed_at:
            return limit
        return min(limit, max(0.001, (due - now).total_seconds()))

    def _work(self, work: Work) -> None:
        # What the log says of everything that comes of this work; a step adds what its work is about.
        clear_contextvars()
        bind_contextvars(step=self.step.name)
        ok = False
        try:
            began = time.perf_counter()
            outcome = self.step.act(work)
            acted = time.perf_counter()
            self.step.record(work, outcome, self.clock())
            self.meter.stepped(self.step.name, Phase.ACT, acted - began)
            self.meter.stepped(self.step.name, Phase.RECORD, time.perf_counter() - acted)
            ok = True
        except Exception as error:  # noqa: BLE001  every step decides in failed() what an error means for its rows
            self._failed(work, error)
        self.meter.worked(self.step.name, ok=ok)

    def _failed(self, work: Work, error: Exception) -> None:
        self._rest_until = time.monotonic() + self.poll.total_seconds()
        if isinstance(error, LeaseLostError):
            self.meter.lease_lost(self.step.name)
        # Whatever it was, the row must not stay leased by a work that is over; expected errors need no traceback.
        if isinstance(error, HilumError):
            _log.warning("step.failed", step=self.step.name, error=str(error))
        else:
            _log.error("step.failed", step=self.step.name, exc_info=error)
        self._end_lease(work, error)

    def _end_lease(self, work: Work, error: Exception) -> None:
        """Tell the step, again until the ledger takes it.

        A lease that is left keeps others from the row until it runs out, and looks as if the work had ended the
        gateway: a ledger that is away three times would have the row set aside.
        """
        while True:
            try:
                self.step.failed(work, error, self.clock())
            except TemporaryError as second:
                if not self._stopping.wait(self.poll.total_seconds()):
                    continue
                _log.warning("step.lease_left", step=self.step.name, error=str(second))  # it ends by itself
            except Exception:  # noqa: BLE001  the lease ends by itself, the thread must not
                _log.exception("step.lease_left", step=self.step.name)
            return

    def _done(self, future: Future[None]) -> None:
        with self._lock:
            self._going.pop(future, None)
        for wake in (self.wake, *self.followers):
            wake.notify()

    def _keep_leases(self) -> None:
        while not self._over.wait(LEASE.total_seconds() / 3):
            self._renew()

    def _renew(self) -> bool:
        with self._lock:
            going = dict(self._going)
        until = self.clock() + LEASE
        ok = False
        try:
            if going:
                self.step.renew(list(going.values()), until)
            ok = True
        except TemporaryError as error:
            _log.warning("step.renew_failed", step=self.step.name, error=str(error))
        except Exception:  # noqa: BLE001  as in _claim
            _log.exception("step.renew_failed", step=self.step.name)
        if going:
            self.meter.renewed(self.step.name, len(going), ok=ok)
        if not ok:
            return False
        with self._lock:
            if self._going.keys() <= going.keys():
                self._held_until = until
        return True


class Running(Protocol):
    """What the composition root starts and stops."""

    def start(self) -> None:
        """Begin; returns at once."""

    def stop(self) -> None:
        """End; returns when nothing goes on any more."""


def stop_all(parts: Sequence[Running]) -> None:
    """Stop all of them at the same time: each waits for its own work, none for another's."""
    threads = [threading.Thread(target=part.stop) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
