"""How senders behave is summed up by day."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from hilum.ledger import senders
from hilum.ledger.database import Database
from hilum.ledger.senders import Behaviour, SenderKey
from stage.ledger.clock import MovableClock
from stage.ledger.plans import explained

CT1 = SenderKey(calling="CT1", called="HILUM", host="10.0.0.5")
MR1 = SenderKey(calling="MR1", called="HILUM", host="10.0.0.6")


def behaviour(clock: MovableClock, **more: object) -> Behaviour:
    one = Behaviour(implementation="OFFIS", last_at=clock(), associations=1, instances=2, bytes=10, pdus=6, seconds=0.5)
    one.pauses.add(40_000_000)
    one.stalls.add(41_000_000)
    one.refused = Counter({"1.2": 1})
    for name, value in more.items():
        setattr(one, name, value)
    return one


def test_sums_of_one_day_are_one_row_and_days_are_added_when_asked_for(database: Database, clock: MovableClock) -> None:
    began = clock()
    for _ in range(2):
        with database.note() as connection:
            senders.record(connection, {CT1: behaviour(clock)}, now=clock())
    clock.forward(86400)
    with database.note() as connection:
        senders.record(connection, {CT1: behaviour(clock, implementation="NEW"), MR1: behaviour(clock)}, now=clock())
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM senders").scalar() == 3
        with explained() as plans:
            found = senders.behaviours(connection, since=began)
    assert plans.faults() == []
    one = found[CT1]
    assert (one.associations, one.instances, one.bytes, one.pdus, one.seconds) == (3, 6, 30, 18, 1.5)
    assert (one.implementation, one.last_at) == ("NEW", clock())
    assert one.pauses.count == one.stalls.count == 3
    assert round(one.pauses.seconds, 6) == 0.12
    assert round(one.stalls.seconds, 6) == 0.123
    assert one.refused == {"1.2": 3}
    assert set(found) == {CT1, MR1}


def test_what_is_older_than_a_month_is_forgotten(database: Database, clock: MovableClock) -> None:
    with database.note() as connection:
        senders.record(connection, {CT1: behaviour(clock)}, now=clock())
    clock.forward(86400 * 31)
    with database.note() as connection:
        senders.record(connection, {MR1: behaviour(clock)}, now=clock())
    with database.read() as connection:
        assert set(senders.behaviours(connection, since=clock() - timedelta(days=100))) == {MR1}
