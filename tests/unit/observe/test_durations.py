from __future__ import annotations

from hilum.observe.durations import BOUNDS, Durations

MILLISECOND = 1_000_000


def test_each_falls_into_the_bucket_that_ends_at_or_above_it() -> None:
    durations = Durations()
    for nanoseconds in (1, MILLISECOND // 2, MILLISECOND // 2 + 1, 10**12):
        durations.add(nanoseconds)
    assert durations.counts == [2, 1, *[0] * (len(BOUNDS) - 2), 1]
    assert durations.cumulative() == [2, *[3] * (len(BOUNDS) - 1), 4]
    assert durations.count == 4


def test_the_sum_is_exact() -> None:
    durations = Durations()
    durations.add(1)
    durations.add(2 * 10**9)
    assert durations.nanoseconds == 2 * 10**9 + 1
    assert durations.seconds == 2.000000001


def test_two_become_one_and_the_other_stays() -> None:
    one, other = Durations(), Durations()
    one.add(1)
    other.add(MILLISECOND)
    other.add(10**12)
    one.add_all(other)
    assert (one.count, one.nanoseconds) == (3, 1 + MILLISECOND + 10**12)
    assert other.count == 2
