"""A ledger with something of everything in it, and the web on top, without a network between."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from harness.site import Site
from hilum import config, states
from hilum.association.observer import Tally
from hilum.errors import ConfigError
from hilum.ledger import collecting, destinations, dispatch, planning, work
from hilum.ledger.collecting import NewResult
from hilum.ledger.lease import Lease
from hilum.ledger.planning import NewJob
from hilum.ledger.transition import note
from hilum.model import AssociationInfo, GroupKind, JobId
from hilum.observe.metrics import Metrics
from hilum.web.app import application
from hilum.web.desk import Desk
from stage.ledger.reception_desk import Reception
from stage.web.client import Client

LEASE = timedelta(minutes=1)
#: Nobody listens there.
SOMEWHERE = {"host-ip": "127.0.0.1", "port": 1}
KEYS: Mapping[str, Any] = {
    "dicom": {
        "scp": {"ae-titles": [{"ae-title": "SCP"}]},
        "scu": {
            "destinations": [
                {"name": "PACS", "ae-title": "PACS", **SOMEWHERE},
                {"name": "ARCHIVE", "ae-title": "ARCHIVE", **SOMEWHERE},
            ],
        },
    },
    "workflows": [{"name": "lung", "clara-ae-title": "SCP", "engine": "copy", "destination-name": "PACS"}],
}


class Office:
    """What the web stands on, with a clock that tests move; ``api`` asks it."""

    def __init__(self, reception: Reception, folder: Path, keys: Mapping[str, Any] = KEYS) -> None:
        self.reception = reception
        self.database, self.clock = reception.database, reception.clock
        self.site = Site(folder, keys)
        self.talking: list[AssociationInfo] = []
        self.progress: dict[str, Tally] = {}
        self.woken = 0
        self.desk = Desk(
            database=self.database,
            clock=self.clock,
            owner="gateway",
            started_at=self.clock(),
            settings=lambda: self.site.settings,
            path=self.site.path,
            reload=self._reload,
            congested=lambda: None,
            talking=lambda: self.talking,
            progress=lambda: self.progress,
            abort=lambda _association, _why: False,
            wake=self._wake,
            metrics=Metrics(),
        )
        self.client = Client(application(self.desk))

    def _reload(self) -> config.Reload:
        old = self.site.settings
        try:
            self.site.settings = config.load(self.site.path, {})
        except ConfigError as error:
            return config.Reload(problems=tuple(error.problems))
        changed = config.diff(old, self.site.settings)
        return config.Reload(changed=tuple(changed), waits=tuple(config.needs_restart(old, self.site.settings)))

    def _wake(self) -> None:
        self.woken += 1

    # --- asking

    def get(self, path: str, status: int = 200, /, **parameters: Any) -> Any:
        """The answer of an operation below ``/api/v1``."""
        return self._checked(self.client.get(f"/api/v1{path}", params=parameters), status)

    def post(self, path: str, status: int = 202, /, body: object = None) -> Any:
        return self._checked(self.client.post(f"/api/v1{path}", json=body), status)

    def _checked(self, answer: httpx.Response, status: int) -> Any:
        assert answer.status_code == status, answer.text
        if status >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["status"] == status
        return answer.json()

    def pages(self, path: str, /, **parameters: Any) -> list[list[Any]]:
        """All pages of a list, by its cursors."""
        found: list[list[Any]] = []
        cursor: dict[str, str] = {}
        while True:
            sheet = self.get(path, 200, **parameters, **cursor)
            found.append(sheet["items"])
            if sheet["next"] is None:
                return found
            cursor = {"cursor": sheet["next"]}

    # --- filling the ledger

    def plan(self, *workflows: str, to: Sequence[str] = ("PACS",)) -> None:
        """Make a job per workflow of every closed group; a job's id is its group's number and its workflow."""
        with self.database.write() as connection:
            claimed = planning.claim_closed(
                connection, owner="gateway", now=self.clock(), until=self.clock() + LEASE, limit=100
            )
            for lease, group in claimed:
                jobs = [
                    NewJob(
                        id=JobId(f"{group.id:02}{name}"),
                        name=f"job-{group.id:02}-{name}",
                        ae=group.ae,
                        workflow_name=name,
                        workflow=f"uuid-of-{name}",
                        engine="copy",
                        destinations=tuple(to),
                        folder=self.site.folder / "payloads" / f"{group.id:02}{name}",
                        instances=len(group.members),
                        bytes=7,
                        tries=1,
                    )
                    for name in workflows
                ]
                planning.planned(connection, lease, jobs, now=self.clock())

    def _lease(self, job: str, state: states.Job) -> Lease:
        with self.database.write() as connection:
            until = self.clock() + LEASE
            row = work.claim_job(connection, JobId(job), state, owner="gateway", now=self.clock(), until=until)
        assert row is not None
        return Lease(id=row.id, fence=row.fence)

    def run(self, job: str) -> None:
        lease = self._lease(job, states.Job.QUEUED)
        with self.database.write() as connection:
            work.started(connection, lease, now=self.clock())

    def fail(self, job: str, why: str = "the command ended with exit code 3") -> None:
        self.run(job)
        lease = self._lease(job, states.Job.RUNNING)
        with self.database.write() as connection:
            work.failed(connection, lease, why, "mend it", remove_at=self.clock.in_(86400), now=self.clock())

    def collect(self, job: str, *paths: str, to: Sequence[str] = ("PACS",)) -> None:
        self.run(job)
        lease = self._lease(job, states.Job.RUNNING)
        with self.database.write() as connection:
            work.succeeded(connection, lease, now=self.clock())
        lease = self._lease(job, states.Job.FINISHED)
        found = [
            NewResult(
                path=path,
                sop_class="1.2.840.10008.5.1.4.1.1.2",
                sop_instance=f"9.{number}",
                transfer_syntax="1.2.840.10008.1.2.1",
                study="1.1",
                offset=300,
                size=1000,
                sha256="ab" * 32,
            )
            for number, path in enumerate(paths, 1)
        ]
        with self.database.write() as connection:
            collecting.collected(connection, lease, found, (), to, now=self.clock())

    def parcel(self, end: Callable[..., None]) -> None:
        """Let ``end`` happen to each file of the next parcel."""
        with self.database.write() as connection:
            parcel = dispatch.claim_parcel(
                connection, owner="gateway", now=self.clock(), until=self.clock() + LEASE, avoid=()
            )
            assert parcel is not None
            for file in parcel.files:
                end(connection, file.lease, now=self.clock())

    def deliver(self) -> None:
        self.parcel(lambda connection, lease, now: dispatch.delivered(connection, lease, status=0, why="", now=now))

    def give_up(self, why: str = "the destination answered status C000H") -> None:
        self.parcel(
            lambda connection, lease, now: dispatch.given_up(
                connection, lease, status=0xC000, why=why, remedy="mend it", now=now
            )
        )

    def down(self, name: str, why: str = "the connection was refused") -> None:
        with self.database.write() as connection:
            destinations.went_down(
                connection,
                name,
                failures=1,
                not_before=self.clock.in_(30),
                why=why,
                remedy=f"hilum echo {name} tests it",
                now=self.clock(),
            )

    def tell(self, machine: str, subject: str, event: str, why: str = "", remedy: str = "") -> None:
        """A line of history of what has no row."""
        with self.database.write() as connection:
            note(connection, machine, subject, event, now=self.clock(), why=why, remedy=remedy)

    def fill(self) -> Office:
        """Something of everything: jobs, groups, deliveries and associations in most of their states."""
        reception = self.reception
        reception.rule("WINDOW", GroupKind.STUDY, 3600)
        for study in ("1.1", "1.2", "1.3", "1.4"):
            reception.send(f"{study}.1", f"{study}.2", study=study, patient=f"P{study}")
            self.clock.forward(1)
        self.plan("lung")
        self.fail("02lung")
        self.collect("03lung", "a.dcm", "b.dcm")
        self.deliver()
        self.collect("04lung", "c.dcm")
        self.give_up()
        reception.send("2.1", ae="WINDOW", study="2")
        reception.associate().receive("3.1", study="3").abort()
        reception.associate().receive("4.1", study="4")
        reception.send("5.1", study="5")
        with self.database.write() as connection:
            ((lease, _group),) = planning.claim_closed(
                connection, owner="gateway", now=self.clock(), until=self.clock() + LEASE, limit=1
            )
            planning.cannot_plan(
                connection, lease, "the processor raised ValueError", "mend the processor", now=self.clock()
            )
        self.down("ARCHIVE")
        self.tell("association", "10.9.9.9", "rejected", "calling AE title STRANGER is not known", "add the source")
        self.tell("instance", "1.2.3", "refused", "answered status A700H to CT1", "make room")
        return self

    def count(self, table: str, **where: Any) -> int:
        return len(self.reception.rows(table, **where))
