from __future__ import annotations

import pytest

from hilum.results import policy


def test_a_folder_seen_for_the_first_time_has_not_settled() -> None:
    assert not policy.settled(None, {})
    assert not policy.settled(None, {"a.dcm": (1, 1)})


def test_a_folder_that_was_found_the_same_twice_has_settled() -> None:
    assert policy.settled({"a.dcm": (1, 1)}, {"a.dcm": (1, 1)})
    assert policy.settled({}, {})


@pytest.mark.parametrize(
    "after",
    [{"a.dcm": (2, 1)}, {"a.dcm": (1, 2)}, {}, {"a.dcm": (1, 1), "b.dcm": (1, 1)}, {"b.dcm": (1, 1)}],
    ids=["size", "time", "gone", "another", "renamed"],
)
def test_a_folder_in_which_anything_differs_has_not_settled(after: policy.Snapshot) -> None:
    assert not policy.settled({"a.dcm": (1, 1)}, after)


def test_results_with_well_formed_uids_can_be_sent() -> None:
    assert policy.refuse_uids("1.2.840.10008.5.1.4.1.1.2", "1.2.3") is None


@pytest.mark.parametrize("bad", ["", "1.2.x", "../1", "1" * 65])
def test_a_result_whose_uid_no_c_store_can_carry_is_refused_by_name(bad: str) -> None:
    assert "SOP Class UID" in str(policy.refuse_uids(bad, "1.2.3"))
    assert "SOP Instance UID" in str(policy.refuse_uids("1.2.3", bad))
