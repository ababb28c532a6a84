"""A power cut can take more than the power: a start quarantines what cannot be read, keeps the rest, and goes on."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from harness.data import make_instance
from hilum.ledger import reception
from hilum.ledger.database import Database
from hilum.ledger.tables import associations
from hilum.model import AETitle, AssociationId, AssociationInfo
from hilum.store.part10 import file_meta
from hilum.store.receive import StoreRule, StoreSettings
from hilum.store.recovery import Recovery
from hilum.store.rescan import rescan
from hilum.store.scan import Unreadable
from hilum.store.spool import AssociationFolder, Durability
from hilum.store.worker import HeldStep
from stage.ledger.clock import MovableClock
from stage.ledger.reception_desk import Reception, grouping


class Spool:
    """What a gateway that was killed has left: one open association."""

    def __init__(self, database: Database, clock: MovableClock, root: Path) -> None:
        root.mkdir()
        self.info = AssociationInfo(
            id=AssociationId("20261122T081500000001-00000001"),
            calling=AETitle("SCANNER"),
            called=AETitle("SCP"),
            host="10.0.0.5",
            port=50000,
            opened_at=clock(),
        )
        self.folder = AssociationFolder(root, self.info, Durability.INSTANCE).path
        with database.note() as connection:
            reception.opened(connection, self.info, owner="killed", folder=self.info.id)
        rule = StoreRule(grouping=grouping(), ignored=(), accept_broken=False)
        self.settings = StoreSettings(
            spool=root,
            rules=lambda _called: rule,
            durability=Durability.INSTANCE,
            aborted_retention=timedelta(days=1),
            log_data_sets=False,
        )
        self._recovery = Recovery(database=database, owner="next", clock=clock, settings=self.settings)
        self.held_step = HeldStep(
            database=database,
            owner="next",
            spool=lambda: root,
            grouping=lambda _called: rule.grouping,
            keep=lambda: timedelta(days=1),
        )

    def start(self) -> int:
        return self._recovery.run().count


@pytest.fixture
def left(database: Database, clock: MovableClock, tmp_path: Path) -> Spool:
    return Spool(database, clock, tmp_path / "incoming")


def test_instances_are_kept_when_only_the_record_of_their_association_is_damaged(
    left: Spool, desk: Reception, clock: MovableClock, tmp_path: Path
) -> None:
    shutil.copy(make_instance(tmp_path, sop_instance="1.1"), left.folder / "1.dcm")
    (left.folder / "association.json").write_bytes(b"")
    assert left.start() == 1
    row = desk.row("associations")
    assert (row.state, row.instances, row.calling) == ("held", 1, "SCANNER")
    assert not left.held_step.claim(clock(), clock.in_(60), 1)  # nothing is over
    assert (left.settings.spool / row.folder / "1.dcm").is_file()


def test_instances_of_nobody_are_left_alone_and_told(
    left: Spool, desk: Reception, database: Database, tmp_path: Path
) -> None:
    shutil.copy(make_instance(tmp_path, sop_instance="1.1"), left.folder / "1.dcm")
    (left.folder / "association.json").write_bytes(b"")
    with database.write() as connection:  # a power cut took back the note that it was open
        connection.execute(associations.delete())
    assert left.start() == 0
    assert (left.folder / "1.dcm").is_file()
    (line,) = desk.history(event="strange")
    assert (line.subject, line.why.split()[0]) == (str(left.folder), "1")
    assert line.remedy


def test_a_file_with_a_damaged_head_does_not_keep_the_gateway_from_starting(
    left: Spool, desk: Reception, tmp_path: Path
) -> None:
    good, bad = (make_instance(tmp_path, sop_instance=uid) for uid in ("1.1", "1.2"))
    meta = {
        "sop_class": "1.2.840.10008.5.1.4.1.1.2",
        "transfer_syntax": "1.2.840.10008.1.2.1",
        "calling": "TEST",
        "implementation_class_uid": "1.2.3",
        "implementation_version_name": "TEST",
    }
    sound, damaged = (file_meta(sop_instance=uid, **meta) for uid in ("1.2", "1x2"))
    assert sound in bad.read_bytes()
    bad.write_bytes(bad.read_bytes().replace(sound, damaged))
    shutil.copy(good, left.folder / "1.dcm")
    shutil.copy(bad, left.folder / "2.dcm")
    left.start()
    assert desk.fates() == [("1.1", "held")]
    (line,) = desk.history(event="quarantined")
    assert "group 0002" in line.why
    assert len(list((left.settings.spool / "quarantine").glob("*.dcm"))) == 1


def test_a_file_that_the_disk_cannot_read_is_unreadable_for_good() -> None:
    unreadable = Path("/proc/self/mem")  # reading at its beginning is an input/output error
    assert rescan(unreadable) == Unreadable(why="the disk cannot read it")
