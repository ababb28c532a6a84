"""Collects what finished jobs wrote."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar

from structlog.contextvars import bind_contextvars

from hilum import states
from hilum.ledger import collecting, work
from hilum.ledger.database import Database
from hilum.ledger.lease import Lease, PoisonError, give_back, lease_of, renew
from hilum.ledger.tables import jobs
from hilum.results import output, policy

#: How soon a folder that could not be read is looked at again.
_TRY_AGAIN = timedelta(seconds=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultSettings:
    """What the present configuration says about results.

    Attributes:
        settle: By engine: how long the files of a finished job must lie unchanged; zero where nothing writes any more.
        max_bytes: Of one file.
        keep_failed: How long the folder of a job stays whose results cannot be read.
    """

    settle: Mapping[str, timedelta]
    max_bytes: int
    keep_failed: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A leased job with ``job.done``."""

    lease: Lease
    name: str
    folder: Path
    engine: str
    destinations: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsettled:
    """The files are still changing, or were seen for the first time."""

    wait: timedelta


@dataclass(slots=True, kw_only=True)
class CollectStep:
    """Finished jobs in, due deliveries out."""

    database: Database
    owner: str
    settings: Callable[[], ResultSettings]
    name: ClassVar[str] = "results"
    concurrency: ClassVar[int] = 2
    _seen: dict[object, policy.Snapshot] = field(default_factory=dict)
    _next: datetime | None = None

    def claim(self, now: datetime, until: datetime, limit: int) -> Sequence[Finished]:
        """Jobs whose time to be looked at has come."""
        with self.database.read() as connection:
            due = work.next_in_state(connection, states.Job.FINISHED, now)
        if due is None or due > now:
            return ()
        with self.database.write() as connection:
            rows = work.claim_in_state(
                connection, states.Job.FINISHED, owner=self.owner, now=now, until=until, limit=limit
            )
        return [
            Finished(
                lease=lease_of(row),
                name=row.name,
                folder=Path(row.folder),
                engine=row.engine,
                destinations=tuple(row.destinations),
            )
            for row in rows
        ]

    def act(self, job: Finished) -> output.Contents | Unsettled:
        """Read the files if they have settled. Idempotent: nothing is changed."""
        bind_contextvars(job=job.lease.id)
        job.lease.refuse_poison("reading its results")
        settings = self.settings()
        settle = settings.settle.get(job.engine, timedelta())
        folder = job.folder / "output"
        if settle:
            now = output.snapshot(folder)
            before = self._seen.get(job.lease.id)
            self._seen[job.lease.id] = now
            if not policy.settled(before, now):
                return Unsettled(wait=settle)
        try:
            return output.read(folder, max_bytes=settings.max_bytes)
        except output.OutputChangedError:
            return Unsettled(wait=settle or _TRY_AGAIN)

    def record(self, job: Finished, outcome: output.Contents | Unsettled, now: datetime) -> None:
        """Results and deliveries with the job's own step, or a later look."""
        if isinstance(outcome, Unsettled):
            with self.database.note() as connection:
                give_back(connection, jobs, job.lease, values={"not_before": now + outcome.wait})
            return
        with self.database.write() as connection:
            collecting.collected(connection, job.lease, outcome.results, outcome.not_sent, job.destinations, now=now)
        self._seen.pop(job.lease.id, None)

    def failed(self, job: Finished, error: Exception, now: datetime) -> None:
        """The file system may recover."""
        if isinstance(error, PoisonError):
            self._set_aside(job, error, now)
            return
        values = {"not_before": now + _TRY_AGAIN, "why": f"its results cannot be read: {error}"}
        with self.database.write() as connection:
            give_back(connection, jobs, job.lease, values=values)

    def _set_aside(self, job: Finished, error: PoisonError, now: datetime) -> None:
        remedy = f"look at what lies in its output/; then, to run it again: hilum retry {job.name}"
        with self.database.write() as connection:
            until = now + self.settings().keep_failed
            work.failed(connection, job.lease, str(error), remedy, remove_at=until, now=now)

    def renew(self, works: Sequence[Finished], until: datetime) -> None:
        """Digesting large results takes long."""
        with self.database.note() as connection:
            renew(connection, jobs, [one.lease for one in works], until=until)

    def next_due(self, now: datetime) -> datetime | None:
        """The next job that waits for its files to settle."""
        with self.database.read() as connection:
            return work.next_in_state(connection, states.Job.FINISHED, now)
