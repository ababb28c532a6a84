"""Writes ``receipt.json`` once all deliveries of a job have ended."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar

import structlog
from structlog.contextvars import bind_contextvars

from hilum import states
from hilum.errors import LeaseLostError
from hilum.ledger import settling
from hilum.ledger.database import Database
from hilum.ledger.lease import Lease, PoisonError, give_back, lease_of, renew
from hilum.ledger.rows import AnyRow
from hilum.ledger.tables import jobs
from hilum.ledger.transition import note
from hilum.model import JobId
from hilum.store.durable import write_whole

_log = structlog.get_logger(__name__)

RECEIPT = "receipt.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settling:
    """A leased job that has no delivery left to make."""

    lease: Lease
    name: str
    folder: Path
    workflow: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptStep:
    """Collected jobs in, complete ones out.

    Attributes:
        keep: How long a job's folder stays.
        keep_given_up: How long at least if a delivery was given up: until then that can be undone.
    """

    database: Database
    owner: str
    keep: Callable[[], timedelta]
    keep_given_up: Callable[[], timedelta] = timedelta
    name: ClassVar[str] = "receipt"
    concurrency: ClassVar[int] = 1

    def claim(self, now: datetime, until: datetime, limit: int) -> Sequence[Settling]:
        """Jobs whose deliveries all ended."""
        with self.database.read() as connection:
            if not settling.anything_settled(connection, now):
                return ()
        with self.database.write() as connection:
            rows = settling.claim_settled(connection, owner=self.owner, now=now, until=until, limit=limit)
        return [
            Settling(
                lease=lease_of(row),
                name=row.name,
                folder=Path(row.folder),
                workflow=row.workflow,
            )
            for row in rows
        ]

    def act(self, job: Settling) -> bool:
        """Write the receipt. Idempotent: the last one stands.

        Returns:
            Whether a delivery was given up.
        """
        bind_contextvars(job=job.lease.id)
        job.lease.refuse_poison("writing its receipt")
        with self.database.read() as connection:
            rows = settling.receipt_rows(connection, JobId(str(job.lease.id)))
        text = json.dumps(receipt(job, rows), indent=2, ensure_ascii=False)
        if job.folder.is_dir():
            write_whole(job.folder / RECEIPT, text + "\n")
        else:  # somebody removed it: what became of its results stands in the ledger
            _log.warning("receipt.no_folder", name=job.name, folder=str(job.folder))
        return any(row.state == states.Delivery.GIVEN_UP for row in rows)

    def record(self, job: Settling, given_up: bool, now: datetime) -> None:
        """The job is complete."""
        keep = max(self.keep(), self.keep_given_up()) if given_up else self.keep()
        with self.database.write() as connection:
            settling.settled(connection, job.lease, remove_at=now + keep, now=now)

    def failed(self, job: Settling, error: Exception, now: datetime) -> None:
        """The disk may have room again later; what ends the gateway each time goes without a receipt."""
        if isinstance(error, LeaseLostError):
            # Somebody else was quicker, and the receipt that was written here may be older than the one it replaced.
            self.act(job)
            return
        if isinstance(error, PoisonError):
            keep = max(self.keep(), self.keep_given_up())
            remedy = f"what was sent where is in the ledger: hilum jobs show {job.name}"
            with self.database.write() as connection:
                note(connection, "job", str(job.lease.id), "no receipt", now=now, why=str(error), remedy=remedy)
                settling.settled(connection, job.lease, remove_at=now + keep, now=now)
            return
        values = {"not_before": now + timedelta(seconds=30), "why": f"its receipt cannot be written: {error}"}
        with self.database.write() as connection:
            give_back(connection, jobs, job.lease, values=values)

    def renew(self, works: Sequence[Settling], until: datetime) -> None:
        """Short work, but disks can hang."""
        with self.database.note() as connection:
            renew(connection, jobs, [one.lease for one in works], until=until)

    def next_due(self, now: datetime) -> datetime | None:  # noqa: ARG002
        """The last answer of a destination wakes this step."""
        return None


def receipt(job: Settling, rows: Sequence[AnyRow]) -> dict[str, Any]:
    """What was sent where, with which answer; ``status`` is the last C-STORE status, ``null`` if none ever came."""
    return {
        "job": job.lease.id,
        "name": job.name,
        "workflow": job.workflow,
        "files": [
            {
                "file": path,
                "sop-class": same[0].sop_class,
                "sop-instance": same[0].sop_instance,
                "transfer-syntax": same[0].transfer_syntax,
                "bytes": same[0].size,
                "sha256": same[0].sha256,
                "deliveries": [_delivery(row) for row in same if row.destination is not None],
            }
            for path, same in ((path, list(group)) for path, group in groupby(rows, key=lambda row: row.path))
        ],
    }


def _delivery(row: AnyRow) -> dict[str, Any]:
    return {
        "destination": row.destination,
        "state": row.state,
        "status": None if row.status is None else f"{row.status:04X}H",
        "why": row.why,
        "attempts": row.attempts,
        "queued": row.queued_at.isoformat(),
        "ended": None if row.ended_at is None else row.ended_at.isoformat(),
    }
