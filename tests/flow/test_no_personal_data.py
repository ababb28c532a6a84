"""Known names, IDs and dates of birth go through everything that can happen, and stand in nothing that is written.

They are in every attribute that Hilum reads, and a workflow prints them. They may stand in what is theirs: the
instances themselves, the ledger's columns for them, and the job's own log and folder.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from flow.workflows import workflow
from harness.data import make_instance
from harness.pacs import Pacs
from harness.process import GatewayProcess
from harness.sending import association, send, store
from harness.site import Site
from harness.waiting import eventually
from hilum.ledger import tables
from hilum.ledger.database import Database
from hilum.model import Answer, Uid
from hilum.store.rescan import Scanned, rescan
from hilum.wire import EXPLICIT_LE

MakeSite = Callable[..., Site]

NAME, PATIENT_ID, BORN, MODALITY = "Secretova^Karolina", "KEEP-QUIET-7", "19610412", "KAROLAMP"
#: A device may write anything where a UID belongs, and instances are grouped by it all the same.
STUDY, SERIES = "STUDY-OF-SECRETOVA", "SERIES-OF-SECRETOVA"
SECRETS = ("secretova", "karolina", "keep-quiet", "19610412", "1961-04-12", "karolamp")

#: Prints what it was given and fails.
BROKEN = 'cat "$HILUM_INPUT"/*; echo "cannot segment Secretova^Karolina, KEEP-QUIET-7" >&2; exit 3'


def portrait(folder: Path, *, patient: str | None = PATIENT_ID) -> Path:
    """An instance that tells everything of its patient."""
    path = make_instance(folder, patient=patient, study=STUDY, series=SERIES)
    data = path.read_bytes()
    known = element(0x0008, 0x0060, b"CS", "CT")
    assert data.count(known) == 1
    told = element(0x0008, 0x0060, b"CS", MODALITY) + element(0x0010, 0x0010, b"PN", NAME)
    born = element(0x0010, 0x0030, b"DA", BORN)
    study = struct.pack("<HH", 0x0020, 0x000D)
    path.write_bytes(data.replace(known, told).replace(study, born + study, 1))
    return path


def element(group: int, number: int, vr: bytes, text: str) -> bytes:
    value = text.encode() + b" " * (len(text) % 2)
    return struct.pack("<HH2sH", group, number, vr, len(value)) + value


def keys(pacs: Pacs) -> Mapping[str, Any]:
    ae_titles = [
        {"ae-title": "PATIENT", "timeout-group": "Patient", "timeout": 1},
        {"ae-title": "STUDY", "timeout-group": "Study"},
        {"ae-title": "SERIES", "timeout-group": "Series", "timeout": 1, "overwrite-same-instance": True},
        {"ae-title": "UNWANTED", "timeout-group": "Patient"},
    ]
    return {
        "dicom": {
            "scp": {"ae-titles": ae_titles},
            "scu": {"destinations": [pacs.destination], "retry": {"waits": [0.1]}},
        },
        "workflows": [
            workflow("good", ae="PATIENT", to=[pacs]),
            workflow("bad", ae="STUDY", engine="broken", to=[pacs]),
            workflow("in-vain", ae="SERIES", to=[pacs]),
        ],
        "engines": {"broken": {"type": "process", "command": ["sh", "-c", BROKEN], "attempts": 2}},
        "web": {"enabled": True, "port": 0},
        # Nobody listens there: what was to be told stands in the ledger.
        "notifications": {"webhooks": {"desk": {"url": "http://127.0.0.1:9/"}}},
    }


def refuse(port: int, file: Path) -> None:
    """A command that names another instance, then a data set that ends in the middle of the patient's name."""
    found = rescan(file)
    assert isinstance(found, Scanned)
    offset = found.meta.data_set_offset
    middle = file.read_bytes().index(b"Secretova") + 4
    for uid, size in (("1.2.3", found.size - offset), (found.header.sop_instance, middle - offset)):
        with association(port, [file], called="STUDY") as requestor:
            descriptor = os.open(file, os.O_RDONLY)
            try:
                answer = requestor.store(
                    descriptor,
                    offset,
                    size,
                    sop_class=Uid(found.header.sop_class),
                    sop_instance=Uid(uid),
                    transfer_syntax=Uid(EXPLICIT_LE),
                )
            finally:
                os.close(descriptor)
            assert not answer.accepted


class Day:
    """A gateway after everything has happened, with all that it has written."""

    def __init__(self, gateway: GatewayProcess, database: Database) -> None:
        self.site = gateway.site
        self.log = gateway.log
        self.database = database
        started = next(json.loads(line) for line in self.log.read_text().splitlines() if "gateway.started" in line)
        self.web = f"http://127.0.0.1:{started['web']}"

    def rows(self, name: str, **where: object) -> list[Any]:
        table = tables.metadata.tables[name]
        wanted = [table.c[column] == value for column, value in where.items()]
        with self.database.read() as connection:
            return list(connection.execute(select(table).where(*wanted)))

    def wait(self, table: str, state: str, number: int) -> None:
        """Until there are so many rows in that state."""
        eventually(
            lambda: len(self.rows(table, state=state)) == number, seconds=60, what=f"{number} of {table} {state}"
        )

    def get(self, path: str, *, method: str = "GET") -> str:
        """Whatever is answered."""
        try:
            with urllib.request.urlopen(urllib.request.Request(self.web + path, method=method), timeout=20) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            return str(error.read().decode())

    def command(self, *arguments: str) -> str:
        """What a command prints."""
        ran = subprocess.run(
            [sys.executable, "-m", "hilum", *arguments, "--config", str(self.site.path)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return ran.stdout + ran.stderr


@pytest.fixture
def day(make_site: MakeSite, pacs: Pacs, tmp_path: Path) -> Iterator[Day]:
    refused: set[str] = set()
    pacs.answer = lambda request: Answer(status=0xC000 if request.sop_instance in refused else 0)
    one, two, vain, nobody = (portrait(tmp_path / name) for name in ("a", "b", "c", "d"))
    refused.add(vain.stem)
    unknown = portrait(tmp_path / "e", patient=None)
    with GatewayProcess(make_site(keys(pacs))) as gateway:
        database = Database(gateway.site.settings.ledger.url)
        day = Day(gateway, database)
        send(gateway.port, one, called="PATIENT")
        send(gateway.port, unknown, called="PATIENT")
        send(gateway.port, one, called="STUDY")
        send(gateway.port, vain, vain, called="SERIES")
        send(gateway.port, nobody, called="UNWANTED")
        refuse(gateway.port, two)
        with association(gateway.port, [two], called="STUDY") as requestor:
            store(requestor, two)
            requestor.abort()
        for table, state, number in (
            ("jobs", "complete", 3),
            ("jobs", "failed", 1),
            ("deliveries", "given up", 1),
            ("deliveries", "delivered", 2),
            ("associations", "held", 1),
            ("groups", "stored only", 1),
        ):
            day.wait(table, state, number)
        yield day
        database.close()


def test_nothing_of_a_patient_is_written_where_it_does_not_belong(day: Day) -> None:
    (failed,) = day.rows("jobs", state="failed")
    (given_up,) = day.rows("deliveries", state="given up")
    written = {
        "log": day.log.read_text(),
        "history": str(day.rows("history")),
        "notices": str(day.rows("notices")),
        "why of jobs": str([row.why for row in day.rows("jobs")]),
        "why of deliveries": str([row.why for row in day.rows("deliveries")]),
        "why of groups": str([row.why for row in day.rows("groups")]),
        "why of associations": str([row.why for row in day.rows("associations")]),
        "names of folders": str(sorted(day.site.payloads.iterdir())) + str(sorted(day.site.spool.rglob("*"))),
        "metrics": day.get("/metrics"),
        "health": day.get("/health/live") + day.get("/health/ready") + day.get("/health/status"),
        "no such job": day.get("/api/v1/jobs/nothing-like-it"),
        "nothing to retry": day.get(f"/api/v1/jobs/{day.rows('jobs', state='complete')[0].id}/retry", method="POST"),
        "no such page": day.get("/nothing/like/it"),
        "a bad question": day.get("/api/v1/jobs?limit=no&cursor=nonsense"),
        "timeline": day.get(f"/api/v1/jobs/{failed.id}/timeline"),
        "status": day.command("status", "--json"),
        "history as a command": day.command("history", "--all", "--json"),
        "jobs": day.command("jobs", "--json"),
        "groups": day.command("groups", "--json"),
        "deliveries": day.command("deliveries", "--json"),
    }
    for what in (
        "job.attempt_failed",
        "job.failed",
        "delivery.failed_for_good",
        "group.not_wanted",
        "instance.refused",
    ):
        assert what in written["log"], what
    assert "given up" in str(given_up)
    for where, text in written.items():
        assert text, where
        for secret in SECRETS:
            assert secret not in text.lower(), (where, [line for line in text.splitlines() if secret in line.lower()])


def test_it_is_there_where_it_belongs(day: Day) -> None:
    """Otherwise nothing would be shown by its absence elsewhere."""
    stored = str(day.rows("instances")) + str([row.key for row in day.rows("groups")])
    for secret in (PATIENT_ID, STUDY, SERIES, MODALITY):
        assert secret in stored
    (failed,) = day.rows("jobs", state="failed")
    assert NAME in (Path(failed.folder) / "run" / "1" / "log.txt").read_text(errors="replace")


def test_every_line_of_a_job_or_an_association_has_its_id(day: Day) -> None:
    lines = [json.loads(line) for line in day.log.read_text().splitlines() if line.startswith("{")]
    assert lines
    about_jobs = [line for line in lines if line.get("step") in {"submit", "watch", "results", "deliver", "receipt"}]
    assert {line["event"] for line in about_jobs} >= {"job.started", "job.succeeded", "job.collected", "job.settled"}
    ids = {row.id for row in day.rows("jobs")}
    assert {line.get("job") for line in about_jobs} == ids
    from_peers = [line for line in lines if line["event"].startswith(("association.", "instance."))]
    assert from_peers
    assert all(line.get("association") for line in from_peers)
