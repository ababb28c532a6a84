"""``docs/interoperability.md`` tells what the battery is now, and that Hilum deviates in nothing."""

from __future__ import annotations

from pathlib import Path

from battery.compare import BEGIN, END, cell
from hilum.battery import CHECKS, ELSEWHERE, Conforms, Deviates, NotObservable

PAGE = Path(__file__).parents[2] / "docs" / "interoperability.md"


def made() -> list[list[str]]:
    """Cells of the tables that are made."""
    lines = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0].splitlines()
    return [[one.strip() for one in line.strip("|").split("|")] for line in lines if line.startswith("|")]


def test_the_table_has_every_must_as_the_battery_has_it() -> None:
    rows = [row for row in made() if len(row) == 7 and row[0].isdecimal()]
    shown = [(int(row[0]), row[1], row[2]) for row in rows]
    assert shown == [(check.number, check.title, check.source) for check in CHECKS], "run make interoperability"
    assert all(f"{number} (" in PAGE.read_text(encoding="utf-8") for number in ELSEWHERE)


def test_hilum_keeps_every_must_of_the_table() -> None:
    (head,) = [row for row in made() if "source" in row]
    assert head[3:] == ["Hilum", "DCMTK", "pynetdicom", "Orthanc"]
    assert {row[3] for row in made() if len(row) == 7 and row[0].isdecimal()} == {"ok"}


def test_cells_tell_deviations_from_lesser_answers() -> None:
    verdicts = (Conforms(), Conforms("ABT 2/0"), Deviates("silent", "AC"), NotObservable("no files"))
    assert [cell(verdict) for verdict in verdicts] == ["ok", "ABT 2/0", "**silent**", "-"]
