"""A ledger as it is after a million instances, with its job folders beside it."""

from __future__ import annotations

import hashlib
import itertools
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from bench import dataset
from hilum import states
from hilum.ledger import tables
from hilum.ledger.database import Database

_CHUNK: Final = 5_000
#: Days that the ledger tells of; its last job ended just now.
_DAYS: Final = 7
#: Raised when the rows change, so that an older ledger is made anew.
_FORM: Final = 1

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A ledger that nobody works on.

    Attributes:
        path: The database, closed: to be copied, never to be changed.
        payloads: The folders of its jobs.
    """

    path: Path
    payloads: Path

    def copy_to(self, folder: Path) -> Path:
        """A ledger of one's own; the folders are shared."""
        return Path(shutil.copy(self.path, folder / "hilum.db"))


def fill(parent: Path, instances: int, jobs: int) -> Filled:
    """A ledger with so many rows, made only if it is not there yet."""
    stamp = hashlib.sha256(f"{_FORM} {instances} {jobs} {_form()}".encode()).hexdigest()[:12]
    folder = parent / f"ledger-{instances}-{stamp}"
    path, payloads = folder / "hilum.db", folder / "payloads"
    if (folder / "done").exists():
        return Filled(path=path, payloads=payloads)
    for old in parent.glob(f"ledger-{instances}-*"):
        shutil.rmtree(old)
    folder.mkdir(parents=True)
    for number in range(jobs):
        (payloads / _name(number) / "output").mkdir(parents=True)
    database = Database(f"sqlite:///{path}")
    database.migrate()
    with database.write() as connection:
        if jobs:
            _insert(connection, jobs, max(1, instances // jobs), payloads)
    with database.read() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    database.close()
    (folder / "done").touch()
    return Filled(path=path, payloads=payloads)


def _form() -> str:
    """Of the tables and their indexes."""
    found: list[str] = []
    for table in tables.metadata.sorted_tables:
        found.append(str(CreateTable(table).compile(dialect=sqlite.dialect())))
        found += sorted(str(CreateIndex(index).compile(dialect=sqlite.dialect())) for index in table.indexes)
    return str(found)


def _insert(connection: Connection, jobs: int, each: int, payloads: Path) -> None:
    """One association, group, job, result and delivery for every ``each`` instances, all of them over and done."""
    end = datetime.now(UTC)
    times = [end - timedelta(days=_DAYS) * (jobs - number) / jobs for number in range(jobs)]
    numbered = list(enumerate(times))
    _rows(connection, tables.associations, (_association(n, at, each) for n, at in numbered))
    _rows(connection, tables.groups, (_group(n, at, each) for n, at in numbered))
    _rows(connection, tables.instances, (_instance(n, at, k) for n, at in numbered for k in range(1, each + 1)))
    _rows(connection, tables.jobs, (_job(n, at, each, payloads) for n, at in numbered))
    _rows(connection, tables.results, (_result(n) for n, _ in numbered))
    _rows(connection, tables.deliveries, (_delivery(n, at) for n, at in numbered))
    _rows(connection, tables.history, (line for n, at in numbered for line in _history(n, at)))


def _rows(connection: Connection, table: Table, rows: Iterable[Row]) -> None:
    rows = iter(rows)
    while chunk := list(itertools.islice(rows, _CHUNK)):
        connection.execute(table.insert(), chunk)


def _association_id(number: int, at: datetime) -> str:
    return f"{at:%Y%m%dT%H%M%S%f}-{number:08x}"


def _job_id(number: int) -> str:
    return hashlib.sha256(b"%d" % number).hexdigest()[:32]


def _name(number: int) -> str:
    return f"hilum-pass-through-20240101000000-{number:08x}"


def _study(number: int) -> str:
    return f"1.2.826.0.1.3680043.10.999.77.{number}"


def _association(number: int, at: datetime, each: int) -> Row:
    identifier = _association_id(number, at)
    return {
        "id": identifier,
        "state": states.Association.RELEASED,
        "owner": "bench",
        "calling": f"SCANNER{number % 20}",
        "called": "HILUM",
        "host": "10.0.0.1",
        "port": 1024 + number % 60000,
        "opened_at": at,
        "ended_at": at,
        "instances": each,
        "bytes": each * 525_211,
        "folder": identifier,
        "spooled": False,
    }


def _group(number: int, at: datetime, each: int) -> Row:
    return {
        "id": number + 1,
        "state": states.Group.PLANNED,
        "ae": "HILUM",
        "kind": "Association",
        "key": _association_id(number, at),
        "scope": _association_id(number, at),
        "calling": f"SCANNER{number % 20}",
        "host": "10.0.0.1",
        "opened_at": at,
        "last_received_at": at,
        "closes_at": at,
        "closed_at": at,
        "instances": each,
        "bytes": each * 525_211,
    }


def _instance(number: int, at: datetime, place: int) -> Row:
    return {
        "association_id": _association_id(number, at),
        "number": place,
        "fate": "grouped",
        "group_id": number + 1,
        "sop_class": dataset.CT,
        "sop_instance": f"{_study(number)}.1.{place}",
        "transfer_syntax": dataset.EXPLICIT_LE,
        "modality": "CT",
        "patient_id": f"P{number % 5000}",
        "study": _study(number),
        "series": f"{_study(number)}.1",
        "size": 525_211,
        "received_at": at,
    }


def _job(number: int, at: datetime, each: int, payloads: Path) -> Row:
    return {
        "id": _job_id(number),
        "name": _name(number),
        "state": states.Job.COMPLETE,
        "group_id": number + 1,
        "ae": "HILUM",
        "workflow_name": "pass-through",
        "workflow": "pass-through",
        "engine": "command",
        "destinations": ["PACS"],
        "folder": str(payloads / _name(number)),
        "instances": each,
        "bytes": each * 525_211,
        "attempt": 1,
        "last_attempt": 2,
        "created_at": at,
        "started_at": at,
        "finished_at": at,
        "completed_at": at,
        "not_before": at,
        # Far away: a run must not begin to remove what the next one needs.
        "remove_at": at + timedelta(days=3650),
    }


def _result(number: int) -> Row:
    return {
        "id": number + 1,
        "job_id": _job_id(number),
        "path": "result.dcm",
        "sop_class": dataset.SECONDARY_CAPTURE,
        "sop_instance": f"{_study(number)}.2.1",
        "transfer_syntax": dataset.EXPLICIT_LE,
        "study": _study(number),
        "offset": 340,
        "size": 9115,
        "sha256": hashlib.sha256(b"%d" % number).hexdigest(),
    }


def _delivery(number: int, at: datetime) -> Row:
    return {
        "id": number + 1,
        "job_id": _job_id(number),
        "result_id": number + 1,
        "destination": f"PACS{number % 3}",
        "state": states.Delivery.DELIVERED,
        "attempts": 1,
        "queued_at": at,
        "not_before": at,
        "ended_at": at,
        "status": 0,
    }


#: What each machine goes through on the way, with what each event leads to.
_LIVES: Final[Mapping[str, Sequence[tuple[str, str, str]]]] = {
    "association": [("", "made", "open"), ("open", "released", "released")],
    "group": [("", "made", "closed"), ("closed", "planned", "planned")],
    "job": [
        ("", "made", "queued"),
        ("queued", "started", "running"),
        ("running", "succeeded", "finished"),
        ("finished", "collected", "collected"),
        ("collected", "completed", "complete"),
    ],
    "delivery": [("", "made", "due"), ("due", "accepted", "delivered")],
}


def _history(number: int, at: datetime) -> Iterator[Row]:
    subjects = {
        "association": _association_id(number, at),
        "group": str(number + 1),
        "job": _job_id(number),
        "delivery": str(number + 1),
    }
    for machine, life in _LIVES.items():
        for before, event, after in life:
            yield {
                "at": at,
                "machine": machine,
                "subject": subjects[machine],
                "from_state": before,
                "event": event,
                "to_state": after,
                "remedy": "",
            }
    if number % 50 == 0:
        line = {"machine": "connection", "subject": "10.0.0.9", "event": "refused", "remedy": "add it to sources"}
        yield {"at": at, "from_state": "", "to_state": "", **line}
