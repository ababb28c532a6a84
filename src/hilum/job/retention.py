"""Removes what nobody needs any more: job folders, and groups that no workflow wanted, when their time is over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar

from structlog.contextvars import bind_contextvars

from hilum.errors import PermanentError
from hilum.job import payload
from hilum.ledger import planning, work
from hilum.ledger.database import Database
from hilum.ledger.lease import Lease, PoisonError, give_back, lease_of, renew, still_held
from hilum.ledger.tables import jobs

Expired = tuple[Lease, Path]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionStep:
    """The folder goes first and the ledger follows: a crash between repeats a removal that finds nothing."""

    database: Database
    owner: str
    roots: Callable[[], Sequence[Path]]
    name: ClassVar[str] = "retention"
    concurrency: ClassVar[int] = 1

    def claim(self, now: datetime, until: datetime, limit: int) -> Sequence[Expired]:
        """Jobs that ended so long ago that their folders may go. Groups need no work: their spool is swept later."""
        with self.database.read() as connection:
            if not work.anything_expired(connection, now):
                return ()
        with self.database.write() as connection:
            planning.expire_groups(connection, now, 100)
            rows = work.claim_expired(connection, owner=self.owner, now=now, until=until, limit=limit)
        return [(lease_of(row), Path(row.folder)) for row in rows]

    def act(self, expired: Expired) -> None:
        """Remove the folder. Idempotent."""
        lease, folder = expired
        bind_contextvars(job=lease.id)
        lease.refuse_poison("removing its folder")
        roots = self.roots()
        root = next((root for root in roots if folder.parent == root), None)
        if root is None:
            raise PermanentError(f"{folder} is not below {' or '.join(map(str, roots))} any more; it is left alone")
        with self.database.read() as connection:
            still_held(connection, jobs, lease)
        payload.remove(root, folder)

    def record(self, expired: Expired, outcome: None, now: datetime) -> None:  # noqa: ARG002
        """The folder is gone."""
        with self.database.write() as connection:
            work.expired(connection, expired[0], now=now)

    def failed(self, expired: Expired, error: Exception, now: datetime) -> None:
        """Try again in an hour, or in a day: nothing is urgent about removing."""
        again = now + (timedelta(days=1) if isinstance(error, PoisonError) else timedelta(hours=1))
        with self.database.write() as connection:
            give_back(connection, jobs, expired[0], values={"remove_at": again, "why": str(error)})

    def renew(self, works: Sequence[Expired], until: datetime) -> None:
        """Large folders take long."""
        with self.database.note() as connection:
            renew(connection, jobs, [lease for lease, _ in works], until=until)

    def next_due(self, now: datetime) -> datetime | None:  # noqa: ARG002
        """Retention is counted in days: the poll is soon enough."""
        return None
