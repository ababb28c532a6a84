from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy.dialects import postgresql, sqlite

from hilum.ledger.tables import UtcDateTime

AT = datetime(2026, 11, 22, 8, 15, 0, 123456, tzinfo=UTC)
EAST = AT.astimezone(timezone(timedelta(hours=5, minutes=30)))
KIND, SQLITE, POSTGRES = UtcDateTime(), sqlite.dialect(), postgresql.dialect()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("at", [AT, EAST])
def test_sqlite_gets_naive_utc(at: datetime) -> None:
    assert KIND.process_bind_param(at, SQLITE) == AT.replace(tzinfo=None)


@pytest.mark.parametrize("at", [AT, EAST])
def test_postgresql_gets_aware_utc(at: datetime) -> None:
    bound = KIND.process_bind_param(at, POSTGRES)
    assert bound == AT
    assert bound is not None
    assert bound.tzinfo is UTC


def test_a_naive_time_is_a_bug() -> None:
    with pytest.raises(ValueError, match="a naive datetime has no place in the ledger"):
        KIND.process_bind_param(datetime(2026, 11, 22), SQLITE)  # noqa: DTZ001


@pytest.mark.parametrize("found", [AT.replace(tzinfo=None), AT, EAST])
def test_what_comes_back_is_aware_utc(found: datetime) -> None:
    value = KIND.process_result_value(found, SQLITE)
    assert value == AT
    assert value is not None
    assert value.tzinfo is UTC


def test_nothing_stays_nothing() -> None:
    assert KIND.process_bind_param(None, SQLITE) is None
    assert KIND.process_result_value(None, SQLITE) is None
