"""The page tells what was counted, and the long form fails when it should."""

from __future__ import annotations

import pytest

from cluster import page
from cluster.proofs import parts
from crash.trials import Trial

GOOD = Trial(what="kill", acknowledged=3, released=2, jobs=2, listening=0.2, drained=0.5, taken_over=4.1)
BAD = Trial(what="kill", acknowledged=3, faults={"RUN_TWICE": ["a: attempt 1 was run 2 times"]})


def _parts(**of: list[Trial]) -> dict[str, list[Trial]]:
    return {name: of.get(name, [BAD] if name == "controls" else [GOOD]) for name in parts()}


def test_a_good_proof_has_no_failures() -> None:
    assert page.failures(_parts()) == []
    assert "| kill | 1 | 3 | 2 | 2 | 0 | 0 | 0 |" in page.page(_parts(), {"now": 4}, "now")


@pytest.mark.parametrize("part", sorted(parts()))
def test_each_part_can_fail(part: str) -> None:
    bad = GOOD if part == "controls" else BAD
    assert len(page.failures(_parts(**{part: [bad]}))) == 1
    assert len(page.failures(_parts(**{part: []}))) == 1


def test_what_went_wrong_is_in_the_page() -> None:
    assert "| kill | 2 | 6 | 2 | 2 | 0 | 0 | 1 |" in page.page(_parts(faults=[GOOD, BAD]), {"now": 4}, "now")
