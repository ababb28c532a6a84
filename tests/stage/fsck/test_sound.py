"""Where nothing is wrong nothing is found: neither in rest nor between two steps."""

from __future__ import annotations

import shutil

import pytest

from hilum import states
from hilum.fsck import Inspection
from hilum.job import payload
from hilum.ledger import work
from hilum.ledger.tables import groups
from hilum.model import GroupKind
from stage.fsck.premises import DAY, Premises


def test_nothing_is_found_where_everything_is_in_order(premises: Premises) -> None:
    assert premises.look(deep=True) == premises.look(deep=True, running=True) == []
    assert premises.at_start() == []
    assert list(premises.inspection.repair(premises.clock(), deep=True)) == []
    assert not [line for line in premises.desk.history() if line.machine == "folder"]


def test_an_empty_site_has_nothing_wrong(premises: Premises) -> None:
    empty = Inspection(database=premises.database, spool=premises.spool.with_name("none"), roots=())
    with premises.database.write() as connection:
        for table in ("deliveries", "results", "jobs", "instances", "groups", "associations"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
    assert list(empty.look(premises.clock())) == []
    assert list(empty.at_start(premises.clock())) == []


def test_an_association_that_is_open_is_none_of_its_business(premises: Premises) -> None:
    incoming = premises.desk.associate().receive("1.1")
    (premises.folder(incoming) / "2.part").touch()
    assert premises.look() == premises.look(running=True) == []
    shutil.rmtree(premises.folder(incoming))
    assert premises.look() == premises.look(running=True) == []


def test_what_the_next_start_takes_up_is_no_finding_while_no_gateway_runs(premises: Premises) -> None:
    (premises.spool / "20261122T081500000099-0000abcd").mkdir()  # never answered: the start removes it
    assert premises.look() == []
    assert [kind for kind, _ in premises.look(running=True)] == ["spool folder unknown"]


def test_what_is_about_to_be_removed_may_be_gone(premises: Premises) -> None:
    job = premises.end_job()
    premises.clock.forward(86400 * 31)
    premises.change(premises.held, remove_at=premises.clock())
    shutil.rmtree(premises.folder(premises.held))
    removing = premises.payloads / (payload._REMOVING + job.name)
    (premises.payloads / job.name).rename(removing)
    assert premises.look() == premises.look(running=True) == []
    shutil.rmtree(removing)
    assert premises.look() == premises.look(running=True) == []


def test_a_folder_whose_job_is_being_made_is_no_finding(premises: Premises) -> None:
    premises.receive("SCP", 1)
    (claimed,) = premises.planning.step.claim(premises.clock(), premises.clock() + DAY, 10)
    premises.planning.step.act(claimed)
    (premises.payloads / (payload._BUILDING + "another")).mkdir()
    assert premises.look() == premises.look(running=True) == []


def test_a_folder_that_somebody_else_made_is_none_of_its_business(premises: Premises) -> None:
    for root in (premises.payloads, premises.output):
        (root / "by-hand" / "output").mkdir(parents=True)
        (root / "by-hand" / "job.meta").write_text("w")
    (premises.spool / "notes").mkdir()
    (premises.payloads / "notes.txt").touch()
    assert premises.look() == []


def test_the_running_gateway_gets_time_to_record_what_it_does(premises: Premises) -> None:
    association = premises.receive("SCP", 1)
    premises.run()

    def sweep_meanwhile(_seconds: float) -> None:
        premises.change(association, spooled=False)

    shutil.rmtree(premises.folder(association))
    inspection = Inspection(
        database=premises.database,
        spool=premises.spool,
        roots=(premises.payloads, premises.output),
        pause=sweep_meanwhile,
    )
    assert premises.kinds() == ["spool folder gone"]
    assert list(inspection.look(premises.clock(), running=True)) == []


def test_what_counts_for_nothing_may_be_missing(premises: Premises) -> None:
    premises.desk.rule("TWICE", GroupKind.PATIENT, 60)
    premises.desk.send("1.7", ae="TWICE")
    second = premises.desk.send("1.7", ae="TWICE")
    (premises.folder(second) / "1.dcm").unlink()
    assert premises.look() == []


@pytest.mark.parametrize("state", [states.Group.STORED_ONLY, states.Group.PARKED])
def test_a_group_that_waits_keeps_its_files_needed(premises: Premises, state: states.Group) -> None:
    with premises.database.write() as connection:
        connection.execute(groups.update().where(groups.c.ae == "WAITS").values(state=state))
    assert premises.look() == []
    (premises.folder(premises.waiting) / "2.dcm").unlink()
    assert premises.kinds() == ["instance missing"]


def test_a_job_that_was_cancelled_keeps_its_folder(premises: Premises) -> None:
    job = premises.desk.row("jobs", state="queued")
    with premises.database.write() as connection:
        work.ask_cancel(connection, job.id, now=premises.clock())
    assert premises.look() == []


def test_a_job_folder_that_is_about_to_be_taken_on_is_no_finding(premises: Premises) -> None:
    done = shutil.copytree(premises.queued, premises.payloads / "scp-lung-copy") / "output" / "job.done"
    assert premises.kinds() == ["job folder unknown"]
    done.touch()
    assert premises.look() == []
    done.with_name("job.error").touch()
    assert premises.kinds() == ["job folder unknown"]
