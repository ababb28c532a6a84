"""Each instance is in one place, whatever the states of what it went through."""

from __future__ import annotations

from itertools import product

import pytest

from hilum.ledger.grouping import Fate
from hilum.ledger.whereabouts import Place, Standing, place
from hilum.states import Association, Group

#: Jobs of a group, and how many of them still have their folder.
JOBS = [(0, 0), (1, 1), (1, 0), (2, 1), (2, 0)]
ALL = [
    Standing(fate=fate, association=association, group=group, jobs=made, kept=kept)
    for fate, association, group, (made, kept) in product(Fate, Association, [None, *Group], JOBS)
]


def occurs(one: Standing) -> bool:
    """What a sound ledger can hold."""
    if one.fate is Fate.HELD:
        held = {Association.HELD, Association.ACCEPTING, Association.REMOVED}
        return one.group is None and not one.jobs and one.association in held
    if one.association is not Association.RELEASED or one.group is None:
        return False
    return (one.group is Group.PLANNED) == bool(one.jobs)


def expected(one: Standing) -> Place:
    """As the operator would say it, read from top to bottom."""
    if one.fate is Fate.DAMAGED:
        return Place.QUARANTINED
    if one.fate in {Fate.DUPLICATE, Fate.REPLACED}:
        return Place.IGNORED
    if one.fate is Fate.HELD and one.association is not Association.REMOVED:
        return Place.HELD
    if one.kept:
        return Place.IN_JOBS
    if one.group in {Group.OPEN, Group.CLOSED, Group.PARKED, Group.STORED_ONLY}:
        return Place.GROUPED
    return Place.REMOVED


@pytest.mark.parametrize("one", [one for one in ALL if occurs(one)], ids=str)
def test_what_can_occur_has_the_place_that_an_operator_expects(one: Standing) -> None:
    assert place(one) is expected(one)


def test_every_combination_has_a_place_and_every_place_is_reached() -> None:
    assert {place(one) for one in ALL} == {place(one) for one in filter(occurs, ALL)} == set(Place)
