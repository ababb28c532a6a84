"""The long form counts what it is given, goes on where it was, and fails when it should."""

from __future__ import annotations

from pathlib import Path

import pytest

from crash import prove, report
from crash.proofs import parts
from crash.prove import Unit
from crash.trials import Trial

GOOD = Trial(what="kill", acknowledged=3, released=2, listening=0.2, drained=0.5)
LOST = Trial(what="control", acknowledged=3, faults={"NO_JOB": ["1.2.3"]})


def _parts(**of: list[Trial]) -> dict[str, list[Trial]]:
    return {name: of.get(name, [LOST] if name == "controls" else [GOOD]) for name in parts()}


def test_a_good_proof_has_no_failures() -> None:
    assert report.failures(_parts()) == []
    assert "| kill | 2 | 6 | 4 | 0 |" in report.page(_parts(), {"now": 4}, "now")


@pytest.mark.parametrize("part", sorted(parts()))
def test_each_part_can_fail(part: str) -> None:
    bad = GOOD if part == "controls" else LOST
    assert len(report.failures(_parts(**{part: [bad]}))) == 1
    assert len(report.failures(_parts(**{part: []}))) == 1


def test_what_was_lost_is_in_the_page() -> None:
    bad = Trial(what="kill", acknowledged=3, faults={"NO_JOB": ["1.2.3"], "NOT_HELD": ["1.2.4", "1.2.5"]})
    assert "| kill | 2 | 6 | 2 | 3 |" in report.page(_parts(kills=[GOOD, bad], cuts=[]), {"now": 4}, "now")


def test_a_run_goes_on_where_it_was(tmp_path: Path) -> None:
    file = tmp_path / "lines"
    trial = Trial(what="kill", point=("receive", "fsync", "/spool"), set_aside=("group:1",), held=2)
    unit = Unit(part="kills", name="0001", source="now", seconds=1.5, trials=(trial, GOOD))
    other = Unit(part="kills", name="0002", source="before", seconds=1.5, trials=(GOOD,))
    file.write_text(f"{unit.line()}\n{other.line()}\n{unit.line()[:40]}")
    assert prove._counted(file, ("now",)) == [unit]


def test_a_unit_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prove.signal, "signal", lambda *_: None)
    unit = prove.run_unit("crash", "kills", "no such unit", "now")
    assert "KeyError" in unit.error
