from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from hilum.ledger import holding, reception, tables
from hilum.ledger.database import Database
from hilum.ledger.port import LedgerConflictError
from hilum.ledger.reception import Tally
from hilum.model import GroupKind
from stage.ledger.clock import MovableClock
from stage.ledger.reception_desk import NOTHING, Reception


def test_an_open_association_is_known_before_it_ends(desk: Reception, database: Database) -> None:
    association = desk.associate().receive("1.1")
    with database.read() as connection:
        row = reception.known(connection, association.id)
        assert row is not None
        assert (row.state, row.owner, row.folder, row.spooled) == ("open", "gateway", association.id, True)
        assert reception.info_of(row) == association.info
        assert [orphan.id for orphan in reception.orphans(connection)] == [association.id]
        assert reception.known(connection, "another") is None


def test_a_release_records_everything_in_one_transaction(desk: Reception, clock: MovableClock) -> None:
    association = desk.associate().receive("1.1", content="12345").receive("1.2", content="123")
    clock.forward(9)
    association.release(ignored={"1.2.840.10008.5.1.4.1.1.7": 3}, refused=2)
    row = desk.row("associations")
    assert (row.state, row.instances, row.bytes, row.ignored, row.refused) == ("released", 2, 8, 3, 2)
    assert row.ended_at == clock()
    one = desk.rows("instances")[0]
    assert (one.association_id, one.number, one.sop_instance, one.size) == (association.id, 1, "1.1", 5)
    assert (one.modality, one.patient_id, one.study, one.series) == ("CT", "P1", "1.1", "1.1.1")
    assert one.group_id == desk.row("groups").id


def test_a_release_that_fails_halfway_leaves_the_association_open_and_nothing_grouped(desk: Reception) -> None:
    association = desk.associate().receive("1.1").receive("1.2")
    association.received[1] = association.received[0]  # the same number twice: the rows cannot be written
    with pytest.raises((IntegrityError, LedgerConflictError)):
        association.release()
    assert association.state == "open"
    assert desk.groups() == []
    assert desk.fates() == []
    assert {line.event for line in desk.history()} == {"made"}


def test_ignored_instances_have_a_line_of_history_for_each_class(desk: Reception) -> None:
    desk.associate().receive("1.1").release(ignored={"1.2.3": 5, "1.2.4": 1})
    lines = desk.history(event="ignored")
    assert [line.why for line in lines] == [
        "5 instances of SOP class 1.2.3 were answered with success and not stored",
        "1 instances of SOP class 1.2.4 were answered with success and not stored",
    ]
    assert all("ignored-sop-classes of SCP" in line.remedy for line in lines)


def test_of_an_association_that_kept_nothing_only_history_stays(desk: Reception, database: Database) -> None:
    desk.rule("SCP", GroupKind.PATIENT, 60)
    association = desk.associate().receive("1.1")
    with database.note() as connection:
        reception.empty(connection, association.info, Tally(ignored={"1.2.3": 1}, refused=1), now=desk.clock())
    assert desk.rows("associations") == []
    assert [line.event for line in desk.history()] == ["made", "ignored"]
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM contributions").scalar() == 0


def test_an_association_that_is_gone_with_its_folder_can_be_written_off(
    desk: Reception, database: Database, clock: MovableClock
) -> None:
    """Nothing of it is known any more but that it was open."""
    association = desk.associate().receive("1.1")
    with database.write() as connection:
        reception.broken(
            connection,
            association.info,
            (),
            NOTHING,
            why="gateway stopped",
            folder=association.id,
            remove_at=clock(),
            now=clock(),
        )
    row = desk.row("associations")
    assert (row.state, row.instances, row.why) == ("held", 0, "gateway stopped")
    assert desk.rows("instances") == []


def test_the_folder_of_an_association_is_needed_until_all_its_groups_are_planned_or_removed(
    desk: Reception, database: Database, clock: MovableClock
) -> None:
    desk.rule("SCP", GroupKind.PATIENT, 60)
    association = desk.send("1.1")
    desk.associate().receive("1.2", patient="P1").receive("1.3", patient="P2").release()
    other = desk.rows("associations")[1].id

    def sweepable() -> set[str]:
        with database.read() as connection:
            return {row.id for row in reception.sweepable(connection, 10)}

    def make(state: str, key: str) -> None:
        with database.write() as connection:
            connection.execute(update(tables.groups).where(tables.groups.c.key == key).values(state=state))

    assert sweepable() == set()
    for state in ("closed", "stored only", "parked"):
        make(state, "P1")
        assert sweepable() == set()
    make("planned", "P1")
    assert sweepable() == {association.id}
    make("removed", "P2")
    assert sweepable() == {association.id, other}
    with database.note() as connection:
        reception.swept(connection, association.id)
    assert sweepable() == {other}


def test_the_folder_of_an_association_that_is_open_or_held_is_never_swept(desk: Reception, database: Database) -> None:
    desk.associate().receive("1.1")
    desk.associate().receive("1.2").abort()
    with database.read() as connection:
        assert reception.sweepable(connection, 10) == []


def test_the_oldest_held_association_is_looked_after_first(
    desk: Reception, database: Database, clock: MovableClock
) -> None:
    held = []
    for _ in range(3):
        held.append(desk.associate().receive("1.1"))
        clock.forward(1)
    for one in reversed(held):
        one.abort(retention=0)
    with database.write() as connection:
        rows = holding.claim_held(connection, owner="me", now=clock(), until=clock() + timedelta(minutes=1), limit=2)
    assert [row.id for row in rows] == [held[0].id, held[1].id]
