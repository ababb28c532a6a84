"""One strange folder, or a clock that is put back, does not keep the other job folders from being taken on."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from hilum.job.adoption import AdoptionSettings, AdoptStep
from hilum.ledger.database import Database
from stage.job.planning import LEASE, Workflow
from stage.ledger.clock import MovableClock
from stage.ledger.reception_desk import Reception


@pytest.fixture
def step(database: Database, tmp_path: Path) -> AdoptStep:
    settings = AdoptionSettings(roots=[tmp_path / "output"], workflows=[Workflow()], every=timedelta(seconds=5))
    return AdoptStep(database=database, settings=lambda: settings)


def make(root: Path, name: str) -> Path:
    folder = root / "output" / name
    (folder / "output").mkdir(parents=True)
    (folder / "job.meta").write_text("lung")
    (folder / "output" / "job.done").touch()
    return folder


def look(step: AdoptStep, clock: MovableClock) -> None:
    for folder in step.claim(clock(), clock() + LEASE, 10):
        step.record(folder, step.act(folder), clock())


@pytest.mark.parametrize("name", [os.fsdecode(b"caf\xe9"), "two\nlines"])
def test_a_folder_whose_name_is_no_text_is_refused_and_others_are_adopted(
    step: AdoptStep, desk: Reception, clock: MovableClock, tmp_path: Path, name: str
) -> None:
    strange = make(tmp_path, name)
    make(tmp_path, "by-hand")
    for _ in range(2):
        look(step, clock)
        clock.forward(5)
    assert [job.name for job in desk.rows("jobs")] == ["by-hand"]
    assert "not UTF-8 text" in (strange / "output" / "job.error").read_text()
    (line,) = desk.history(event="not adopted")
    assert line.subject.isprintable()
    assert "rename it" in line.remedy


def test_folders_are_looked_for_after_the_clock_was_put_back(
    step: AdoptStep, desk: Reception, clock: MovableClock, tmp_path: Path
) -> None:
    look(step, clock)
    clock.forward(-3600)
    make(tmp_path, "by-hand")
    look(step, clock)
    assert [job.name for job in desk.rows("jobs")] == ["by-hand"]
