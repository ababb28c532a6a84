"""A disk that is not mounted when the gateway starts costs nothing that lies on it."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from harness.data import make_instance
from hilum.errors import PermanentError
from hilum.ledger import reception
from hilum.model import AETitle, AssociationId, AssociationInfo
from hilum.store.receive import StoreRule, StoreSettings
from hilum.store.recovery import Recovery
from hilum.store.spool import AssociationFolder, Durability
from hilum.store.worker import HeldStep
from stage.job.planning import Planning
from stage.ledger.clock import MovableClock
from stage.ledger.reception_desk import Reception

LEASE = timedelta(minutes=1)


class Disk:
    """The spool, which can be taken away and brought back."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._away = root.with_name("unmounted")

    def unmount(self) -> None:
        self.root.rename(self._away)
        self.root.mkdir()

    def mount(self) -> None:
        shutil.rmtree(self.root)
        self._away.rename(self.root)


@pytest.fixture
def disk(desk: Reception) -> Disk:
    assert desk.spool is not None
    return Disk(desk.spool)


@pytest.fixture
def recovery(desk: Reception, disk: Disk, clock: MovableClock) -> Recovery:
    settings = StoreSettings(
        spool=disk.root,
        rules=lambda called: StoreRule(grouping=desk.grouping(called), ignored=(), accept_broken=False),
        durability=Durability.INSTANCE,
        aborted_retention=timedelta(days=1),
        log_data_sets=False,
    )
    return Recovery(database=desk.database, owner="gateway", clock=clock, settings=settings)


def test_a_gateway_does_not_start_without_files_that_no_job_has_yet(
    recovery: Recovery, desk: Reception, disk: Disk
) -> None:
    desk.send("1.1")
    disk.unmount()
    with pytest.raises(PermanentError, match="is its disk mounted") as error:
        recovery.run()
    assert str(disk.root / "held") in str(error.value)
    disk.mount()
    assert recovery.run().count == 0


def test_nor_without_what_is_held(recovery: Recovery, desk: Reception, disk: Disk, clock: MovableClock) -> None:
    desk.associate().receive("1.1").abort(retention=60)
    disk.unmount()
    with pytest.raises(PermanentError, match="is its disk mounted"):
        recovery.run()
    clock.forward(60)
    assert recovery.run().count == 0  # nobody wants it any more


def test_an_operator_can_go_on_when_the_spool_is_lost(recovery: Recovery, desk: Reception, disk: Disk) -> None:
    desk.send("1.1")
    disk.unmount()
    (disk.root / "held").mkdir()
    assert recovery.run().count == 0


def test_a_spool_whose_files_are_all_in_jobs_may_be_empty(
    recovery: Recovery, desk: Reception, disk: Disk, planning: Planning
) -> None:
    desk.send("1.1")
    planning.run()
    disk.unmount()
    assert recovery.run().count == 0


def test_an_association_that_was_written_off_is_held_when_its_folder_is_there_again(
    recovery: Recovery, desk: Reception, disk: Disk, clock: MovableClock, tmp_path: Path
) -> None:
    about = AssociationInfo(
        id=AssociationId("20261122T070000000001-00000001"),
        calling=AETitle("SCANNER"),
        called=AETitle("SCP"),
        host="10.0.0.5",
        port=50000,
        opened_at=clock(),
    )
    folder = AssociationFolder(disk.root, about, Durability.INSTANCE).path
    shutil.copy(make_instance(tmp_path, sop_instance="1.1"), folder / "1.dcm")
    with desk.database.note() as connection:
        reception.opened(connection, about, owner="dead", folder=about.id)
    disk.unmount()
    recovery.run()
    step = HeldStep(
        database=desk.database,
        owner="gateway",
        spool=lambda: disk.root,
        grouping=desk.grouping,
        keep=lambda: timedelta(days=1),
    )
    for held in step.claim(clock(), clock() + LEASE, 10):
        step.record(held, step.act(held), clock())  # type: ignore[func-returns-value]
    assert desk.row("associations").state == "removed"
    disk.mount()
    assert recovery.run().count == 1
    row = desk.row("associations")
    assert (row.state, row.instances) == ("held", 1)
    assert (disk.root / row.folder / "1.dcm").is_file()
