"""Every count counts: each is provoked on a site that was sound before, and named."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from crash.counts import Fault
from crash.rig import Rig
from crash.sender import Ending, Sender
from crash.trials import rigs

pytestmark = pytest.mark.sqlite


@pytest.fixture(scope="module")
def lived() -> Iterator[Rig]:
    """A site that has received and delivered three instances and holds one more; its gateway has ended."""
    with rigs() as make:
        rig = make()
        rig.start()
        sender = Sender(rig.ledger, rig.port)
        sender.association((200, 2000))
        sender.association((300,))
        sender.association((400,), ending=Ending.ABORT)
        rig.drain()
        assert rig.running.stop() == 0
        yield rig


@pytest.fixture
def rig(lived: Rig, tmp_path: Path) -> Iterator[Rig]:
    """It, put back afterwards as it was."""
    place = lived.places.spool.parent
    shutil.copytree(place, tmp_path / "before", symlinks=True)
    arrived, associations = list(lived.archive.arrived), list(lived.ledger.associations)
    yield lived
    shutil.rmtree(place)
    shutil.copytree(tmp_path / "before", place, symlinks=True)
    lived.archive.arrived[:], lived.ledger.associations[:] = arrived, associations


def test_a_sound_site_has_no_fault(rig: Rig) -> None:
    tally = rig.count()
    tally.check()
    assert (tally.acknowledged, tally.released, tally.held, tally.unknown) == (4, 3, 1, 0)


def _one(rig: Rig, pattern: str) -> Path:
    return next(iter(sorted(rig.places.spool.parent.rglob(pattern))))


def _do(rig: Rig, statement: str) -> None:
    with closing(sqlite3.connect(rig.places.ledger)) as connection, connection:
        connection.execute("PRAGMA foreign_keys=OFF")
        assert connection.execute(statement).rowcount > 0


def _flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def _lose_job(rig: Rig) -> None:
    shutil.rmtree(_one(rig, "payloads/[!.]*"))


def _copy_job(rig: Rig) -> None:
    old = _one(rig, "payloads/[!.]*")
    shutil.copytree(old, old.with_name("second"))
    columns = "state, group_id, ae, workflow_name, workflow, engine, destinations, instances, bytes, attempt"
    columns += ", last_attempt, created_at, not_before"
    _do(
        rig,
        f"INSERT INTO jobs (id, name, folder, {columns})"
        f" SELECT 'second', 'second', '{old.with_name('second')}', {columns} FROM jobs WHERE folder = '{old}'",
    )


def _hold_what_is_in_a_job(rig: Rig) -> None:
    _do(
        rig,
        "UPDATE instances SET sop_instance = (SELECT sop_instance FROM instances WHERE fate = 'grouped' LIMIT 1)"
        " WHERE fate = 'held'",
    )


def _lose_held(rig: Rig) -> None:
    shutil.rmtree(_one(rig, "spool/held/*"))


def _lose_arrival(rig: Rig) -> None:
    del rig.archive.arrived[0]


def _repeat_arrival(rig: Rig) -> None:
    rig.archive.arrived.append(rig.archive.arrived[0])


def _change_arrival(rig: Rig) -> None:
    rig.archive.arrived[0].digest = "0" * 64


def _forget_sending(rig: Rig) -> None:
    del rig.ledger.associations[0]


def _damage_ledger(rig: Rig) -> None:
    with rig.places.ledger.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xff" * 8 * 4096)


PROVOKED: dict[str, tuple[Fault, Callable[[Rig], object]]] = {
    "a job's folder is gone": (Fault.NO_JOB, _lose_job),
    "an input file is gone": (Fault.NO_JOB, lambda rig: _one(rig, "input/*.dcm").unlink()),
    "a job is there twice": (Fault.TWO_JOBS, _copy_job),
    "an instance is in a job and held": (Fault.TWO_JOBS, _hold_what_is_in_a_job),
    "a held folder is gone": (Fault.NOT_HELD, _lose_held),
    "a held instance has no row": (Fault.NOT_HELD, lambda rig: _do(rig, "DELETE FROM instances WHERE fate = 'held'")),
    "the PACS lacks one": (Fault.NOT_DELIVERED, _lose_arrival),
    "one byte of an input is other": (Fault.OTHER_BYTES, lambda rig: _flip(_one(rig, "input/*.dcm"), -5)),
    "one byte of a result is other": (Fault.OTHER_BYTES, lambda rig: _flip(_one(rig, "output/*.dcm"), -5)),
    "one byte of a held one is other": (Fault.OTHER_BYTES, lambda rig: _flip(_one(rig, "held/*/1.dcm"), -5)),
    "the PACS got other bytes": (Fault.OTHER_BYTES, _change_arrival),
    "a part of an instance": (Fault.UNKNOWN_FILE, lambda rig: _one(rig, "held/*/1.dcm").with_name("2.part").touch()),
    "a folder of the spool": (Fault.UNKNOWN_FILE, lambda rig: (rig.places.spool / "20260101T000000000000-00").mkdir()),
    "a folder being built": (Fault.UNKNOWN_FILE, lambda rig: (rig.places.payloads / ".building-x").mkdir()),
    "a folder being removed": (Fault.UNKNOWN_FILE, lambda rig: (rig.places.payloads / ".removing-x").mkdir()),
    "half a receipt": (Fault.UNKNOWN_FILE, lambda rig: _one(rig, "receipt.json").with_name(".receipt.part").touch()),
    "an input too many": (Fault.UNKNOWN_FILE, lambda rig: _one(rig, "input/*.dcm").with_name("1.2.3.dcm").touch()),
    "no receipt": (Fault.MISSING_FILE, lambda rig: _one(rig, "receipt.json").unlink()),
    "no result": (Fault.MISSING_FILE, lambda rig: _one(rig, "output/*.dcm").unlink()),
    "no description": (Fault.MISSING_FILE, lambda rig: _one(rig, "held/*/association.json").unlink()),
    "an instance that nobody sent": (Fault.PHANTOM, _forget_sending),
    "a delivery twice": (Fault.REPEATED, _repeat_arrival),
    "a damaged ledger": (Fault.LEDGER, _damage_ledger),
}


@pytest.mark.parametrize(("fault", "provoke"), PROVOKED.values(), ids=PROVOKED.keys())
def test_what_is_wrong_is_counted(rig: Rig, fault: Fault, provoke: Callable[[Rig], object]) -> None:
    provoke(rig)
    assert fault in rig.count().faults


#: See ``cluster.test_counts``.
OF_A_CLUSTER = {Fault.RUN_TWICE, Fault.RUN_AGAIN, Fault.CUT_OFF}


def test_every_fault_is_provoked() -> None:
    assert {fault for fault, _ in PROVOKED.values()} == set(Fault) - OF_A_CLUSTER
