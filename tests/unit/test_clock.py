from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hilum.clock import MeasuredClock, SteadyClock, since_boot, utc_now

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


class Servers:
    """The clock of a server, as somebody measures it whose machine runs for so many seconds."""

    def __init__(self) -> None:
        self.boot = 1000.0
        self.ahead = timedelta(hours=1)
        self.clock = MeasuredClock("the clock of the server", wall=lambda: NOON, elapsed=lambda: self.boot)

    @property
    def there(self) -> datetime:
        return NOON + self.ahead + timedelta(seconds=self.boot - 1000)

    def measure(self, delay: float = 0.0) -> None:
        asked = self.boot
        self.boot += delay
        self.clock.measured(self.there - timedelta(seconds=delay / 2), asked, self.boot)


def test_until_it_is_measured_it_is_the_machines_own() -> None:
    server = Servers()
    server.boot += 5
    assert server.clock() == NOON + timedelta(seconds=5)


def test_it_is_the_servers_from_the_first_measurement_on_and_half_the_delay_is_taken_off() -> None:
    server = Servers()
    server.measure(delay=0.1)
    assert server.clock() == server.there
    server.boot += 100
    assert server.clock() == server.there
    assert server.clock.jumped == timedelta()


@pytest.mark.parametrize("seconds", [0.4, -0.4, 3.0, -3.0, 9.9, -9.9])
def test_what_network_time_corrects_is_made_up_for_and_time_never_goes_back(seconds: float) -> None:
    server = Servers()
    server.measure()
    server.ahead += timedelta(seconds=seconds)
    before = server.clock()
    for _ in range(200):
        server.measure()
        for _ in range(10):
            server.boot += 0.5
            now = server.clock()
            assert timedelta(seconds=0.44) < now - before < timedelta(seconds=0.56)
            before = now
        assert server.clock.jumped == timedelta()
    assert abs(server.clock() - server.there) < timedelta(milliseconds=1)


@pytest.mark.parametrize("seconds", [3600, -3600, 31_536_000])
def test_a_jump_of_the_server_is_told_and_not_followed(seconds: float) -> None:
    server = Servers()
    server.measure()
    server.ahead += timedelta(seconds=seconds)
    server.boot += 5
    server.measure()
    assert server.clock.jumped == timedelta(seconds=seconds)
    server.boot += 5
    assert server.clock() == NOON + timedelta(hours=1, seconds=10)
    server.ahead -= timedelta(seconds=seconds)
    server.measure()
    assert server.clock.jumped == timedelta()
