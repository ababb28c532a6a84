"""What is looked at when Prometheus asks, also when something cannot be seen."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from harness.site import Site
from hilum import config
from hilum.association.peer import Peer
from hilum.ledger import tables
from hilum.ledger.database import Database
from hilum.model import AETitle, AssociationId, AssociationInfo
from hilum.observe.metrics import Metrics
from hilum.states import Destination
from hilum.web.desk import Desk
from hilum.web.gauges import GAUGES, Gauges
from stage.deliver.sending import Sending
from stage.ledger.clock import MovableClock
from stage.ledger.reception_desk import Reception

PACS = {"name": "PACS", "host-ip": "127.0.0.1", "port": 104, "ae-title": "PACS"}


class Room:
    """A gateway as the web sees it, of which a test decides everything."""

    def __init__(self, folder: Path, reception: Reception) -> None:
        self.site = Site(folder, {"dicom": {"scu": {"destinations": [PACS]}}})
        self.database = reception.database
        self.full: str | None = None
        self.talking: list[AssociationInfo] = []
        self.desk = Desk(
            database=reception.database,
            clock=reception.clock,
            owner="gateway",
            started_at=reception.clock(),
            settings=lambda: self.site.settings,
            path=None,
            reload=config.Reload,
            congested=lambda: self.full,
            talking=lambda: self.talking,
            progress=dict,
            abort=lambda _association, _why: False,
            wake=lambda: None,
            metrics=Metrics(),
        )
        storage = self.site.settings.storage
        for path in (storage.temporary, storage.payloads, storage.output):
            path.mkdir()

    def look(self) -> dict[tuple[str, ...], float]:
        """Every value, by name and labels."""
        desk = replace(self.desk, database=self.database)
        samples = [sample for family in Gauges(desk).collect() for sample in family.samples]
        return {(sample.name, *sample.labels.values()): sample.value for sample in samples}


@pytest.fixture
def room(tmp_path: Path, desk: Reception) -> Room:
    folder = tmp_path / "site"
    folder.mkdir()
    return Room(folder, desk)


def talking(called: str, number: int) -> AssociationInfo:
    return AssociationInfo(
        id=AssociationId(f"a{number}"),
        calling=AETitle("CT1"),
        called=AETitle(called),
        host="10.0.0.5",
        port=number,
        opened_at=MovableClock()(),
    )


def test_a_quiet_gateway(room: Room) -> None:
    found = room.look()
    assert found["hilum_receiving",] == found["hilum_ledger_up",] == found["hilum_destination_up", "PACS"] == 1
    assert found["hilum_associations_open", "HILUM"] == 0
    assert found["hilum_deliveries_due", "PACS"] == found["hilum_deliveries_oldest_seconds", "PACS"] == 0
    names = {name for name, *_ in found}
    waiting = {"hilum_next_seconds", "hilum_groups_oldest_seconds", "hilum_jobs_oldest_seconds"}
    assert set(GAUGES) - names == waiting  # nothing waits


def test_open_associations_by_called_title(room: Room) -> None:
    room.talking = [talking("HILUM", 1), talking("HILUM", 2), talking("GONE", 3)]
    found = room.look()
    assert found["hilum_associations_open", "HILUM"] == 2
    assert found["hilum_associations_open", "other"] == 1


def test_a_full_disk(room: Room) -> None:
    room.full = "/spool: 91.2 % used, limit 85 %"
    assert room.look()["hilum_receiving",] == 0


def test_deliveries_and_destinations(room: Room, desk: Reception, clock: MovableClock, tmp_path: Path) -> None:
    sending = Sending(desk, tmp_path / "jobs")
    sending.destinations["PACS"] = Peer(host="127.0.0.1", port=1, called=AETitle("PACS"))
    sending.job("1.1", "1.2", name="a", destinations=["PACS", "FORMER"])
    clock.forward(50)
    down = {"id": "PACS", "state": Destination.DOWN, "since": clock(), "failures": 3, "not_before": clock.in_(30)}
    with desk.database.write() as connection:
        connection.execute(tables.destinations.insert(), down)
    found = room.look()
    assert found["hilum_deliveries_due", "PACS"] == found["hilum_deliveries_due", "other"] == 2
    assert found["hilum_deliveries_oldest_seconds", "PACS"] == 50
    assert found["hilum_destination_up", "PACS"] == 0
    assert found["hilum_destination_failures", "PACS"] == 3
    assert found["hilum_next_seconds", "destination is asked"] == 30
    assert found["hilum_next_seconds", "delivery is tried"] == 0
    assert found["hilum_jobs", "collected"] == 1
    assert found["hilum_jobs_oldest_seconds", "collected"] == 50


def test_a_paused_destination_is_not_down(room: Room, desk: Reception, clock: MovableClock) -> None:
    paused = {"id": "PACS", "state": Destination.PAUSED, "since": clock(), "failures": 0, "not_before": clock()}
    with desk.database.write() as connection:
        connection.execute(tables.destinations.insert(), paused)
    found = room.look()
    assert found["hilum_destination_up", "PACS"] == found["hilum_destination_paused", "PACS"] == 1


def test_a_ledger_that_cannot_be_read_hides_nothing_else(room: Room, tmp_path: Path) -> None:
    room.database = Database(f"sqlite:///{tmp_path / 'not' / 'there.db'}")
    with capture_logs() as lines:
        found = room.look()
    assert found["hilum_ledger_up",] == 0
    assert found["hilum_receiving",] == 1
    assert ("hilum_ledger_bytes", "database") not in found
    assert ("hilum_jobs", "queued") not in found
    assert [line["event"] for line in lines] == ["metrics.no_ledger"]


def test_a_folder_that_is_gone_hides_no_other(room: Room) -> None:
    shutil.rmtree(room.site.payloads)
    found = room.look()
    assert ("hilum_disk_free_bytes", "payloads") not in found
    assert found["hilum_disk_free_bytes", "temporary"] > 0
