"""Collected jobs with results on disk, and the steps that send them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from harness.data import make_instance
from hilum.association.peer import Peer
from hilum.association.settings import RequestorTimeouts
from hilum.deliver.parcel import Failed, Outcome
from hilum.deliver.probe import ProbeStep
from hilum.deliver.receipt import ReceiptStep
from hilum.deliver.settings import DeliverySettings
from hilum.deliver.worker import SendStep
from hilum.ledger import collecting, planning
from hilum.ledger.dispatch import Parcel
from hilum.ledger.lease import Lease
from hilum.ledger.planning import NewJob
from hilum.ledger.rows import AnyRow
from hilum.model import AETitle, JobId
from hilum.results import output
from hilum.retry import RetryRule
from stage.ledger.reception_desk import Reception

LEASE = timedelta(minutes=1)
RULE = RetryRule(waits=[timedelta(seconds=30), timedelta(seconds=120)], give_up_after=timedelta(days=7))
TIMEOUTS = RequestorTimeouts(
    connect=timedelta(seconds=5),
    association=timedelta(seconds=5),
    dimse=timedelta(seconds=5),
    pdu=timedelta(seconds=5),
    write=timedelta(seconds=5),
    release=timedelta(seconds=5),
)


class Sending:
    def __init__(self, desk: Reception, root: Path) -> None:
        self.desk = desk
        self.clock = desk.clock
        self.root = root
        self.destinations: dict[str, Peer] = {}
        self.max_associations = 2
        self.retry = RULE
        self.chance = 0.5  # waits are as long as configured
        self.send = SendStep(
            database=desk.database, owner="gateway", clock=desk.clock, settings=self.settings, chance=self._chance
        )
        self.probe = ProbeStep(database=desk.database, owner="gateway", settings=self.settings, chance=self._chance)
        self.receipts = ReceiptStep(database=desk.database, owner="gateway", keep=lambda: timedelta(days=7))

    def _chance(self) -> float:
        return self.chance

    def settings(self) -> DeliverySettings:
        return DeliverySettings(
            calling=AETitle("HILUM"),
            destinations=dict(self.destinations),
            max_associations=self.max_associations,
            retry=self.retry,
            timeouts=TIMEOUTS,
        )

    def to(self, name: str, port: int, called: str | None = None) -> None:
        """Configures a destination."""
        self.destinations[name] = Peer(host="127.0.0.1", port=port, called=AETitle(called or name))

    def job(
        self,
        *uids: str,
        name: str = "job",
        destinations: Sequence[str] = ("PACS",),
        make: Callable[..., Path] = make_instance,
        **kind: str,
    ) -> Path:
        """A collected job with these results; its output folder."""
        folder = self.root / name / "output"
        folder.mkdir(parents=True)
        for uid in uids:
            make(folder, sop_instance=uid, **kind)
        job = NewJob(
            id=JobId(name),
            name=name,
            ae="SCP",
            workflow_name="lung",
            workflow="w",
            engine="local",
            destinations=tuple(destinations),
            folder=folder.parent,
            instances=0,
            bytes=0,
            tries=1,
        )
        found = output.read(folder, max_bytes=10**9)
        assert len(found.results) == len(uids)
        with self.desk.database.write() as connection:
            planning.adopted(connection, job, now=self.clock())
            lease = Lease(id=name, fence=0)
            collecting.collected(connection, lease, found.results, (), destinations, now=self.clock())
        return folder

    def claim(self, limit: int = 32) -> Sequence[Parcel]:
        return self.send.claim(self.clock(), self.clock() + LEASE, limit)

    def ask(self) -> list[Failed | None]:
        """One turn of the loop that asks destinations that are down; for each why it failed."""
        outcomes = []
        for silent in self.probe.claim(self.clock(), self.clock() + LEASE, 32):
            outcomes.append(self.probe.act(silent))
            self.probe.record(silent, outcomes[-1], self.clock())
        return outcomes

    def carry(self) -> list[Outcome]:
        """One turn of the loop that sends."""
        outcomes = []
        for parcel in self.claim():
            outcomes.append(self.send.act(parcel))
            self.send.record(parcel, outcomes[-1], self.clock())
        return outcomes

    def run(self) -> list[Mapping[int, Failed]]:
        """One turn of both; for each parcel what failed."""
        self.ask()
        return [outcome.failed for outcome in self.carry()]

    def destination(self, name: str = "PACS") -> AnyRow:
        """How it answers, according to the ledger."""
        (row,) = (row for row in self.desk.rows("destinations") if row.id == name)
        return row

    def settle(self) -> list[Exception]:
        """One turn of the loop that writes receipts; what failed."""
        failed = []
        for job in self.receipts.claim(self.clock(), self.clock() + LEASE, 10):
            try:
                self.receipts.record(job, self.receipts.act(job), self.clock())  # type: ignore[func-returns-value]
            except Exception as error:  # noqa: BLE001  as the loop does
                self.receipts.failed(job, error, self.clock())
                failed.append(error)
        return failed

    def deliveries(self) -> list[AnyRow]:
        return list(self.desk.rows("deliveries"))

    def states(self) -> list[str]:
        return [row.state for row in self.deliveries()]


def data_set_digest(path: Path, offset: int) -> str:
    """Of what is sent: the bytes behind the meta information."""
    return hashlib.sha256(path.read_bytes()[offset:]).hexdigest()
