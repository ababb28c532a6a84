"""Hands queued jobs to their engines, and watches those that engines have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar, Final, assert_never

import structlog
from structlog.contextvars import bind_contextvars

from hilum import states
from hilum.engine import policy
from hilum.engine.port import Engine, Phase, Run, Status, UnwellError
from hilum.engine.questions import Questions
from hilum.engine.rests import Rests
from hilum.errors import PermanentError, TemporaryError
from hilum.ledger import work
from hilum.ledger.database import Database
from hilum.ledger.lease import Lease, PoisonError, give_back, lease_of, renew
from hilum.ledger.rows import AnyRow, RowId
from hilum.ledger.tables import jobs
from hilum.model import JobId

_log = structlog.get_logger(__name__)

_UNDECIDED: Final = frozenset({Phase.PENDING, Phase.RUNNING})


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """What the present configuration says about engines.

    Attributes:
        engines: By name.
        max_jobs: How many jobs each may have at once from this gateway; one that is not named here has no limit.
        watch_every: How often each is asked about its jobs.
        keep_failed: How long the folder of a failed or cancelled job is kept.
    """

    engines: Mapping[str, Engine]
    max_jobs: Mapping[str, int]
    watch_every: Mapping[str, timedelta]
    keep_failed: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A leased job, as one run of it."""

    lease: Lease
    run: Run
    engine: str
    last_attempt: int
    submissions: int
    stop: bool
    status: Status | None = None


def _claimed(row: AnyRow, status: Status | None = None) -> Claimed:
    return Claimed(
        lease=lease_of(row),
        run=run_of(row),
        engine=row.engine,
        last_attempt=row.last_attempt,
        submissions=row.submissions,
        stop=_stop(row),
        status=status,
    )


def run_of(row: AnyRow) -> Run:
    """A job's present attempt as engines know it, from its row."""
    return Run(
        job_id=JobId(row.id),
        job_name=row.name,
        folder=Path(row.folder),
        workflow=row.workflow,
        workflow_name=row.workflow_name,
        attempt=row.attempt,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitStep:
    """Queued jobs in, running jobs out."""

    database: Database
    owner: str
    settings: Callable[[], EngineSettings]
    name: ClassVar[str] = "submit"
    concurrency: ClassVar[int] = 4
    _rests: Rests = field(default_factory=Rests)

    def claim(self, now: datetime, until: datetime, limit: int) -> Sequence[Claimed]:
        """The oldest queued jobs of each engine that has room."""
        settings = self.settings()
        with self.database.read() as connection:
            waiting = work.queued_engines(connection, self.owner, now)
        if not waiting:
            return ()
        with self.database.write() as connection:
            busy = work.busy(connection, self.owner, now)
            free = {
                name: self._rests.allows(
                    name, now, min(limit, settings.max_jobs.get(name, limit + busy.get(name, 0)) - busy.get(name, 0))
                )
                for name in waiting
            }
            rows = work.claim_queued(connection, free, owner=self.owner, now=now, until=until)
        for row in rows:
            self._rests.given(row.engine)
        return [_claimed(row) for row in rows]

    def act(self, claimed: Claimed) -> None:
        """Hand it over; the engine takes a job and attempt it already has as the same one."""
        bind_contextvars(job=claimed.lease.id)
        claimed.lease.refuse_poison(f"handing it to engine {claimed.engine}")
        engine = self.settings().engines.get(claimed.engine)
        if engine is None:
            raise PermanentError(f"engine {claimed.engine!r} is not in the configuration any more")
        if not claimed.run.folder.is_dir():
            raise PermanentError(f"its folder {claimed.run.folder} is gone")
        engine.submit(claimed.run)

    def record(self, claimed: Claimed, outcome: None, now: datetime) -> None:  # noqa: ARG002
        """It runs; unless an operator cancelled it meanwhile: then it must not."""
        self._rests.well(claimed.engine)
        try:
            with self.database.write() as connection:
                work.started(connection, claimed.lease, now=now)
        except states.IllegalTransitionError:
            self.settings().engines[claimed.engine].cancel(claimed.run)
            raise

    def failed(self, claimed: Claimed, error: Exception, now: datetime) -> None:
        """Later again if it was the world; otherwise the job has failed."""
        wait = (error.retry_after if isinstance(error, TemporaryError) else None) or policy.UNWELL_FOR
        if isinstance(error, UnwellError):
            self._rests.unwell(claimed.engine, now + wait)
        else:
            self._rests.well(claimed.engine)
        with self.database.write() as connection:
            if isinstance(error, TemporaryError):
                values = {"not_before": now + wait, "submissions": 0, "why": str(error), "gateway": None}
                give_back(connection, jobs, claimed.lease, values=values)
                return
            why = str(error) if isinstance(error, PermanentError) else f"{type(error).__name__}: {error}"
            tried = claimed.submissions + 1
            if isinstance(error, PermanentError) or tried >= policy.MAX_SUBMISSIONS:
                remedy = f"mend the cause, then: hilum retry {claimed.run.job_name}"
                until = now + self.settings().keep_failed
                work.failed(connection, claimed.lease, why, remedy, remove_at=until, now=now)
            else:
                values = {"not_before": now + timedelta(seconds=5), "submissions": tried, "why": why}
                give_back(connection, jobs, claimed.lease, values=values)

    def renew(self, works: Sequence[Claimed], until: datetime) -> None:
        """A slow platform may need long to take a job."""
        with self.database.note() as connection:
            renew(connection, jobs, [one.lease for one in works], until=until)

    def next_due(self, now: datetime) -> datetime | None:  # noqa: ARG002
        """Jobs that wait for another attempt are few: the poll finds them."""
        return None


@dataclass(slots=True, kw_only=True)
class WatchStep:
    """Running jobs in; finished, failed, requeued or cancelled jobs out.

    Engines are asked while looking for work, all jobs of one engine in one call; only a job with something to record is
    leased. Asking changes nothing, so it needs no lease.

    Attributes:
        patience: Seconds that a look waits for answers; a later one finds those that come later.
    """

    database: Database
    owner: str
    settings: Callable[[], EngineSettings]
    name: ClassVar[str] = "watch"
    concurrency: ClassVar[int] = 4
    patience: float = 1.0
    _questions: Questions = field(default_factory=Questions)
    _next_look: dict[str, datetime] = field(default_factory=dict)
    _waits: dict[str, timedelta] = field(default_factory=dict)
    _at_once: bool = False
    _seen: set[tuple[str, int]] = field(default_factory=set)

    def look_now(self) -> None:
        """Something has ended: the next look asks every engine, however short a time ago it was asked."""
        self._at_once = True

    def claim(self, now: datetime, until: datetime, limit: int) -> Sequence[Claimed]:
        """Jobs of which their engine says that they ended, and jobs that an operator wants stopped."""
        if self._at_once:
            self._at_once = False
            self._next_look.clear()
        with self.database.read() as connection:
            rows = work.running(connection, self.owner)
        statuses = self._ask(rows, now)
        ended = [
            (row, status)
            for row in rows
            if (status := statuses.get(row.id)) is not None
            and (status.phase is not Phase.RUNNING or _stop(row))
            and (row.lease_until is None or row.lease_until <= now)
        ]
        if not ended:
            return ()
        # What has ended comes first: jobs that resist being stopped would take every place, at every look.
        ended.sort(key=lambda one: one[1].phase in _UNDECIDED)
        wanted: dict[RowId, states.Job] = {row.id: states.Job(row.state) for row, _ in ended}
        with self.database.write() as connection:
            mine = work.claim_jobs(connection, wanted, owner=self.owner, now=now, until=until, limit=limit)
        if len(mine) == limit:
            taken = {row.id for row in mine}
            for row, status in ended:
                if row.id not in taken and status.phase not in _UNDECIDED:  # asked again as soon as there is a place
                    self._next_look.pop(row.engine, None)
        return [_claimed(row, statuses[row.id]) for row in mine]

    def _ask(self, rows: Sequence[AnyRow], now: datetime) -> dict[JobId, Status]:
        engines = self.settings().engines
        statuses: dict[JobId, Status] = {}
        due = self._due(rows, now)
        for name in due & engines.keys():
            self._questions.ask(name, engines[name], [run_of(row) for row in rows if row.engine == name])
        for name in due - engines.keys():
            gone = Status(phase=Phase.LOST, reason=f"engine {name!r} is not in the configuration any more")
            statuses |= {JobId(row.id): gone for row in rows if row.engine == name}
        found: dict[tuple[str, int], Status] = {}
        for name, answer in self._questions.answers(due, self.patience).items():
            if isinstance(answer, TemporaryError):  # of one engine: what others say still counts
                _log.warning("engine.not_asked", engine=name, error=str(answer))
                if answer.retry_after is not None:
                    self._waits[name] = answer.retry_after
                    self._next_look[name] = now + answer.retry_after
            elif isinstance(answer, Exception):
                _log.error("engine.not_asked", engine=name, exc_info=answer)
            else:
                found |= answer
        statuses |= {row.id: found[row.id, row.attempt] for row in rows if (row.id, row.attempt) in found}
        for row in rows:
            status = statuses.get(row.id)
            if status is None or status.phase is not Phase.PENDING or _stop(row):
                continue
            if now - row.started_at < policy.MAX_PENDING:
                del statuses[row.id]
        return statuses

    def _due(self, rows: Sequence[AnyRow], now: datetime) -> frozenset[str]:
        """The engines to ask now; their next look is set."""
        settings = self.settings()
        asked = {row.engine for row in rows}
        # A run may have ended before its row said that it runs.
        new = {row.engine for row in rows if (row.id, row.attempt) not in self._seen}
        self._seen = {(row.id, row.attempt) for row in rows}
        self._next_look = {name: at for name, at in self._next_look.items() if name in asked}
        due: set[str] = set()
        for name in asked:
            every = settings.watch_every.get(name, timedelta(seconds=1))
            left = self._next_look.get(name, now) - now
            waits = timedelta() < left <= self._waits.get(name, every)  # farther away: the clock was put back
            if (waits and name not in new) or self._questions.is_open(name):
                continue
            self._next_look[name], self._waits[name] = now + every, every
            due.add(name)
        return frozenset(due)

    def act(self, claimed: Claimed) -> Status:
        """Stop what is to be stopped, start again what never began. Idempotent."""
        assert claimed.status is not None
        bind_contextvars(job=claimed.lease.id)
        claimed.lease.refuse_poison(f"looking after its run on engine {claimed.engine}")
        engine = self.settings().engines.get(claimed.engine)
        if engine is None:
            return claimed.status
        if not claimed.stop:
            if claimed.status.phase is Phase.SUCCEEDED:
                return engine.collect(claimed.run)
            if claimed.status.phase is not Phase.PENDING:
                return claimed.status
            if claimed.submissions >= policy.MAX_SUBMISSIONS:
                return Status(phase=Phase.LOST, reason=f"handed over {claimed.submissions} times, it never began")
            engine.submit(claimed.run)
            return claimed.status
        engine.cancel(claimed.run)
        return engine.status([claimed.run]).get(claimed.run.job_id, claimed.status)

    def record(self, claimed: Claimed, status: Status, now: datetime) -> None:
        """What became of it."""
        until = now + self.settings().keep_failed
        if claimed.stop and status.phase is Phase.RUNNING:
            with self.database.note() as connection:
                give_back(connection, jobs, claimed.lease)  # it has its grace time; looked at again soon
            return
        with self.database.write() as connection:
            if claimed.stop:
                work.cancelled(connection, claimed.lease, remove_at=until, now=now)
                return
            match policy.after_run(status, attempt=claimed.run.attempt, attempts=claimed.last_attempt):
                case policy.Finish():
                    work.succeeded(connection, claimed.lease, now=now)
                case policy.Retry(why=why):
                    soon = now + policy.RETRY_AFTER
                    work.attempt_failed(connection, claimed.lease, why, not_before=soon, now=now)
                case policy.Fail(why=why):
                    job = claimed.run.job_name
                    remedy = f"read its log (hilum jobs show {job}), mend the cause, then: hilum retry {job}"
                    work.failed(connection, claimed.lease, why, remedy, remove_at=until, now=now)
                case policy.Wait():  # it was handed over again
                    again = {"started_at": now, "submissions": jobs.c.submissions + 1}
                    give_back(connection, jobs, claimed.lease, values=again)
                case never:
                    assert_never(never)

    def failed(self, claimed: Claimed, error: Exception, now: datetime) -> None:
        """It is looked at again at the next look."""
        until = now + self.settings().keep_failed
        with self.database.write() as connection:
            if not isinstance(error, PoisonError):
                give_back(connection, jobs, claimed.lease)
            elif claimed.stop:
                work.cancelled(connection, claimed.lease, remove_at=until, now=now)
            else:
                remedy = f"mend the cause, then: hilum retry {claimed.run.job_name}"
                work.failed(connection, claimed.lease, str(error), remedy, remove_at=until, now=now)

    def renew(self, works: Sequence[Claimed], until: datetime) -> None:
        """Stopping a job on a platform may take long."""
        with self.database.note() as connection:
            renew(connection, jobs, [one.lease for one in works], until=until)

    def next_due(self, now: datetime) -> datetime | None:  # noqa: ARG002
        """The next look at the engine that is looked at soonest."""
        return min(self._next_look.values(), default=None)


def _stop(row: AnyRow) -> bool:
    return bool(row.state == states.Job.CANCELLING)
