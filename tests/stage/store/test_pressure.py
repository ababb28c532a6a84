"""What the history says of a disk that gets full and has room again."""

from __future__ import annotations

from hilum.ledger.database import Database
from hilum.store.pressure import SETTLED, DiskStep
from stage.ledger.clock import MovableClock
from stage.ledger.reception_desk import Reception

LIMIT = "/data: 91.3 % used, limit 85 %"


class Disk:
    def __init__(self, desk: Reception) -> None:
        self.desk, self.why = desk, ""
        self.step = self.new_step()

    def new_step(self) -> DiskStep:
        return DiskStep(database=self.desk.database, full=lambda: self.why or None)

    def look(self) -> None:
        now = self.desk.clock()
        for work in self.step.claim(now, now, 1):
            self.step.record(work, None, now)

    @property
    def said(self) -> list[str]:
        return [line.event for line in self.desk.history(machine="disk")]


def test_each_change_has_a_line_and_nothing_else_has(desk: Reception, clock: MovableClock) -> None:
    disk = Disk(desk)
    disk.look()
    assert disk.said == []
    disk.why = LIMIT
    disk.look()
    disk.look()
    [line] = desk.history(machine="disk")
    assert (line.event, line.why) == ("disk full", LIMIT)
    assert line.remedy.startswith("make room")
    disk.why = ""
    disk.look()
    clock.forward(SETTLED.total_seconds())
    disk.look()
    disk.look()
    assert disk.said == ["disk full", "disk has room"]


def test_a_disk_that_flickers_is_full(desk: Reception, clock: MovableClock) -> None:
    disk = Disk(desk)
    for _ in range(20):
        disk.why = LIMIT
        disk.look()
        clock.forward(20)
        disk.why = ""
        disk.look()
        clock.forward(20)
    assert disk.said == ["disk full"]


def test_a_new_start_goes_on_where_the_last_one_was(desk: Reception, database: Database, clock: MovableClock) -> None:
    disk = Disk(desk)
    disk.why = LIMIT
    disk.look()
    disk.step = disk.new_step()
    disk.look()
    assert disk.said == ["disk full"]
    disk.step = disk.new_step()
    disk.why = ""
    disk.look()
    clock.forward(SETTLED.total_seconds())
    disk.look()
    assert disk.said == ["disk full", "disk has room"]
