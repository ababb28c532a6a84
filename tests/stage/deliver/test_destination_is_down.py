"""A destination that fails as a whole is left alone until it answers; what waits for it is not touched meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import Connection, event

from harness.pacs import Pacs
from hilum.deliver.policy import MISCONFIGURED_WAIT, Fault
from hilum.deliver.probe import ProbeStep
from hilum.errors import TemporaryError
from hilum.ledger import dispatch
from hilum.ledger.lease import drop_leases
from hilum.ledger.tables import deliveries, results
from hilum.model import Answer, StoreRequest
from hilum.retry import RetryRule
from stage.deliver.sending import LEASE, Sending

SECOND = timedelta(seconds=1)


@contextmanager
def writes(sending: Sending) -> Iterator[list[str]]:
    """Statements that change something, as they are made."""
    seen: list[str] = []

    def look(_connection: Connection, _cursor: object, statement: str, *_rest: object) -> None:
        if statement.split(maxsplit=1)[0] in {"INSERT", "UPDATE", "DELETE"}:
            seen.append(statement)

    engines = sending.desk.database.engines
    for engine in engines:
        event.listen(engine, "before_cursor_execute", look)
    try:
        yield seen
    finally:
        for engine in engines:
            event.remove(engine, "before_cursor_execute", look)


def backlog(sending: Sending, count: int) -> None:
    """One job with one file, and very many more deliveries of files that are only in the ledger."""
    sending.job("1.1")
    with sending.desk.database.write() as connection:
        result = connection.execute(results.select()).mappings().one()
        delivery = connection.execute(deliveries.select()).mappings().one()
        numbers = range(10, 10 + count)
        connection.execute(results.insert(), [{**result, "id": n, "path": f"{n}.dcm"} for n in numbers])
        connection.execute(deliveries.insert(), [{**delivery, "id": n, "result_id": n} for n in numbers])


def events(sending: Sending, machine: str) -> Sequence[str]:
    return [line.event for line in sending.desk.history(machine=machine)]


def test_files_that_were_not_tried_are_not_touched(sending: Sending, nobody: int) -> None:
    sending.to("PACS", nobody)
    sending.job("1.1", "1.2")
    before = sending.deliveries()
    (outcome,) = sending.carry()
    assert outcome.failed == {}
    assert outcome.down is not None
    assert outcome.down.fault is Fault.UNREACHABLE
    for old, row in zip(before, sending.deliveries(), strict=True):
        assert (row.state, row.attempts, row.status, row.why, row.not_before) == ("due", 0, None, "", old.not_before)
        assert (row.lease_until, row.begun) == (None, 0)
    assert events(sending, "delivery") == ["made", "made"]
    down = sending.destination()
    assert (down.state, down.failures, down.since) == ("down", 1, sending.clock())
    assert down.not_before == sending.clock.in_(30)
    assert "the connection was refused" in down.why
    (line,) = sending.desk.history(machine="destination")
    assert (line.event, line.from_state, line.to_state, line.why) == ("failed", "up", "down", down.why)
    assert "hilum echo PACS" in line.remedy


def test_it_is_asked_at_its_times_only_and_history_tells_of_both_ends(sending: Sending, nobody: int) -> None:
    sending.to("PACS", nobody)
    sending.job("1.1")
    sending.run()
    for wait, failures in ((30, 2), (120, 3), (120, 4)):
        assert sending.probe.next_due(sending.clock()) == sending.clock.in_(wait)
        assert sending.send.next_due(sending.clock()) is None
        sending.clock.forward(wait - 1)
        assert (sending.ask(), sending.carry()) == ([], [])
        sending.clock.forward(1)
        (failed,) = sending.ask()
        assert failed is not None
        assert (sending.destination().failures, sending.carry()) == (failures, [])
    assert events(sending, "destination") == ["failed"]
    with Pacs(port=nobody) as pacs:
        sending.clock.forward(120)
        assert sending.ask() == [None]
        assert pacs.arrived == []  # asking carries nothing
        assert sending.run() == [{}]
        assert len(pacs.accepted) == 1
        assert len(pacs.associations) == 2
    assert events(sending, "destination") == ["failed", "answered"]
    assert sending.desk.history(event="answered")[0].why == "after 4 failed attempts"
    row = sending.destination()
    assert (row.state, row.failures, row.why) == ("up", 0, "")
    assert sending.deliveries()[0].attempts == 1


def test_one_wait_costs_the_same_for_one_file_and_for_ten_thousand(sending: Sending, nobody: int) -> None:
    sending.to("PACS", nobody)
    backlog(sending, 10_000)
    with writes(sending) as first:
        sending.run()
    assert len(first) < 12, first  # claim, give back, the destination and its history
    for _ in range(3):
        sending.clock.forward(120)
        with writes(sending) as made:
            assert len(sending.ask()) == 1
            assert sending.carry() == []
        assert len(made) == 2, made  # its lease, its row
    assert {row.fence for row in sending.deliveries()} <= {0, 1}


def test_a_large_parcel_is_renewed_by_one_statement(to_pacs: Sending) -> None:
    backlog(to_pacs, 2000)
    parcels = to_pacs.claim()
    with writes(to_pacs) as made:
        to_pacs.send.renew(parcels, to_pacs.clock() + 2 * LEASE)
    assert len(made) == 1
    assert {row.lease_until for row in to_pacs.deliveries()} == {to_pacs.clock() + 2 * LEASE}


def test_only_one_claim_asks(sending: Sending, nobody: int) -> None:
    sending.to("PACS", nobody)
    sending.job("1.1", name="a")
    sending.job("1.2", name="b")
    sending.run()
    sending.clock.forward(30)
    other = ProbeStep(database=sending.desk.database, owner="other", settings=sending.settings)
    assert len(sending.probe.claim(sending.clock(), sending.clock() + LEASE, 32)) == 1
    assert other.claim(sending.clock(), sending.clock() + LEASE, 32) == ()


def test_nobody_is_asked_for_what_is_not_due(sending: Sending, nobody: int) -> None:
    sending.to("PACS", nobody)
    sending.job("1.1")
    sending.run()
    with sending.desk.database.write() as connection:
        connection.execute(deliveries.update().values(not_before=sending.clock.in_(500)))
    sending.clock.forward(100)
    assert sending.ask() == []
    assert sending.probe.next_due(sending.clock()) == sending.clock.in_(400)
    sending.clock.forward(400)
    assert len(sending.ask()) == 1


def test_the_state_outlives_the_gateway(sending: Sending, nobody: int) -> None:
    sending.to("PACS", nobody)
    sending.job("1.1")
    sending.run()
    with sending.desk.database.write() as connection:
        drop_leases(connection)
    again = Sending(sending.desk, sending.root)
    again.to("PACS", nobody)
    assert (again.ask(), again.carry()) == ([], [])
    again.clock.forward(30)
    assert len(again.ask()) == 1


def test_what_is_given_up_although_it_was_never_tried_says_why(sending: Sending, nobody: int) -> None:
    sending.retry = RetryRule(waits=[30 * SECOND], give_up_after=300 * SECOND)
    sending.to("PACS", nobody)
    backlog(sending, 1200)  # more than one batch
    sending.run()
    sending.clock.forward(200)
    sending.job("1.9", name="later")
    sending.run()
    assert set(sending.states()) == {"due"}
    sending.clock.forward(100)
    sending.run()
    rows = {row.state: row for row in sending.deliveries()}
    assert sorted(sending.states()) == ["due"] + ["given up"] * 1201
    assert rows["due"].job_id == "later"
    assert "the connection was refused" in rows["given up"].why
    assert "give-up-after" in rows["given up"].why
    assert rows["given up"].attempts == 0
    assert all("hilum retry" in line.remedy for line in sending.desk.history(event="failed for good"))


def test_an_operator_need_not_wait(sending: Sending, nobody: int) -> None:
    sending.to("PACS", nobody)
    sending.job("1.1", "1.2")
    sending.run()
    with Pacs(port=nobody) as pacs:
        assert sending.run() == []
        with sending.desk.database.write() as connection:
            for row in sending.deliveries():
                dispatch.ask_retry(connection, row.id, now=sending.clock())
        assert sending.destination().not_before == sending.clock()
        assert sending.run() == [{}]
        assert len(pacs.accepted) == 2
    assert events(sending, "destination") == ["failed", "retry asked", "answered"]


def test_an_operator_does_not_disturb_who_asks_just_now(sending: Sending, nobody: int) -> None:
    sending.to("PACS", nobody)
    sending.job("1.1")
    sending.run()
    sending.clock.forward(30)
    (silent,) = sending.probe.claim(sending.clock(), sending.clock() + LEASE, 1)
    with sending.desk.database.write() as connection:
        dispatch.ask_retry(connection, sending.deliveries()[0].id, now=sending.clock())
    sending.probe.record(silent, sending.probe.act(silent), sending.clock())
    assert sending.destination().failures == 2


def test_an_entry_that_is_mended_is_used_at_once(sending: Sending, nobody: int, pacs: Pacs) -> None:
    sending.to("PACS", nobody)
    sending.job("1.1")
    sending.run()
    assert sending.run() == []
    sending.to("PACS", pacs.port)
    assert sending.run() == [{}]
    assert sending.states() == ["delivered"]


def test_a_destination_that_left_the_configuration_keeps_its_deliveries_due(sending: Sending, pacs: Pacs) -> None:
    sending.job("1.1")
    sending.run()
    (row,) = sending.deliveries()
    assert (row.state, row.attempts) == ("due", 0)
    assert sending.destination().why == "destination 'PACS' is not in dicom.scu.destinations any more"
    sending.to("PACS", pacs.port)
    assert sending.run() == [{}]


@pytest.mark.parametrize("chance", [0.0, 0.5, 0.99])
def test_one_that_does_not_know_our_title_is_asked_rarely(to_pacs: Sending, pacs: Pacs, chance: float) -> None:
    to_pacs.chance = chance
    to_pacs.retry = RetryRule(waits=[30 * SECOND, timedelta(hours=1)], give_up_after=timedelta(days=7))
    to_pacs.to("PACS", pacs.port, called="WRONG")
    to_pacs.job("1.1")
    (outcome,) = to_pacs.carry()
    assert outcome.down is not None
    assert outcome.down.fault is Fault.MISCONFIGURED
    row = to_pacs.destination()
    assert row.not_before >= to_pacs.clock() + MISCONFIGURED_WAIT
    assert "called AE title" in row.why
    assert "app.yaml" in to_pacs.desk.history(machine="destination")[0].remedy


def test_what_broke_in_the_middle_costs_the_file_on_its_way_an_attempt_and_no_other(
    to_pacs: Sending, pacs: Pacs
) -> None:
    to_pacs.job("1.1", "1.2", "1.3")

    def answer(request: StoreRequest) -> Answer:
        if request.sop_instance == "1.2":
            raise TemporaryError("out of order")
        return Answer(status=0)

    pacs.answer = answer
    to_pacs.run()
    assert [(row.state, row.attempts) for row in to_pacs.deliveries()] == [("delivered", 1), ("due", 1), ("due", 0)]
    assert to_pacs.deliveries()[1].not_before == to_pacs.clock.in_(30)
    row = to_pacs.destination()
    assert (row.state, row.failures) == ("down", 1)


def test_one_that_takes_associations_and_never_a_file_is_asked_more_and_more_rarely(
    to_pacs: Sending, pacs: Pacs
) -> None:
    def answer(_request: StoreRequest) -> Answer:
        raise TemporaryError("out of order")

    pacs.answer = answer
    to_pacs.job(*(f"1.{number}" for number in range(1, 6)))
    waits = []
    for _ in range(3):
        to_pacs.run()
        row = to_pacs.destination()
        waits.append((row.not_before - to_pacs.clock()) / SECOND)
        to_pacs.clock.now = row.not_before
    assert waits == [30, 120, 120]
    assert sorted(row.attempts for row in to_pacs.deliveries())[-3:] == [1, 1, 1]


def test_a_file_that_its_destination_cannot_bear_does_not_close_the_way_for_others(
    to_pacs: Sending, pacs: Pacs
) -> None:
    to_pacs.job("1.1")

    def answer(request: StoreRequest) -> Answer:
        if request.sop_instance == "1.1":
            raise TemporaryError("this one is too much")
        return Answer(status=0)

    pacs.answer = answer
    to_pacs.run()
    to_pacs.clock.forward(30)
    to_pacs.run()
    assert [row.attempts for row in to_pacs.deliveries()] == [2]
    assert to_pacs.destination().state == "up"
    to_pacs.job("1.2", name="tonight")
    assert to_pacs.run() == [{}]


def test_a_full_destination_is_left_alone_before_everything_was_shipped_in_vain(to_pacs: Sending, pacs: Pacs) -> None:
    to_pacs.job(*(f"1.{number}" for number in range(1, 9)))
    pacs.answer = lambda _request: Answer(status=0xA700, comment="full")
    to_pacs.run()
    assert len(pacs.arrived) == 1
    assert [row.attempts for row in to_pacs.deliveries()] == [1] + [0] * 7
    row = to_pacs.destination()
    assert (row.state, row.not_before) == ("down", to_pacs.clock.in_(30))
    assert row.why == "the destination answered status A700H “full”"
    to_pacs.clock.forward(30)
    to_pacs.run()
    assert len(pacs.arrived) == 2  # another one: perhaps the first is too large
    assert (to_pacs.destination().failures, to_pacs.destination().not_before) == (2, to_pacs.clock.in_(120))
    pacs.answer = lambda _request: Answer(status=0)
    to_pacs.clock.forward(120)
    to_pacs.run()
    assert set(to_pacs.states()) == {"delivered"}


def test_one_file_that_never_finds_room_starves_no_other(to_pacs: Sending, pacs: Pacs) -> None:
    pacs.answer = lambda request: Answer(status=0xA700 if request.sop_instance == "1.1" else 0)
    to_pacs.job("1.1", "1.2", "1.3")
    to_pacs.run()
    assert len(pacs.arrived) == 1
    to_pacs.clock.forward(30)
    to_pacs.run()
    assert to_pacs.states() == ["due", "delivered", "delivered"]
    assert to_pacs.destination().state == "up"
    to_pacs.job("1.4", name="tonight")
    assert {} in to_pacs.run()
    assert to_pacs.states() == ["due", "delivered", "delivered", "delivered"]


def test_one_that_comes_back_starts_slowly(sending: Sending, nobody: int) -> None:
    sending.max_associations = 4
    sending.to("PACS", nobody)
    for number in range(12):
        sending.job("1.1", name=f"job{number:02}")
    sending.run()
    sending.clock.forward(30)
    with Pacs(port=nobody):
        assert sending.ask() == [None]
        sizes = []
        while parcels := sending.claim():
            sizes.append(len(parcels))
            for parcel in parcels:
                sending.send.record(parcel, sending.send.act(parcel), sending.clock())
    assert sizes[:3] == [1, 2, 4]
    assert sum(sizes) == 12


def test_several_parcels_that_fail_together_are_one_failure(sending: Sending, nobody: int) -> None:
    sending.to("PACS", nobody)
    for number in range(2):
        sending.job("1.1", name=f"job{number}")
    parcels = sending.claim()
    for parcel in parcels:
        sending.send.record(parcel, sending.send.act(parcel), sending.clock())
    assert (len(parcels), sending.destination().failures) == (2, 1)
    assert events(sending, "destination") == ["failed"]


def test_a_healthy_destination_does_not_notice(sending: Sending, nobody: int, pacs: Pacs) -> None:
    sending.to("DEAD", nobody)
    sending.to("PACS", pacs.port)
    for number in range(3):
        sending.job("1.1", name=f"job{number}", destinations=("DEAD", "PACS"))
        sending.run()
    assert len(pacs.accepted) == 3
    assert {row.state for row in sending.deliveries() if row.destination == "DEAD"} == {"due"}


def test_a_bug_of_ours_while_asking_waits_for_the_ordinary_time(sending: Sending, nobody: int) -> None:
    sending.to("PACS", nobody)
    sending.job("1.1")
    sending.run()
    sending.clock.forward(30)
    (silent,) = sending.probe.claim(sending.clock(), sending.clock() + LEASE, 1)
    sending.probe.failed(silent, ValueError("a bug"), sending.clock())
    row = sending.destination()
    assert (row.state, row.lease_until, row.not_before) == ("down", None, sending.clock.in_(30))
    assert row.why == "ValueError: a bug"
