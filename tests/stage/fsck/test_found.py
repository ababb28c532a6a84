"""Each thing that can differ, made to differ once: found, explained, and mended where that is safe."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from harness.data import make_instance
from hilum.fsck import Finding, Kind
from hilum.job import payload
from hilum.ledger import planning
from hilum.ledger.planning import NewJob
from hilum.ledger.tables import groups, instances
from hilum.model import JobId
from stage.fsck.premises import Premises

Break = Callable[[Premises], object]
STRANGE = "20261122T081500000099-0000abcd"


def input_of(premises: Premises) -> Path:
    return min((premises.queued / "input").iterdir())


def result_of(premises: Premises) -> Path:
    return min((premises.collected / "output").glob("*.dcm"))


def flip(path: Path) -> None:
    """One bit of the pixels is another one."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.unlink()  # others may have a link to it
    path.write_bytes(content)


def copy_folder(premises: Premises) -> None:
    folder = premises.folder(premises.held)
    shutil.copytree(folder, premises.spool / folder.name)


def strange_folder(premises: Premises) -> None:
    (premises.spool / STRANGE).mkdir()
    make_instance(premises.spool / STRANGE).rename(premises.spool / STRANGE / "1.dcm")


def forget_removal(premises: Premises) -> None:
    premises.sweep()
    (premises.spool / premises.ready.id).mkdir()


def forget_letting_go(premises: Premises) -> None:
    premises.change(premises.held, state="removed", spooled=False)


def lose_rows(premises: Premises) -> None:
    with premises.database.write() as connection:
        connection.execute(
            instances.delete().where(instances.c.association_id == premises.held.id, instances.c.number == 2)
        )


def refer_to_nothing(premises: Premises) -> None:
    with premises.database.write() as connection:
        connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
    import sqlite3

    other = sqlite3.connect(premises.database.path)
    other.execute("UPDATE contributions SET association_id = 'x'")
    other.execute("INSERT INTO contributions VALUES ('nobody', 'Patient', 'k', '', 'SCP')")
    other.commit()
    other.close()


def plan_nothing(premises: Premises) -> None:
    with premises.database.write() as connection:
        connection.execute(groups.update().where(groups.c.ae == "WAITS").values(state="planned"))


def leave_part(premises: Premises) -> None:
    (premises.collected / ".receipt.json.part").write_text("{")
    (premises.collected / "output" / ".job.error.part").write_text("w")


LEFT = [
    (lambda p: shutil.rmtree(p.folder(p.waiting)), ["spool folder missing"]),
    (lambda p: shutil.rmtree(p.folder(p.held)), ["spool folder missing"]),
    (lambda p: (p.folder(p.waiting) / "2.dcm").unlink(), ["instance missing"]),
    (lambda p: (p.folder(p.held) / "1.dcm").write_bytes(b"short"), ["instance changed"]),
    (lambda p: ((f := p.folder(p.stored) / "1.dcm").unlink(), f.mkdir()), ["instance missing"]),
    (
        lambda p: ((f := p.folder(p.stored) / "1.dcm").rename(f.with_name("x")), f.symlink_to("x")),
        ["instance changed", "spool file unknown"],
    ),
    (lambda p: shutil.rmtree(p.queued), ["job folder missing"]),
    (lambda p: (p.queued / "job.meta").unlink(), ["job file missing"]),
    (lambda p: input_of(p).unlink(), ["input missing"]),
    (lambda p: input_of(p).write_bytes(b"short"), ["input changed"]),
    (lambda p: result_of(p).unlink(), ["result missing"]),
    (lambda p: result_of(p).write_bytes(b"short"), ["result changed"]),
    (lambda p: shutil.rmtree(p.payloads), ["root empty"]),
    (lambda p: shutil.rmtree(p.spool), ["root empty"]),
    (lose_rows, ["count wrong", "sum wrong", "spool file unknown"]),
    (refer_to_nothing, ["reference broken"]),
    (plan_nothing, ["group without jobs"]),
]


@pytest.mark.parametrize(
    ("break_it", "kinds"),
    # A server lets no reference be broken.
    [pytest.param(*one, marks=pytest.mark.sqlite if one[0] is refer_to_nothing else ()) for one in LEFT],
)
def test_what_only_the_operator_can_mend_is_explained_and_told_once(
    premises: Premises, break_it: Break, kinds: list[str]
) -> None:
    break_it(premises)
    assert premises.kinds() == premises.kinds(running=True) == kinds
    before = premises.desk.history()
    left = [one for one in premises.inspection.repair(premises.clock()) if not one.repaired]
    assert [str(one.kind) for one in left] == [kind for kind in kinds if kind != "spool file unknown"]
    assert all(one.found and one.expected and one.means and one.remedy for one in left)
    lines = premises.desk.history()[len(before) :]
    assert len(lines) == len(kinds)
    assert list(premises.inspection.repair(premises.clock())) == left
    assert len(premises.desk.history()) == len(before) + len(lines)


MENDED: list[tuple[Break, str]] = [
    (lambda p: shutil.rmtree(p.folder(p.ready)), "spool folder gone"),
    (forget_removal, "spool folder forgotten"),
    (forget_letting_go, "spool folder forgotten"),
    (lambda p: p.folder(p.held).rename(p.spool / p.held.id), "spool folder misplaced"),
    (copy_folder, "spool folder unknown"),
    (strange_folder, "spool folder unknown"),
    (lambda p: (p.folder(p.waiting) / "3.part").touch(), "spool file unknown"),
    (lambda p: (p.folder(p.waiting) / "3.dcm").touch(), "spool file unknown"),
    (lambda p: (p.folder(p.held) / "notes.txt").touch(), "spool file unknown"),
    (lambda p: (p.folder(p.ready) / "bytes-\udcff").touch(), "spool file unknown"),
    (lambda p: (p.payloads / (payload._BUILDING + "x")).mkdir(), "job folder unfinished"),
    (lambda p: (p.output / (payload._REMOVING + "x")).mkdir(), "job folder unfinished"),
    (lambda p: shutil.copytree(p.queued, p.payloads / "scp-lung-copy"), "job folder unknown"),
    (lambda p: (p.collected / ".receipt.json.part").touch(), "part file left"),
    (lambda p: (p.collected / "output" / ".job.error.part").touch(), "part file left"),
    (lambda p: shutil.rmtree(p.end_job().folder), "job folder missing"),
]


@pytest.mark.parametrize(("break_it", "kind"), MENDED)
def test_what_can_be_mended_is_mended_and_nothing_is_lost_by_it(premises: Premises, break_it: Break, kind: str) -> None:
    break_it(premises)
    before = len(premises.desk.history())
    inodes = contents(premises)
    assert premises.kinds() == [kind]
    [found] = premises.inspection.look(premises.clock())
    assert (found.repaired, found.repair is not None) == (False, True)

    [mended] = premises.inspection.repair(premises.clock())
    assert (str(mended.kind), mended.repaired) == (kind, True)
    assert inodes <= contents(premises)
    assert premises.look(deep=True) == []
    [line] = premises.desk.history()[before:]
    assert (line.machine, line.event) == (found.machine, kind)
    assert line.remedy
    assert line.why.isprintable()


def contents(premises: Premises) -> set[int]:
    """Everything that lies anywhere, whatever it is called."""
    return {Path(path).lstat().st_ino for path in premises.files()}


def test_what_is_moved_aside_has_the_reason_beside_it_and_a_name_of_its_own(premises: Premises) -> None:
    for _ in range(2):
        strange_folder(premises)
        premises.inspection.repair(premises.clock())
    quarantine = premises.spool / "quarantine"
    assert sorted(path.name for path in quarantine.iterdir()) == sorted(
        [STRANGE, f"{STRANGE}.txt", f"{STRANGE}-2", f"{STRANGE}-2.txt"]
    )
    assert "association.json is missing or damaged" in (quarantine / f"{STRANGE}.txt").read_text()


def test_a_folder_that_came_back_after_its_removal_is_swept(premises: Premises) -> None:
    premises.sweep()
    for association in (premises.ready, premises.held):
        folder = premises.folder(association)
        folder.mkdir(exist_ok=True)
    forget_letting_go(premises)
    premises.inspection.repair(premises.clock())
    premises.sweep()
    assert not premises.folder(premises.ready).exists()
    assert not premises.folder(premises.held).exists()
    assert premises.look() == []


def test_retention_records_the_end_of_a_job_whose_folder_is_gone(premises: Premises) -> None:
    job = premises.end_job()
    shutil.rmtree(job.folder)
    premises.inspection.repair(premises.clock())
    assert premises.desk.row("jobs", id=job.id).remove_at == premises.clock()
    assert premises.look() == []


def test_an_association_that_was_written_off_and_came_back_waits_for_the_next_start(premises: Premises) -> None:
    strange_folder(premises)
    with premises.database.write() as connection:
        connection.execute(
            text(
                "INSERT INTO associations (id, state, owner, calling, called, host, port, opened_at, folder, spooled)"
                " VALUES (:id, 'removed', 'o', 'A', 'B', 'h', 1, '2026-11-22 08:15:00', :id, false)"
            ),
            {"id": STRANGE},
        )
    assert premises.look() == []
    assert premises.kinds(running=True) == ["spool folder forgotten"]
    [finding] = premises.inspection.look(premises.clock(), running=True)
    assert (finding.repair, "restart" in finding.remedy) == (None, True)


@pytest.mark.parametrize(
    ("break_it", "kind"),
    [
        (lambda p: flip(p.folder(p.waiting) / "1.dcm"), "instance changed"),
        (lambda p: flip(input_of(p)), "input changed"),
        (lambda p: flip(result_of(p)), "result changed"),
        (
            lambda p: (p.folder(p.held) / "1.dcm").write_bytes(b"x" * (p.folder(p.held) / "1.dcm").stat().st_size),
            "instance changed",
        ),
    ],
)
def test_a_changed_byte_is_found_by_a_deep_look(premises: Premises, break_it: Break, kind: str) -> None:
    break_it(premises)
    assert premises.kinds() == []
    [finding] = premises.inspection.look(premises.clock(), deep=True)
    assert (str(finding.kind), "digest" in finding.found) == (kind, True)


@pytest.mark.sqlite
def test_a_damaged_database_says_so(premises: Premises) -> None:
    with premises.database.write() as connection:
        connection.exec_driver_sql("PRAGMA writable_schema=ON")
        connection.exec_driver_sql("UPDATE sqlite_schema SET rootpage = 3 WHERE name = 'ix_history_at'")
    premises.database.close()
    found = list(premises.inspection.look(premises.clock()))
    assert found
    assert {one.kind for one in found} == {Kind.LEDGER_DAMAGED}


def test_a_processor_that_chose_is_no_finding_until_one_of_its_choice_is_gone(premises: Premises) -> None:
    input_of(premises).unlink()
    job = premises.desk.row("jobs", state="queued")
    premises.change_job(job, instances=1)
    assert premises.look() == []
    input_of(premises).unlink()
    assert premises.kinds() == ["input missing"]


def test_a_result_that_was_put_aside_as_damaged_is_known(premises: Premises) -> None:
    (premises.collected / "quarantine").mkdir()
    result_of(premises).rename(premises.collected / "quarantine" / result_of(premises).name)
    assert premises.kinds() == ["result missing"]  # its delivery is due: somebody still waits for it
    with premises.database.write() as connection:
        connection.exec_driver_sql("UPDATE deliveries SET state = 'given up'")
    assert premises.look() == []


def test_a_job_that_was_taken_on_needs_no_input(premises: Premises) -> None:
    folder = premises.output / "by-hand"
    (folder / "output").mkdir(parents=True)
    (folder / "job.meta").write_text("w\n")
    job = NewJob(
        id=JobId("by-hand"),
        name="by-hand",
        ae="SCP",
        workflow_name="w",
        workflow="w",
        engine="folder",
        destinations=(),
        folder=folder,
        instances=0,
        bytes=0,
        tries=1,
    )
    with premises.database.write() as connection:
        planning.adopted(connection, job, now=premises.clock())
    assert premises.look() == []
    (folder / "job.meta").unlink()
    assert premises.kinds() == ["job file missing"]
    shutil.rmtree(folder)
    assert premises.kinds() == ["root empty"]
    (premises.output / "other").mkdir()
    assert premises.kinds() == ["job folder missing"]


def test_every_kind_of_finding_is_provoked() -> None:
    told = {kind for _, kinds in LEFT for kind in kinds} | {kind for _, kind in MENDED}
    assert told == {str(kind) for kind in Kind} - {"ledger damaged"}


def test_nothing_is_ever_called_repaired_that_has_no_repair() -> None:
    fields = Finding.__dataclass_fields__
    assert (fields["repair"].default, fields["repaired"].default) == (None, False)
