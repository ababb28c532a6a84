"""A gateway's ledger and folders with something in every state, as steps leave them, for tests that break it."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from harness.data import make_instance
from hilum.fsck import Finding, Inspection
from hilum.ledger import collecting, work
from hilum.ledger.lease import Lease
from hilum.ledger.rows import AnyRow
from hilum.ledger.tables import associations, instances, jobs
from hilum.model import GroupKind
from hilum.results import output
from hilum.store.digest import digest_of
from hilum.store.part10 import MetaInfo, read_meta
from hilum.store.worker import SweepStep
from stage.job.planning import Planning, Workflow
from stage.ledger.reception_desk import Incoming, Reception

DAY = timedelta(days=1)


class Premises:
    """What tests break, and the inspection that finds it.

    Attributes:
        waiting: Released; its window is open.
        held: Aborted.
        stored: Released; no workflow wants it.
        ready: Its group's job is queued; its folder is not swept yet.
    """

    def __init__(self, desk: Reception, planning: Planning) -> None:
        assert desk.spool is not None
        self.desk, self.planning = desk, planning
        self.database, self.clock = desk.database, desk.clock
        self.spool, self.payloads = desk.spool, planning.payloads
        self.output = self.payloads.with_name("output")
        self.output.mkdir()
        planning.workflows = (Workflow(), Workflow(name="back", clara_ae_title="DONE"))
        planning.processors = dict.fromkeys(("SCP", "DONE", "NOBODY"), planning.processors["SCP"])
        desk.rule("WAITS", GroupKind.PATIENT, 60)
        self.waiting = self.receive("WAITS", 2)
        self.held = self.receive("SCP", 2, abort=True)
        self.stored = self.receive("NOBODY", 1)
        self.swept = self.receive("DONE", 1)
        self.run()
        self.sweep()
        self._finish()
        self.ready = self.receive("SCP", 2)
        self.run()

    def receive(self, ae: str, count: int, *, abort: bool = False) -> Incoming:
        """One association; its files are real ones, with their digests in the ledger."""
        association = self.desk.associate(ae)
        sizes = {}
        for number in range(1, count + 1):
            uid = f"1.2.{abs(hash(association.id)) % 10**9}.{number}"
            made = make_instance(self.payloads.with_name("made"), sop_instance=uid)
            association.receive(uid, content="x" * made.stat().st_size)
            made.replace(self.spool / association.id / f"{number}.dcm")
            sizes[number] = _digest(self.spool / association.id / f"{number}.dcm")
        (self.spool / association.id / "association.json").write_text("{}")
        if abort:
            association.abort()
        else:
            association.release()
        with self.database.write() as connection:
            for number, digest in sizes.items():
                here = (instances.c.association_id == association.id, instances.c.number == number)
                connection.execute(instances.update().where(*here).values(digest=digest))
        return association

    def run(self) -> None:
        """Let the jobs of closed groups be made."""
        assert self.planning.run() == []

    def sweep(self) -> None:
        """Let the sweep take what may go."""
        step = SweepStep(database=self.database, spool=lambda: self.spool)
        for swept in step.claim(self.clock(), self.clock() + DAY, 10):
            step.record(swept, step.act(swept), self.clock())  # type: ignore[func-returns-value]

    def _finish(self) -> None:
        """One job has two results with a delivery due."""
        [job] = self.desk.rows("jobs", ae="DONE")
        for number in (1, 2):
            make_instance(Path(job.folder) / "output", sop_instance=f"1.9.{number}")
        (Path(job.folder) / "output" / "job.done").touch()
        found = output.read(Path(job.folder) / "output", max_bytes=10**9)
        now = self.clock()
        with self.database.write() as connection:
            work.started(connection, self.lease(job), now=now)
            work.succeeded(connection, self.lease(job), now=now)
            collecting.collected(connection, self.lease(job), found.results, (), ["PACS"], now=now)

    def lease(self, job: AnyRow) -> Lease:
        """The right to record something of a job."""
        return Lease(id=job.id, fence=self.desk.row("jobs", id=job.id).fence)

    # --- what there is

    @property
    def inspection(self) -> Inspection:
        """Of these premises; it never sleeps."""
        return Inspection(
            database=self.database,
            spool=self.spool,
            roots=(self.payloads, self.output),
            pause=lambda _seconds: None,
        )

    def folder(self, association: Incoming) -> Path:
        """Where an association's files are."""
        return self.spool / str(self.desk.row("associations", id=association.id).folder)

    @property
    def queued(self) -> Path:
        """The folder of the job that waits."""
        return Path(self.desk.row("jobs", state="queued").folder)

    @property
    def collected(self) -> Path:
        """The folder of the job with results."""
        return Path(self.desk.row("jobs", ae="DONE").folder)

    def end_job(self) -> AnyRow:
        """Let the waiting job fail."""
        job = self.desk.row("jobs", state="queued")
        with self.database.write() as connection:
            work.failed(
                connection, self.lease(job), "why", "remedy", remove_at=self.clock() + 30 * DAY, now=self.clock()
            )
        return self.desk.row("jobs", id=job.id)

    def change(self, association: Incoming, **values: object) -> None:
        """Put something else into its row, as nobody should."""
        with self.database.write() as connection:
            connection.execute(associations.update().where(associations.c.id == association.id).values(**values))

    def change_job(self, job: AnyRow, **values: object) -> None:
        with self.database.write() as connection:
            connection.execute(jobs.update().where(jobs.c.id == job.id).values(**values))

    # --- what is found

    def look(self, *, deep: bool = False, running: bool = False) -> list[tuple[str, str]]:
        """Kinds and subjects."""
        return told(self.inspection.look(self.clock(), deep=deep, running=running))

    def kinds(self, *, deep: bool = False, running: bool = False) -> list[str]:
        return [kind for kind, _ in self.look(deep=deep, running=running)]

    def at_start(self) -> list[str]:
        return [str(one.kind) for one in self.inspection.at_start(self.clock())]

    def files(self) -> set[str]:
        """Everything on disk."""
        return {
            str(Path(folder, name))
            for root in (self.spool, self.payloads, self.output)
            for folder, names, files in os.walk(root)
            for name in (*names, *files)
        }


def told(findings: object) -> list[tuple[str, str]]:
    assert isinstance(findings, list | tuple)
    return [(str(one.kind), one.subject) for one in findings if isinstance(one, Finding)]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        meta = read_meta(file.read())
        assert isinstance(meta, MetaInfo)
        return digest_of(file.fileno(), meta.data_set_offset)
