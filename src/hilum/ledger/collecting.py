"""What a finished job wrote, on its way into the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, select

from hilum import states
from hilum.ledger.lease import Lease
from hilum.ledger.tables import deliveries, jobs, results
from hilum.ledger.transition import apply, born_all, note


@dataclass(frozen=True, slots=True, kw_only=True)
class NewResult:
    """A DICOM file that a job wrote and that can be sent.

    Attributes:
        path: Below the job's ``output/``.
        offset: Where its data set begins, in bytes.
        size: Of the file, in bytes.
        sha256: Of the file, hexadecimal.
    """

    path: str
    sop_class: str
    sop_instance: str
    transfer_syntax: str
    study: str
    offset: int
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotSent:
    """A file in a job's ``output/`` that is not sent, and why."""

    path: str
    why: str


def collected(
    connection: Connection,
    lease: Lease,
    found: Sequence[NewResult],
    rejected: Sequence[NotSent],
    destinations: Sequence[str],
    *,
    now: datetime,
) -> None:
    """Record a finished job's results and make their deliveries due, together with the job's own step."""
    job = str(lease.id)
    why = f"{len(found)} DICOM files" if found else "no DICOM file in output/: nothing to deliver"
    apply(
        connection,
        jobs,
        job,
        states.JobEvent.COLLECTED,
        now=now,
        fence=lease.fence,
        why=why,
        values={"not_before": now, "why": ""},
    )
    for file in rejected:
        note(
            connection,
            "result",
            f"{job}:{file.path}",
            "not sent",
            now=now,
            why=file.why,
            remedy="results are regular DICOM files written completely before job.done",
        )
    _insert(connection, job, found, list(dict.fromkeys(destinations)), now)  # a processor may name one twice


def _insert(
    connection: Connection, job: str, found: Sequence[NewResult], destinations: Sequence[str], now: datetime
) -> None:
    if not found:
        return
    rows = [{"job_id": job} | {name: getattr(result, name) for name in NewResult.__slots__} for result in found]
    made = _ids(connection, results, job, rows)
    same = {"job_id": job, "state": states.Delivery.DUE, "queued_at": now, "not_before": now}
    # By result and not by destination: ids follow the order in which they are sent.
    due = [same | {"result_id": one, "destination": destination} for one in made for destination in destinations]
    numbers = _ids(connection, deliveries, job, due)
    born_all(
        connection,
        deliveries,
        dict(zip(numbers, due, strict=True)),
        {number: f"for {row['destination']}" for number, row in zip(numbers, due, strict=True)},
        now=now,
    )


def _ids(connection: Connection, table: Table, job: str, rows: Sequence[Mapping[str, Any]]) -> Sequence[int]:
    """Insert all the rows that a job will ever have; their ids, in the same order.

    Two statements for any number of them: asked to return the ids, most drivers insert one row at a time.
    """
    if not rows:
        return ()
    connection.execute(table.insert(), rows)
    return connection.execute(select(table.c.id).where(table.c.job_id == job).order_by(table.c.id)).scalars().all()
