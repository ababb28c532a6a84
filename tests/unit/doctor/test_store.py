from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hilum.doctor.check import Grade
from hilum.doctor.store import ledger
from hilum.ledger.condition import Condition
from hilum.ledger.port import Extent

FILE = Extent(size=1_000_000, log_size=0, free=0.1)
SOUND = Condition(version="0004", extent=FILE, damage=())


def grades(damage: Sequence[str] = (), **extent: Any) -> list[Grade]:
    found = Condition(version="0004", extent=replace(FILE, **extent), damage=damage)
    return [one.grade for one in ledger("hilum.db", found)]


def test_a_sound_ledger_is_told_with_its_version() -> None:
    [first, *_] = ledger("hilum.db", SOUND)
    assert first.found == "sound; version 0004, 1.0 MB"
    assert grades() == [Grade.OK] * 3


def test_damage_is_wrong_and_what_was_not_checked_is_not_called_sound() -> None:
    assert grades(damage=["row 7 missing from index"]) == [Grade.WRONG, Grade.OK, Grade.OK]
    [first, *_] = ledger("hilum.db", Condition(version="1", extent=replace(FILE, size=10**12), damage=None))
    assert "not checked as a whole" in first.found


def test_a_long_log_and_much_free_space_are_looked_at() -> None:
    assert grades(log_size=10**9) == [Grade.OK, Grade.LOOK, Grade.OK]
    assert grades(free=0.9, size=10**9) == [Grade.OK, Grade.OK, Grade.LOOK]
    assert grades(free=0.9) == [Grade.OK] * 3


def test_of_a_server_there_is_neither_a_log_nor_free_space_to_look_at() -> None:
    assert grades(log_size=None, free=None) == [Grade.OK]


def test_a_server_that_does_not_sync_is_wrong_and_one_with_few_connections_is_looked_at() -> None:
    good = {"server_version": "15.1", "fsync": "on", "full_page_writes": "on", "max_connections": "100"}
    for changed, expected in (
        ({}, [Grade.OK, Grade.OK, Grade.OK]),
        ({"fsync": "off"}, [Grade.OK, Grade.WRONG, Grade.OK]),
        ({"full_page_writes": "off"}, [Grade.OK, Grade.WRONG, Grade.OK]),
        ({"max_connections": "25"}, [Grade.OK, Grade.OK, Grade.LOOK]),
    ):
        extent = replace(FILE, log_size=None, free=None)
        found = Condition(version="0004", extent=extent, damage=(), server=good | changed)
        assert [one.grade for one in ledger("server", found, connections=25)] == expected
