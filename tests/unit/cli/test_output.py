from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hilum import states
from hilum.cli import output
from hilum.cli.output import Column


@dataclass(frozen=True)
class Thing:
    job_id: str
    at: datetime
    state: states.Job
    folder: Path
    took: timedelta
    names: tuple[str, ...]


THING = Thing(
    job_id="9f",
    at=datetime(2026, 11, 22, 8, 15, tzinfo=UTC),
    state=states.Job.FAILED,
    folder=Path("/a"),
    took=timedelta(milliseconds=250),
    names=("x",),
)


def test_json_has_the_keys_of_app_yaml_and_plain_values(capsys: pytest.CaptureFixture[str]) -> None:
    output.emit([THING])
    assert json.loads(capsys.readouterr().out) == [
        {
            "job-id": "9f",
            "at": "2026-11-22T08:15:00+00:00",
            "state": "failed",
            "folder": "/a",
            "took": 0.25,
            "names": ["x"],
        }
    ]


def test_a_line_of_json_is_one_line_without_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    output.emit_line({"comment": "a\nb\x1b[2J\x7f\x9b"})
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert "\x1b" not in said
    assert "\x9b" not in said
    assert json.loads(said) == {"comment": "a\nb\x1b[2J\x7f\x9b"}


def test_a_table_in_a_pipe_is_plain_aligned_and_never_folded(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    columns = (Column("STATE", state=True, fixed=True), Column("N", right=True, fixed=True), Column("WHY"))
    output.table(columns, [("failed", "1", "x" * 150), ("complete", "22", "[::1] \x1b[31mred")], indent=2)
    assert capsys.readouterr().out.splitlines() == [
        "  STATE      N  WHY",
        "  failed     1  " + "x" * 150,
        "  complete  22  [::1] \\x1b[31mred",
    ]


def test_a_narrow_table_folds_what_may_be_folded(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    output.table((Column("JOB", fixed=True), Column("WHY")), [("9f3c21ab", "a reason that is rather long")])
    assert capsys.readouterr().out.splitlines() == [
        "JOB       WHY",
        "9f3c21ab  a reason that is",
        "          rather long",
    ]


def test_pairs_without_a_value_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    output.pairs([("state", "failed"), ("why", ""), ("folder", "/a")])
    assert capsys.readouterr().out == "state   failed\nfolder  /a\n"
