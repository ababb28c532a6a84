"""Ledger or disk may be unwell just when an association ends: its end is recorded when they are well again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path

import pytest

from harness.data import CT_IMAGE_STORAGE, make_instance
from harness.ledgers import Ledgers
from hilum.association.sink import Ending
from hilum.errors import TemporaryError
from hilum.group.worker import CloseStep
from hilum.ledger import sqlite
from hilum.ledger.database import Database
from hilum.ledger.lease import MAX_BEGUN
from hilum.model import AETitle, AssociationId, AssociationInfo, GroupKind, StoreRequest, Uid
from hilum.store.disk import Watermark
from hilum.store.receive import SpoolReceiver, SpoolSink, SpoolWriter, StoreRule, StoreSettings
from hilum.store.recovery import Recovery
from hilum.store.rescan import Scanned, rescan
from hilum.store.spool import Durability
from hilum.store.worker import EndStep
from hilum.wire import EXPLICIT_LE
from stage.ledger.clock import MovableClock
from stage.ledger.reception_desk import Reception, grouping

Locked = Callable[[], AbstractContextManager[None]]


@pytest.fixture
def ledger_url(ledgers: Ledgers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A ledger that is busy at once when it is locked."""
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0)
    return ledgers.hasty(ledgers.new(tmp_path))


@pytest.fixture
def receiver(database: Database, clock: MovableClock, tmp_path: Path) -> SpoolReceiver:
    spool = tmp_path / "incoming"
    spool.mkdir()
    rule = StoreRule(grouping=grouping(GroupKind.PATIENT, 60), ignored=(), accept_broken=False)
    settings = StoreSettings(
        spool=spool,
        rules=lambda _called: rule,
        durability=Durability.INSTANCE,
        aborted_retention=timedelta(days=1),
        log_data_sets=False,
    )
    return SpoolReceiver(
        database=database,
        owner="gateway",
        clock=clock,
        watermark=Watermark((), 100, 0, clock=lambda: 0.0),
        settings=lambda: settings,
        released=lambda: None,
    )


@pytest.fixture
def locked(ledgers: Ledgers, ledger_url: str) -> Locked:
    """While this lasts nothing can be written."""
    return lambda: ledgers.locked(ledger_url)


def associated(receiver: SpoolReceiver, number: int) -> SpoolSink:
    return receiver.open(
        AssociationInfo(
            id=AssociationId(f"20261122T081500{number:06}-{number:08x}"),
            calling=AETitle("SCANNER"),
            called=AETitle("SCP"),
            host="10.0.0.5",
            port=50000,
            opened_at=receiver.clock(),
        )
    )


def store(sink: SpoolSink, uid: str, folder: Path) -> int:
    """Send one instance of the same patient; the status it is answered with."""
    path = make_instance(folder, sop_instance=uid, patient="P1")
    found = rescan(path)
    assert isinstance(found, Scanned)
    request = StoreRequest(
        sop_class=Uid(CT_IMAGE_STORAGE), sop_instance=Uid(uid), transfer_syntax=Uid(EXPLICIT_LE), message_id=1
    )
    writer = sink.begin(request)
    if not isinstance(writer, SpoolWriter):
        return writer.status
    writer.write([memoryview(path.read_bytes())[found.meta.data_set_offset :]])
    return writer.finish().status


def test_a_window_does_not_wait_for_ever_for_an_association_whose_end_was_lost(
    receiver: SpoolReceiver, desk: Reception, locked: Locked, clock: MovableClock, tmp_path: Path
) -> None:
    whole, cut_off = associated(receiver, 1), associated(receiver, 2)
    assert store(whole, "1.1", tmp_path) == 0
    assert store(cut_off, "1.2", tmp_path) == 0
    whole.release()
    with locked():
        cut_off.broken(Ending.LOST, "the connection ended")  # never raises
    close = CloseStep(database=receiver.database)
    step = EndStep(unrecorded=receiver.unrecorded)
    clock.forward(61)

    (ended,) = step.claim(clock(), clock(), 1)
    with locked(), pytest.raises(TemporaryError) as error:
        step.act(ended)
    step.failed(ended, error.value, clock())
    assert not close.claim(clock(), clock(), 1)

    (ended,) = step.claim(clock(), clock(), 1)
    step.act(ended)
    assert not step.claim(clock(), clock(), 1)
    held = desk.row("associations", id=cut_off.info.id)
    assert (held.state, held.instances, held.folder) == ("held", 1, f"held/{cut_off.info.id}")
    assert (receiver.settings().spool / held.folder / "1.dcm").is_file()
    assert len(close.claim(clock(), clock(), 1)) == 1
    assert desk.row("groups").state == "closed"


def test_a_release_that_was_recorded_although_the_ledger_reported_an_error_stands(
    receiver: SpoolReceiver, desk: Reception, tmp_path: Path
) -> None:
    sink = associated(receiver, 1)
    assert store(sink, "1.1", tmp_path) == 0
    sink.release()
    sink.broken(Ending.FAILED, "the ledger reported an error")
    row = desk.row("associations")
    assert row.state == "released"
    assert (receiver.settings().spool / row.folder / "1.dcm").is_file()
    assert not receiver.unrecorded


def test_an_instance_can_be_stored_after_one_that_met_a_busy_ledger(
    receiver: SpoolReceiver, locked: Locked, tmp_path: Path
) -> None:
    sink = associated(receiver, 1)
    with locked():
        assert store(sink, "1.1", tmp_path) == 0xA700
    assert list(receiver.settings().spool.iterdir()) == []
    assert store(sink, "1.2", tmp_path) == 0


def test_a_ledger_that_is_away_while_an_association_is_recovered_makes_nobody_suspicious(
    receiver: SpoolReceiver, desk: Reception, locked: Locked, tmp_path: Path
) -> None:
    """A start that fails, or tries again, has not been ended by what it read."""
    sink = associated(receiver, 1)
    assert store(sink, "1.1", tmp_path) == 0
    recovery = Recovery(database=receiver.database, owner="next", clock=receiver.clock, settings=receiver.settings())
    for _ in range(MAX_BEGUN + 2):
        with locked(), pytest.raises(TemporaryError):
            recovery.run()
    assert recovery.run().count == 1
    held = desk.row("associations", id=sink.info.id)
    assert (held.state, held.instances) == ("held", 1)
    assert {path.name for path in (receiver.settings().spool / held.folder).iterdir()} == {"1.dcm", "association.json"}
    assert desk.history(event="strange") == []
