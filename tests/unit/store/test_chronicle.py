from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hilum.store.chronicle import Repeats

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_of_many_the_first_passes_and_then_one_a_minute_that_knows_how_many_did_not() -> None:
    repeats = Repeats()
    assert [repeats.more("10.0.0.9", at(second)) for second in (0, 1, 59, 60, 61, 200)] == [0, None, None, 2, None, 1]


def test_hosts_do_not_hold_each_other_back() -> None:
    repeats = Repeats()
    assert repeats.more("10.0.0.1", NOW) == repeats.more("10.0.0.2", NOW) == 0


def test_a_host_that_came_long_ago_is_forgotten_for_those_that_came_last() -> None:
    repeats = Repeats()
    for number in range(1025):
        assert repeats.more(f"host {number}", NOW) == 0
    assert repeats.more("host 1024", NOW) is None
    assert repeats.more("host 0", NOW) == 0
