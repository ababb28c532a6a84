"""How much waits where: the numbers that Prometheus asks for every few seconds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hilum.ledger import collecting, planning, reception, tables
from hilum.ledger.database import Database
from hilum.ledger.lease import Lease
from hilum.ledger.transition import apply
from hilum.ledger.vitals import Queue, Vitals, vitals
from hilum.model import GroupKind, JobId
from hilum.states import DeliveryEvent, Destination, Group, GroupEvent, Job, JobEvent
from stage.ledger.clock import MovableClock
from stage.ledger.reception_desk import NOTHING, Reception

JOB = planning.NewJob(
    id=JobId("one"),
    name="one",
    ae="SCP",
    workflow_name="lung",
    workflow="w",
    engine="local",
    destinations=(),
    folder=Path("/nowhere"),
    instances=0,
    bytes=0,
    tries=1,
)


def look(database: Database) -> Vitals:
    with database.read() as connection:
        return vitals(connection)


def numbers(queues: Mapping[Any, Queue]) -> dict[Any, int]:
    return {state: queue.number for state, queue in queues.items() if queue.number}


def test_an_empty_ledger_waits_for_nothing(database: Database) -> None:
    found = look(database)
    assert numbers(found.jobs) == numbers(found.groups) == numbers(found.deliveries) == {}
    assert (found.held, found.held_instances, found.spooled) == (Queue(), 0, 0)
    assert found.destinations == found.timers == {}


def test_groups_by_state_with_the_time_of_the_oldest(desk: Reception, clock: MovableClock) -> None:
    desk.rule("WINDOW", GroupKind.STUDY, timeout=60)
    began = clock()
    desk.send("1.1", ae="WINDOW", study="1")
    clock.forward(10)
    desk.send("1.2", ae="WINDOW", study="2")
    desk.send("1.3", "1.4", ae="SCP")
    found = look(desk.database)
    assert found.groups[Group.OPEN] == Queue(number=2, oldest=began)
    assert found.groups[Group.CLOSED] == Queue(number=1, oldest=clock())
    assert found.timers["group closes"] == began + timedelta(seconds=60)
    assert found.spooled == 4


def test_groups_that_have_their_jobs_are_not_counted(desk: Reception, clock: MovableClock) -> None:
    desk.send("1.1")
    (group,) = desk.rows("groups")
    with desk.database.write() as connection:
        apply(connection, tables.groups, group.id, GroupEvent.PLANNED, now=clock())
    assert numbers(look(desk.database).groups) == {}


def test_groups_that_nobody_wanted_are_counted_while_they_are_kept(desk: Reception, clock: MovableClock) -> None:
    desk.send("1.1")
    (group,) = desk.rows("groups")
    with desk.database.write() as connection:
        values = {"remove_at": clock.in_(100)}
        apply(connection, tables.groups, group.id, GroupEvent.NOT_WANTED, now=clock(), values=values)
    assert numbers(look(desk.database).groups) == {Group.STORED_ONLY: 1}


def test_held_associations_and_their_instances(desk: Reception, clock: MovableClock) -> None:
    ended = clock()
    for uids in (("1.1", "1.2"), ("1.3",)):
        association = desk.associate()
        for uid in uids:
            association.receive(uid)
        with desk.database.write() as connection:
            reception.broken(
                connection,
                association.info,
                association.received,
                NOTHING,
                why="connection lost",
                folder=f"held/{association.id}",
                remove_at=clock.in_(1000),
                now=clock(),
            )
        clock.forward(5)
    found = look(desk.database)
    assert found.held == Queue(number=2, oldest=ended)
    assert (found.held_instances, found.spooled) == (3, 3)
    assert found.timers["held association expires"] == ended + timedelta(seconds=1000)


@pytest.fixture
def job(desk: Reception, clock: MovableClock) -> str:
    """One that has just been made from the folder of somebody else, so that it waits to be collected."""
    with desk.database.write() as connection:
        planning.adopted(connection, JOB, now=clock())
    return JOB.id


def test_jobs_by_state_failed_ones_only_while_they_are_kept(desk: Reception, clock: MovableClock, job: str) -> None:
    made = clock()
    assert look(desk.database).jobs[Job.FINISHED] == Queue(number=1, oldest=made)
    with desk.database.write() as connection:
        values = {"remove_at": clock.in_(100)}
        apply(connection, tables.jobs, job, JobEvent.FAILED, now=clock(), values=values)
    assert numbers(look(desk.database).jobs) == {Job.FAILED: 1}
    with desk.database.write() as connection:
        apply(connection, tables.jobs, job, JobEvent.EXPIRED, now=clock(), values={"remove_at": None})
    assert numbers(look(desk.database).jobs) == {}


def _collected(desk: Reception, job: str, count: int, destinations: list[str], now: datetime) -> None:
    found = [
        collecting.NewResult(
            path=f"{number}.dcm",
            sop_class="1.2",
            sop_instance=f"1.2.{number}",
            transfer_syntax="1.2.840.10008.1.2.1",
            study="1",
            offset=1,
            size=1,
            sha256="ab",
        )
        for number in range(count)
    ]
    with desk.database.write() as connection:
        collecting.collected(connection, Lease(id=job, fence=0), found, [], destinations, now=now)


def test_due_deliveries_by_destination(desk: Reception, clock: MovableClock, job: str) -> None:
    queued = clock.forward(10)
    _collected(desk, job, 3, ["PACS", "ARCHIVE"], queued)
    clock.forward(10)
    with desk.database.write() as connection:
        for row in desk.rows("deliveries", destination="ARCHIVE"):
            later = {"not_before": clock.in_(300)}
            event = DeliveryEvent.FAILED_FOR_NOW
            apply(connection, tables.deliveries, row.id, event, now=clock(), values=later)
        first = desk.rows("deliveries", destination="PACS")[0]
        apply(connection, tables.deliveries, first.id, DeliveryEvent.ACCEPTED, now=clock())
    found = look(desk.database)
    assert found.deliveries == {"PACS": Queue(number=2, oldest=queued), "ARCHIVE": Queue(number=3, oldest=queued)}
    assert found.timers["delivery is tried"] == queued


def test_destinations_that_have_failed(desk: Reception, clock: MovableClock) -> None:
    down = {"id": "PACS", "state": Destination.DOWN, "since": clock(), "failures": 3, "not_before": clock.in_(30)}
    with desk.database.write() as connection:
        connection.execute(tables.destinations.insert(), down)
    found = look(desk.database)
    assert found.destinations["PACS"].state is Destination.DOWN
    assert found.destinations["PACS"].failures == 3
    assert found.timers["destination is asked"] == clock.in_(30)
