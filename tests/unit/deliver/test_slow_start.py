from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hilum.deliver.slots import Traffic


def test_one_that_is_well_is_full_at_the_limit() -> None:
    traffic = Traffic()
    for key in range(3):
        assert traffic.full(3) == frozenset()
        traffic.begin(key, "PACS")
    assert traffic.full(3) == {"PACS"}
    traffic.end(1)
    traffic.end(1)
    assert traffic.full(3) == frozenset()
    assert traffic.served("PACS") == 3


def test_one_that_was_down_gets_one_and_then_twice_as_many_each_time() -> None:
    traffic = Traffic()
    traffic.slow({"PACS"})
    for allowed in (1, 2, 4, 5, 5):
        for key in range(allowed):
            assert traffic.full(5) == frozenset()
            traffic.begin(key, "PACS")
        assert traffic.full(5) == {"PACS"}
        for key in range(allowed):
            traffic.end(key)
        traffic.went_well("PACS", 5)


def test_another_one_is_not_slowed() -> None:
    traffic = Traffic()
    traffic.slow({"PACS"})
    traffic.begin(1, "PACS")
    traffic.begin(2, "ARCHIVE")
    assert traffic.full(2) == {"PACS"}


@given(most=st.integers(1, 20), events=st.lists(st.sampled_from(["well", "down"]), max_size=30))
def test_there_is_always_room_for_one_and_never_for_more_than_the_limit(most: int, events: list[str]) -> None:
    traffic = Traffic()
    for event in events:
        traffic.slow({"PACS"}) if event == "down" else traffic.went_well("PACS", most)
        key = 0
        while "PACS" not in traffic.full(most):
            traffic.begin(key, "PACS")
            key += 1
        assert 1 <= key <= most
        for one in range(key):
            traffic.end(one)
