"""Hilum keeps every must that can be seen from outside. Test numbers are those of the musts."""

from __future__ import annotations

import pytest

from hilum.battery import CHECKS, ELSEWHERE, Check, Conforms, Target


@pytest.mark.parametrize("check", [pytest.param(check, id=f"{check.number:03}") for check in CHECKS])
def test_hilum_keeps(check: Check, target: Target) -> None:
    # Not even a less telling answer where the standard leaves a choice.
    assert check.run(target) == Conforms(), f"{check.title} ({check.source})"


def test_every_must_has_one_check_or_a_reason_why_not() -> None:
    numbers = [check.number for check in CHECKS]
    assert sorted([*numbers, *ELSEWHERE]) == [*range(1, 86), *range(97, 101)]


def test_every_check_names_its_clause_and_no_two_say_the_same() -> None:
    assert all("PS3." in check.source for check in CHECKS)
    assert len({check.title for check in CHECKS}) == len(CHECKS)
