from __future__ import annotations

from bench.shares import Point, page

ONE = {"senders": [4.0, 6.0, 5.0], "balancer": [1.0, 1.0, 1.0], "gateways": [20.0, 20.0, 20.0]}
SERVER = {"database": [10.0, 10.0, 10.0], "transactions": [80.0] * 3, "syncs": [16.0] * 3, "log bytes": [8e6] * 3}
FIGURES = {
    "SQLite 1 instance ct seconds": [2.0, 4.0, 1.0],
    **{f"SQLite 1 instance ct {name}": values for name, values in ONE.items()},
    "PostgreSQL 2 instance ct seconds": [4.0, 4.0, 4.0],
    **{f"PostgreSQL 2 instance ct {name}": values for name, values in {**ONE, **SERVER}.items()},
    "PostgreSQL 2 instance ct connected": [7.0, 9.0, 8.0],
}
DOCUMENT = {
    "rounds": 3,
    "scale": 1,
    "machine": {"processor": "one"},
    "versions": {"Hilum": "0"},
    "associations": 8,
    "instances": {"ct": 400},
    "bytes": {"ct": 200e6},
    "figures": FIGURES,
}


def test_a_rate_is_that_of_the_median_round_beside_the_slowest_and_the_fastest() -> None:
    point = Point.of(DOCUMENT, "SQLite 1 instance", "ct")
    assert point.rates == (100, 200, 400)
    assert point.megabytes == 100
    assert point.processor == {"senders": 5 / 400, "balancer": 1 / 400, "gateways": 20 / 400}
    assert not point.counted


def test_what_a_server_did_is_told_for_each_association() -> None:
    point = Point.of(DOCUMENT, "PostgreSQL 2 instance", "ct")
    assert point.counted == {"transactions": 10, "syncs": 2, "log bytes": 1e6}
    assert point.connected == 9


def test_the_page_has_every_setup_and_the_server_only_where_there_is_one() -> None:
    lines = page(DOCUMENT).splitlines()
    assert [line for line in lines if line.startswith("| SQLite")] == [
        "| SQLite, instance | 1 | 512 KB | 200 | 100 | 400 | 100 |",
        "| SQLite, instance | 1 | 512 KB | 12.50 | 2.50 | 50.00 |  | 65.00 |",
    ]
    assert [line for line in lines if line.startswith("| PostgreSQL")] == [
        "| PostgreSQL, instance | 2 | 512 KB | 100 | 100 | 100 | 50 |",
        "| PostgreSQL, instance | 2 | 512 KB | 12.50 | 2.50 | 50.00 | 25.00 | 90.00 |",
        "| PostgreSQL, instance | 2 | 512 KB | 10 | 2 | 1,000,000 | 9 |",
    ]
