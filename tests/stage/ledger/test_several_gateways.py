"""Two gateways on one ledger: what SQLite's single writer gives for nothing, a server has to be asked for."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from itertools import count

import pytest
from sqlalchemy import func, select

from harness.waiting import eventually
from hilum import states
from hilum.group.worker import CloseStep
from hilum.ledger import destinations, dispatch, lease, notices, reception, senders, settling, tables, transition
from hilum.ledger.annals import last_line
from hilum.ledger.database import Database
from hilum.ledger.port import Mode
from hilum.ledger.senders import Behaviour, SenderKey
from hilum.model import GroupKind
from stage.ledger.clock import MovableClock
from stage.ledger.reception_desk import NOTHING, Incoming, Reception

pytestmark = pytest.mark.postgresql

WINDOW = 60.0


@pytest.fixture
def other(ledger_url: str) -> Iterator[Database]:
    """The ledger as another gateway has it."""
    database = Database(ledger_url)
    yield database
    database.close()


@pytest.fixture
def desks(database: Database, other: Database, clock: MovableClock) -> tuple[Reception, Reception]:
    """The receptions of two gateways, without files."""
    made = Reception(database, clock, None), Reception(other, clock, None)
    made[1]._numbers = count(1_000_001)
    for desk in made:
        desk.rule("SCP", GroupKind.PATIENT, WINDOW)
    return made


@pytest.fixture
def beside() -> Iterator[Callable[..., Future[object]]]:
    """Starts something in another thread."""
    with ThreadPoolExecutor(4) as pool:
        yield pool.submit


def waits(database: Database) -> bool:
    """Whether a transaction waits for another one."""
    with database.read() as connection:
        return bool(connection.exec_driver_sql("SELECT count(*) FROM pg_locks WHERE NOT granted").scalar())


def closed(database: Database, clock: MovableClock) -> None:
    CloseStep(database=database).claim(clock(), clock.in_(60), 10)


def received(desk: Reception, *uids: str, patient: str = "P1") -> Incoming:
    """An association that is open and about to be released."""
    association = desk.associate()
    for uid in uids:
        association.receive(uid, patient=patient)
    return association


def release_as_the_store_does(desk: Reception, association: Incoming) -> None:
    desk.database.repeat(
        Mode.WRITE,
        lambda connection: reception.released(
            connection, association.info, association.received, association._grouping, NOTHING, now=desk.clock()
        ),
    )


def test_a_group_that_is_being_filled_is_not_closed(desks: tuple[Reception, Reception]) -> None:
    desks[0].send("1.1")
    here = received(desks[0], "1.2")
    desks[0].clock.forward(WINDOW + 1)
    with desks[0].database.write() as connection:
        reception.released(connection, here.info, here.received, here._grouping, NOTHING, now=desks[0].clock())
        closed(desks[1].database, desks[1].clock)  # does not wait
    assert [group["state"] for group in desks[0].groups()] == ["open"]
    desks[0].clock.forward(WINDOW + 1)
    closed(desks[1].database, desks[1].clock)
    assert [group["state"] for group in desks[0].groups()] == ["closed"]


def test_of_two_with_one_uid_one_counts_whoever_comes_first(
    desks: tuple[Reception, Reception], beside: Callable[..., Future[object]]
) -> None:
    desks[0].send("1.1")
    going = [beside(release_as_the_store_does, desk, received(desk, "1.7")) for desk in desks * 2]
    for one in going:
        one.result(30)
    fates = Counter(row.fate for row in desks[0].rows("instances", sop_instance="1.7"))
    assert fates == {"grouped": 1, "duplicate": 3}
    assert desks[0].row("groups").instances == 2


def test_whatever_two_gateways_do_at_once_each_instance_is_in_one_group_and_none_came_after_its_end(
    desks: tuple[Reception, Reception],
) -> None:
    """Windows of two patients, filled in both orders, while both gateways close what they can."""
    sizes: dict[int, int] = {}
    over = threading.Event()
    faults: list[BaseException] = []

    def fill(desk: Reception, first: int) -> None:
        for number in range(first, first + 12):
            association = desk.associate()
            for patient in ("P1", "P2") if number % 2 else ("P2", "P1"):
                association.receive(f"1.{number % 5}", patient=patient)
                association.receive(f"2.{number}", patient=patient)
            release_as_the_store_does(desk, association)

    def close(desk: Reception) -> None:
        while not over.is_set():
            later = desk.clock.in_(WINDOW + 1)
            for group in CloseStep(database=desk.database).claim(later, later, 100):
                sizes[group] = desk.row("groups", id=group).instances

    def noting(body: Callable[..., None], *arguments: object) -> None:
        try:
            body(*arguments)
        except BaseException as error:  # noqa: BLE001  told by the test
            faults.append(error)

    filling = [threading.Thread(target=noting, args=(fill, desk, 100 * place)) for place, desk in enumerate(desks * 2)]
    closing = [threading.Thread(target=noting, args=(close, desk)) for desk in desks]
    for thread in (*filling, *closing):
        thread.start()
    for thread in filling:
        thread.join()
    over.set()
    for thread in closing:
        thread.join()
    assert faults == []
    rows = desks[0].rows("instances")
    assert len(rows) == 4 * 12 * 4
    assert {row.fate for row in rows} <= {"grouped", "duplicate"}
    counted = Counter(row.group_id for row in rows if row.fate == "grouped")
    assert {group.id: group.instances for group in desks[0].rows("groups")} == counted
    assert {group: counted[group] for group in sizes} == sizes
    assert len(desks[0].rows("groups", state="open")) <= 2
    released = desks[0].rows("associations", state="released")
    assert sum(row.instances for row in released) == len(rows)


def test_two_gateways_claim_different_rows_and_none_waits(desks: tuple[Reception, Reception]) -> None:
    for desk in desks:
        desk.rule("ONE")
    for number in range(4):
        desks[0].send(f"1.{number}", ae="ONE")

    def claim(connection: object, owner: str) -> list[int]:
        rows = lease.claim(
            connection,  # type: ignore[arg-type]
            tables.groups,
            tables.groups.c.state == states.Group.CLOSED,
            owner=owner,
            now=desks[0].clock(),
            until=desks[0].clock.in_(60),
            limit=3,
            order_by=[tables.groups.c.id],
        )
        return [row.id for row in rows]

    with desks[0].database.write() as one, desks[1].database.write() as two:
        first, second = claim(one, "a"), claim(two, "b")
    assert len(first) == 3
    assert len(second) == 1
    assert not set(first) & set(second)


def job(name: str, clock: MovableClock, state: states.Job = states.Job.QUEUED) -> dict[str, object]:
    return {
        "id": name,
        "name": f"job-{name}",
        "state": state,
        "group_id": None,
        "ae": "SCP",
        "workflow_name": "lung",
        "workflow": "lung",
        "engine": "local",
        "destinations": ["PACS"],
        "folder": f"/nowhere/{name}",
        "instances": 1,
        "bytes": 1,
        "attempt": 1,
        "last_attempt": 1,
        "created_at": clock(),
        "not_before": clock(),
    }


@pytest.fixture
def delivery(database: Database, clock: MovableClock) -> int:
    """A delivery that was given up, the only one of its job."""
    with database.write() as connection:
        connection.execute(tables.jobs.insert(), job("1", clock, states.Job.COLLECTED))
        result = connection.execute(
            tables.results.insert().returning(tables.results.c.id),
            {
                "job_id": "1",
                "path": "1.dcm",
                "sop_class": "1",
                "sop_instance": "1.1",
                "transfer_syntax": "1",
                "study": "1",
                "offset": 0,
                "size": 1,
                "sha256": "",
            },
        ).scalar_one()
        new = {
            "job_id": "1",
            "result_id": result,
            "destination": "PACS",
            "state": states.Delivery.GIVEN_UP,
            "queued_at": clock(),
            "not_before": clock(),
        }
        made: int = connection.execute(tables.deliveries.insert().returning(tables.deliveries.c.id), new).scalar_one()
    return made


def test_a_job_is_not_complete_while_an_operator_has_one_of_its_deliveries_tried_again(
    database: Database, other: Database, clock: MovableClock, delivery: int, beside: Callable[..., Future[object]]
) -> None:
    with other.write() as connection:
        [row] = settling.claim_settled(connection, owner="b", now=clock(), until=clock.in_(60), limit=1)

    def settle() -> None:
        with other.write() as connection:
            settling.settled(connection, lease.lease_of(row), remove_at=clock.in_(600), now=clock())

    with database.write() as connection:
        dispatch.ask_retry(connection, delivery, now=clock())
        going = beside(settle)
        eventually(lambda: waits(database), what="the receipt to wait for the operator")
    going.result(20)
    with database.read() as connection:
        states_now = connection.execute(
            select(tables.jobs.c.state, tables.deliveries.c.state).join_from(
                tables.jobs, tables.deliveries, tables.deliveries.c.job_id == tables.jobs.c.id
            )
        ).one()
    assert tuple(states_now) == ("collected", "due")


def test_two_gateways_that_find_a_destination_down_say_so_once(
    database: Database, other: Database, clock: MovableClock, beside: Callable[..., Future[object]]
) -> None:
    def down(mine: Database) -> None:
        with mine.write() as connection:
            destinations.went_down(
                connection, "PACS", failures=1, not_before=clock.in_(30), why="refused", remedy="look", now=clock()
            )

    with database.write() as connection:
        destinations.went_down(
            connection, "PACS", failures=1, not_before=clock.in_(30), why="refused", remedy="look", now=clock()
        )
        going = beside(down, other)
        eventually(lambda: waits(database), what="the other gateway to wait")
    going.result(20)
    with database.read() as connection:
        lines = connection.execute(select(func.count()).where(tables.history.c.machine == "destination")).scalar()
    assert lines == 1


def test_sums_of_senders_lose_nothing_when_two_gateways_add_at_once(
    database: Database, other: Database, clock: MovableClock, beside: Callable[..., Future[object]]
) -> None:
    keys = [SenderKey(calling=f"CT{number}", called="SCP", host="h") for number in range(5)]

    def add(mine: Database, order: list[SenderKey]) -> None:
        for _ in range(10):
            seen = {key: Behaviour(implementation="X", last_at=clock(), associations=1) for key in order}
            mine.repeat(Mode.NOTE, lambda connection, seen=seen: senders.record(connection, seen, now=clock()))

    going = [beside(add, mine, order) for mine in (database, other) for order in (keys, keys[::-1])]
    for one in going:
        one.result(30)
    with database.read() as connection:
        found = senders.behaviours(connection, since=clock())
    assert {key: found[key].associations for key in keys} == dict.fromkeys(keys, 40)


def test_news_that_is_written_late_under_an_early_number_is_not_passed_over(
    database: Database, other: Database, clock: MovableClock
) -> None:
    def news(connection: object, name: str) -> None:
        transition.note(connection, "destination", name, "answered", now=clock())  # type: ignore[arg-type]

    with database.write() as slow:
        news(slow, "EARLY")
        with other.write() as quick:
            news(quick, "LATE")
        with other.read() as connection:
            last, going = last_line(connection), notices.writing(connection)
            assert [line.subject for line in notices.unread(connection, 10, last=last)] == ["LATE"]
        assert len(going) == 1
    with other.read() as connection:
        assert not going & notices.writing(connection)
        assert [line.subject for line in notices.unread(connection, 10, last=last)] == ["EARLY", "LATE"]


def test_leases_by_the_clock_of_the_server_agree(database: Database, other: Database) -> None:
    with database.attend(), other.attend():
        here, there = database.clock(), other.clock()
        with database.read() as connection:
            server = connection.exec_driver_sql("SELECT clock_timestamp()").scalar_one()
    assert abs(here - there) < timedelta(seconds=1)
    assert abs(here - server) < timedelta(seconds=2)
