"""The account of everything that was received: it lists each instance, and it adds up."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import text

from hilum.ledger import account, planning
from hilum.ledger.account import Account, Entry, Sums
from hilum.ledger.database import Database
from hilum.ledger.grouping import Fate
from hilum.ledger.tables import instances, jobs
from hilum.ledger.whereabouts import Place
from hilum.model import GroupKind
from stage.job.planning import Planning, Workflow
from stage.ledger.clock import MovableClock
from stage.ledger.reception_desk import Reception


def read(database: Database) -> tuple[list[Entry], Sums]:
    with database.read() as connection:
        book = Account(connection)
        return list(book.entries()), book.sums()


def test_an_empty_ledger_adds_up(database: Database) -> None:
    entries, sums = read(database)
    assert (entries, sums.received, sums.accounted, sums.adds_up) == ([], 0, 0, True)


def test_every_instance_is_listed_with_where_it_is(desk: Reception, tmp_path: Path) -> None:
    made = Planning(desk, tmp_path / "payloads", workflows=(Workflow(), Workflow(name="liver")))
    desk.rule("WAITS", GroupKind.PATIENT, 60)
    desk.send("1.1", "1.2", ae="WAITS")
    desk.send("1.2", ae="WAITS")
    desk.associate().receive("2.1").abort()
    desk.associate("SCP").receive("3.1").receive("3.2").release(ignored={"1.2.3": 4}, refused=1)
    made.run()
    entries, sums = read(desk.database)
    assert [(one.sop_instance, one.fate, one.place) for one in entries] == [
        ("1.1", Fate.GROUPED, Place.GROUPED),
        ("1.2", Fate.GROUPED, Place.GROUPED),
        ("1.2", Fate.DUPLICATE, Place.IGNORED),
        ("2.1", Fate.HELD, Place.HELD),
        ("3.1", Fate.GROUPED, Place.IN_JOBS),
        ("3.2", Fate.GROUPED, Place.IN_JOBS),
    ]
    assert [job.state for job in entries[-1].jobs] == ["queued", "queued"]
    assert sums.received == 6 + 4
    assert {place: number for place, number in sums.places.items() if number} == {
        Place.GROUPED: 2,
        Place.IN_JOBS: 2,
        Place.IGNORED: 1 + 4,
        Place.HELD: 1,
    }
    assert sums.adds_up
    with desk.database.read() as connection:
        assert account.sums(connection) == sums


def test_removed_and_damaged_ones_have_their_places(desk: Reception, tmp_path: Path) -> None:
    made = Planning(desk, tmp_path / "payloads", workflows=(Workflow(), Workflow(name="liver")))
    desk.send("1.1", "1.2")
    made.run()
    with desk.database.write() as connection:
        connection.execute(instances.update().where(instances.c.number == 2).values(fate=Fate.DAMAGED))
        connection.execute(jobs.update().where(jobs.c.workflow_name == "liver").values(state="removed"))
    assert [one.place for one in read(desk.database)[0]] == [Place.IN_JOBS, Place.QUARANTINED]
    with desk.database.write() as connection:
        connection.execute(jobs.update().values(state="removed"))
    entries, sums = read(desk.database)
    assert [one.place for one in entries] == [Place.REMOVED, Place.QUARANTINED]
    assert sums.adds_up


def test_deliveries_are_counted_by_their_state(desk: Reception, tmp_path: Path) -> None:
    made = Planning(desk, tmp_path / "payloads")
    desk.send("1.1")
    made.run()
    job = desk.row("jobs").id
    with desk.database.write() as connection:
        for number, state in enumerate(("due", "delivered", "delivered")):
            connection.execute(
                text(
                    'INSERT INTO results (id, job_id, path, sop_class, sop_instance, transfer_syntax, study, "offset",'
                    " size, sha256) VALUES (:n, :job, :n, '', '', '', '', 0, 0, '')"
                ),
                {"n": number, "job": job},
            )
            connection.execute(
                text(
                    "INSERT INTO deliveries (job_id, result_id, destination, state, queued_at, not_before)"
                    " VALUES (:job, :n, 'PACS', :state, '2026-11-22 08:15:00', '2026-11-22 08:15:00')"
                ),
                {"n": number, "job": job, "state": state},
            )
    [entry] = read(desk.database)[0]
    assert entry.deliveries == {"due": 1, "delivered": 2}


def test_a_row_that_is_gone_is_missed(desk: Reception) -> None:
    desk.send("1.1", "1.2")
    with desk.database.write() as connection:
        connection.execute(instances.delete().where(instances.c.number == 2))
    _, sums = read(desk.database)
    assert (sums.received, sums.accounted, sums.adds_up) == (2, 1, False)


def test_one_moment_is_told_whatever_is_received_meanwhile(desk: Reception, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.send(*(f"1.{number}" for number in range(1, 1200)))
    with desk.database.read() as connection:
        book = Account(connection)
        entries = book.entries()
        first = next(entries)
        desk.send("2.1")
        assert (first.number, len(list(entries)), book.sums().received, book.sums().adds_up) == (1, 1198, 1199, True)


def test_the_memory_does_not_grow_with_what_was_received(
    desk: Reception, clock: MovableClock, database: Database
) -> None:
    for association in range(8):
        desk.send(*(f"1.{association}.{number}" for number in range(1, 1000)))
    with database.read() as connection:
        book = Account(connection)
        tracemalloc.start()
        peaks, count = [], Counter[str]()
        for one in book.entries():
            count[one.association] += 1
            if one.number == 999:
                peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert sum(count.values()) == 8 * 999
    assert peaks[-1] < peaks[1] * 1.2


def test_groups_that_are_planned_for_nothing_still_add_up(desk: Reception, tmp_path: Path) -> None:
    desk.send("1.1")
    with desk.database.write() as connection:
        [(lease, _)] = planning.claim_closed(
            connection, owner="me", now=desk.clock(), until=desk.clock.in_(60), limit=1
        )
        planning.planned(connection, lease, [], now=desk.clock())
    entries, sums = read(desk.database)
    assert ([one.place for one in entries], sums.adds_up) == ([Place.REMOVED], True)
