from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hilum.clock import SteadyClock, since_boot, utc_now

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Machine:
    """A wall clock that anybody may set, and the time since boot, which nobody can."""

    def __init__(self) -> None:
        self.wall = NOON
        self.boot = 1000.0

    def goes_on(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.boot += seconds


def test_a_steady_clock_goes_on_whatever_becomes_of_the_wall_clock() -> None:
    machine = Machine()
    clock = SteadyClock(lambda: machine.wall, lambda: machine.boot)
    machine.goes_on(60)
    assert (clock(), clock.jumped) == (NOON + timedelta(seconds=60), timedelta())
    machine.wall += timedelta(days=365)
    machine.goes_on(60)
    assert (clock(), clock.jumped) == (NOON + timedelta(seconds=120), timedelta(days=365))
    machine.wall -= timedelta(days=730)
    assert (clock(), clock.jumped) == (NOON + timedelta(seconds=120), timedelta(days=-365))


def test_the_real_ones_agree() -> None:
    before = utc_now(), since_boot()
    clock = SteadyClock()
    assert before[0] <= clock() <= utc_now() + timedelta(milliseconds=1)
    assert since_boot() >= before[1]
