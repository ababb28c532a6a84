"""A prepared statement does what SQLAlchemy would do with the same values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import Connection, bindparam, create_engine, insert, select, update

from hilum.ledger.prepared import Prepared
from hilum.ledger.tables import destinations, metadata

WHEN = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
COLUMNS = ("id", "state", "since", "failures", "not_before")


@pytest.fixture
def connection() -> Connection:
    connection = create_engine("sqlite://").connect()
    metadata.create_all(connection)
    return connection


def row(name: str, **changed: object) -> dict[str, object]:
    return {"id": name, "state": "up", "since": WHEN, "failures": 0, "not_before": WHEN} | changed


def test_values_are_converted_as_their_columns_say(connection: Connection) -> None:
    elsewhere = WHEN.astimezone(timezone(timedelta(hours=2)))
    Prepared(insert(destinations), columns=COLUMNS).run(connection, row("a", since=elsewhere))
    connection.execute(insert(destinations), row("b"))
    first, second = connection.exec_driver_sql("SELECT since FROM destinations ORDER BY id").scalars().all()
    assert first == second
    assert connection.execute(select(destinations.c.since)).scalars().all() == [WHEN, WHEN]
    with pytest.raises(ValueError, match="naive"):
        Prepared(insert(destinations), columns=COLUMNS).run(connection, row("c", since=WHEN.replace(tzinfo=None)))


def test_what_is_the_same_each_time_is_in_the_statement(connection: Connection) -> None:
    Prepared(insert(destinations), columns=COLUMNS).run_all(connection, [row("a"), row("b")])
    change = Prepared(
        update(destinations)
        .where(destinations.c.id == bindparam("row_id"))
        .values(
            state=bindparam("new_state"),
            failures=destinations.c.failures + 2,
            lease_until=None,
            since=WHEN + timedelta(1),
        )
    )
    for _ in range(2):
        change.run(connection, {"row_id": "b", "new_state": "down"})
    found = connection.execute(select(destinations).order_by(destinations.c.id)).all()
    assert [(one.id, one.state, one.failures, one.since) for one in found] == [
        ("a", "up", 0, WHEN),
        ("b", "down", 4, WHEN + timedelta(1)),
    ]


def test_rows_are_found(connection: Connection) -> None:
    connection.execute(insert(destinations), row("a", failures=7))
    look = Prepared(select(destinations.c.failures).where(destinations.c.id == bindparam("row_id")))
    assert look.run(connection, {"row_id": "a"}).one().failures == 7
    assert look.run(connection, {"row_id": "b"}).one_or_none() is None


def test_nothing_is_done_for_no_rows(connection: Connection) -> None:
    Prepared(insert(destinations), columns=COLUMNS).run_all(connection, [])
    assert connection.execute(select(destinations)).all() == []
