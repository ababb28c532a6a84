"""Quarantine ends when its time is over, and only then."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from hilum.errors import TemporaryError
from hilum.store.folders import put_aside
from hilum.store.quarantine import QuarantineStep, quarantines
from stage.ledger.clock import MovableClock
from stage.ledger.reception_desk import Reception

DAY = timedelta(days=1)


class Quarantine:
    """One in the spool and one among job folders, and the step that looks after both."""

    def __init__(self, desk: Reception, root: Path) -> None:
        assert desk.spool is not None
        self.desk, self.clock = desk, desk.clock
        root.mkdir()
        self.folders = quarantines(desk.spool, [root, root])
        self.spool, self.payloads = self.folders
        self.keep = 30 * DAY
        self.step = QuarantineStep(database=desk.database, folders=lambda: self.folders, keep=lambda: self.keep)

    def put(self, name: str, parent: Path | None = None, at: datetime | None = None) -> Path:
        made = (self.desk.spool or Path()) / "made"
        made.write_text("damaged")
        kept = put_aside(made, parent or self.spool, name, "why")
        when = (at or self.clock()).timestamp()
        os.utime(kept.with_name(f"{name}.txt"), (when, when))
        return kept

    def run(self) -> list[Exception]:
        """Until there is nothing to do; what failed."""
        failed: list[Exception] = []
        while found := self.step.claim(self.clock(), self.clock() + DAY, 2):
            for reason in found:
                try:
                    self.step.record(reason, self.step.act(reason), self.clock())  # type: ignore[func-returns-value]
                except TemporaryError as error:
                    self.step.failed(reason, error, self.clock())
                    failed.append(error)
        return failed

    def left(self) -> list[str]:
        return sorted(path.name for folder in self.folders if folder.is_dir() for path in folder.iterdir())


@pytest.fixture
def quarantine(desk: Reception, tmp_path: Path) -> Quarantine:
    return Quarantine(desk, tmp_path / "payloads")


def test_a_thing_is_kept_until_its_time_is_over_then_removed_with_a_line_of_history(
    quarantine: Quarantine, clock: MovableClock
) -> None:
    kept = quarantine.put("a-1.dcm")
    quarantine.put("job", quarantine.payloads, at=clock.in_(86400))
    clock.forward(30 * 86400 - 1)
    assert quarantine.run() == []
    assert len(quarantine.left()) == 4
    clock.forward(601)
    assert quarantine.run() == []
    assert quarantine.left() == ["job", "job.txt"]
    [line] = quarantine.desk.history()
    assert (line.machine, line.subject, line.event) == ("folder", str(kept), "expired")
    clock.forward(86400)
    quarantine.run()
    assert quarantine.left() == []


def test_a_folder_goes_with_all_that_is_in_it_and_links_are_not_followed(
    quarantine: Quarantine, clock: MovableClock, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    for number, name in enumerate(("folder", "link")):
        kept = quarantine.put(name)
        kept.unlink()
        if number:
            kept.symlink_to(outside)
        else:
            (kept / "in").mkdir(parents=True)
            (kept / "in" / "link").symlink_to(outside)
    clock.forward(31 * 86400)
    assert quarantine.run() == []
    assert quarantine.left() == []
    assert [path.name for path in outside.iterdir()] == ["file"]


def test_what_has_no_reason_beside_it_was_not_put_there_by_hilum(quarantine: Quarantine, clock: MovableClock) -> None:
    quarantine.put("a")
    (quarantine.spool / "mine").write_text("x")
    (quarantine.spool / ".txt").write_text("x")
    (quarantine.spool / "folder.txt").mkdir()
    clock.forward(365 * 86400)
    quarantine.run()
    assert quarantine.left() == [".txt", "folder.txt", "mine"]


def test_a_removal_that_was_cut_off_is_finished_and_told(quarantine: Quarantine, clock: MovableClock) -> None:
    quarantine.put("a")
    clock.forward(31 * 86400)
    [reason] = quarantine.step.claim(clock(), clock() + DAY, 1)
    quarantine.step.act(reason)
    again = QuarantineStep(
        database=quarantine.desk.database, folders=lambda: quarantine.folders, keep=lambda: quarantine.keep
    )
    [reason] = again.claim(clock(), clock() + DAY, 1)
    again.record(reason, again.act(reason), clock())  # type: ignore[func-returns-value]
    assert quarantine.left() == []
    assert len(quarantine.desk.history()) == 1


def test_it_is_looked_at_intervals_and_a_clock_put_back_stops_nothing(
    quarantine: Quarantine, clock: MovableClock
) -> None:
    quarantine.run()
    quarantine.put("old", at=clock.in_(-40 * 86400))
    clock.forward(599)
    quarantine.run()
    assert quarantine.left() == ["old", "old.txt"]
    assert quarantine.step.next_due(clock()) == clock.in_(1)
    clock.forward(-30 * 86400)
    quarantine.run()
    assert quarantine.left() == ["old", "old.txt"]  # by this clock it is ten days old
    clock.forward(40 * 86400)
    quarantine.run()
    assert quarantine.left() == []


def test_one_that_cannot_be_removed_keeps_no_other_back(
    quarantine: Quarantine, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        quarantine.put(name)
    clock.forward(31 * 86400)
    unlink = Path.unlink

    def fails(path: Path, missing_ok: bool = False) -> None:
        if path.name == "a":
            raise PermissionError(13, "Permission denied", str(path))
        unlink(path, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", fails)
        assert len(quarantine.run()) == 1
    assert quarantine.left() == ["a", "a.txt"]
    clock.forward(600)
    assert quarantine.run() == []
    assert quarantine.left() == []
