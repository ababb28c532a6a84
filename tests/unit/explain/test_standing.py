"""How things stand, in a few words."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from hilum import states
from hilum.explain import standing
from unit.web.pages.test_spans import a_group, a_job, at


@pytest.mark.parametrize(
    ("due", "delivered", "given_up", "results", "words"),
    [
        (0, 0, 0, 0, ""),
        (0, 0, 0, 2, "2 kept"),
        (1, 2, 0, 3, "2/3 delivered"),
        (0, 2, 1, 3, "2/3 delivered, 1 given up"),
    ],
)
def test_results(due: int, delivered: int, given_up: int, results: int, words: str) -> None:
    job = a_job(due=due, delivered=delivered, given_up=given_up, results=results)
    assert standing.of_results(job) == words


def test_groups() -> None:
    group = a_group(state=states.Group.OPEN, closed_at=None, jobs=0)
    assert standing.of_group(group, at(30) - timedelta(seconds=20)) == "closes in 20 s"
    assert standing.of_group(replace(group, awaited=True), at(0)) == "still receiving"
    assert standing.of_group(a_group(jobs=2), at(99)) == "2 jobs"
    assert standing.of_group(a_group(jobs=0), at(99)) == ""
