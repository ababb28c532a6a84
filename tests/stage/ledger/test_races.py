"""Gateways that write into one ledger at the same moment: on a server they do not queue, and nothing is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import Connection, text

from harness.postgres import Server
from harness.waiting import eventually
from hilum.ledger import dispatch, grouping, reception, tables
from hilum.ledger.database import Database
from hilum.ledger.port import Mode
from hilum.model import GroupKind
from hilum.states import Delivery, GroupEvent, Job
from stage.ledger.clock import MovableClock
from stage.ledger.reception_desk import NOTHING, Incoming, Reception


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.discard()


@pytest.fixture
def database(server: Server) -> Iterator[Database]:
    with closing(Database(server.new())) as database:
        yield database


@pytest.fixture
def desk(database: Database, clock: MovableClock) -> Reception:
    desk = Reception(database, clock, spool=None)
    desk.rule("SCP", GroupKind.STUDY, timeout=30)
    return desk


@contextmanager
def _at_once(work: Callable[[], object]) -> Iterator[Callable[[], None]]:
    """Gives what does it in another thread, which is over when the block is left."""
    thread = threading.Thread(target=work)
    with ExitStack() as stack:
        stack.callback(thread.join)
        yield thread.start


def _somebody_waits(database: Database) -> bool:
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with database.read() as connection:
        return bool(connection.execute(waiting).scalar())


def _release(desk: Reception, association: Incoming) -> None:
    """As the store does it."""
    released = (association.info, association.received, desk.grouping("SCP"), NOTHING)
    desk.database.repeat(Mode.WRITE, lambda connection: reception.released(connection, *released, now=desk.clock()))


def test_nothing_gets_into_a_group_that_is_just_being_closed(desk: Reception) -> None:
    desk.send("1.1")
    late = desk.associate().receive("1.2")
    (group,) = desk.rows("groups")
    with _at_once(lambda: _release(desk, late)) as begin, desk.database.write() as connection:
        grouping.close(connection, group.id, GroupEvent.CLOSE_ASKED, now=desk.clock())
        begin()
        eventually(lambda: _somebody_waits(desk.database), what="the release to wait")
    assert [(one["state"], one["uids"]) for one in desk.groups()] == [("closed", ["1.1"]), ("open", ["1.2"])]


def test_a_window_that_is_just_being_added_to_is_left_open(desk: Reception, clock: MovableClock) -> None:
    desk.send("1.1")
    clock.forward(60)
    with desk.database.write() as connection:
        assert len(grouping.take_due(connection, clock(), 10)) == 1
        with desk.database.write() as other:
            assert grouping.take_due(other, clock(), 10) == []


def test_a_window_is_opened_once_though_two_gateways_need_it(desk: Reception) -> None:
    first, second = desk.associate().receive("1.1"), desk.associate().receive("1.2")
    released = (first.info, first.received, desk.grouping("SCP"), NOTHING)
    with _at_once(lambda: _release(desk, second)) as begin, desk.database.write() as connection:
        reception.released(connection, *released, now=desk.clock())
        begin()
        eventually(lambda: _somebody_waits(desk.database), what="the other release to wait")
    assert [(one["state"], one["uids"]) for one in desk.groups()] == [("open", ["1.1", "1.2"])]


def test_a_window_that_ran_out_is_closed_once(desk: Reception, clock: MovableClock) -> None:
    desk.send("1.1")
    clock.forward(60)
    key = desk.associate().receive("1.2").received[0].key  # closes it on its way
    with desk.database.write() as connection:
        grouping.close_if_over(connection, "SCP", key, clock())
        assert grouping.take_due(connection, clock(), 10) == []
    assert len(desk.history(machine="group", event="window ended")) == 1


def test_who_comes_second_for_deliveries_gets_none(database: Database, clock: MovableClock) -> None:
    with database.write() as connection:
        _make_due(connection, clock)
    until = clock() + timedelta(minutes=1)
    with database.write() as first, database.write() as second:
        taken = dispatch.claim_parcel(first, owner="a", now=clock(), until=until, avoid=())
        assert taken is not None
        assert dispatch.claim_parcel(second, owner="b", now=clock(), until=until, avoid=()) is None


def _make_due(connection: Connection, clock: MovableClock) -> None:
    """One job with one result that is due for one destination."""
    now = clock()
    names = {name: name for name in ("id", "name", "ae", "workflow_name", "workflow", "engine", "folder")}
    numbers = dict.fromkeys(("instances", "bytes", "attempt", "last_attempt"), 1)
    job = names | numbers | {"state": Job.COLLECTED, "destinations": ["PACS"], "created_at": now, "not_before": now}
    connection.execute(tables.jobs.insert(), job)
    same = dict.fromkeys(("path", "sop_class", "sop_instance", "transfer_syntax", "study", "sha256"), "1.2")
    connection.execute(tables.results.insert(), same | {"id": 1, "job_id": "id", "offset": 0, "size": 1})
    due = {"job_id": "id", "result_id": 1, "destination": "PACS", "state": Delivery.DUE}
    connection.execute(tables.deliveries.insert(), due | {"queued_at": now, "not_before": now})
