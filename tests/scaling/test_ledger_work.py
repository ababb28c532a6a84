"""How often a gateway asks its database is known, and does not grow with what an association brings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from scaling.ledger_work import FIRST, FURTHER, RELEASE, STEPS, Cost, Way, costs, idle_minute, total
from scaling.page import Ways, measured, written
from scaling.statements import Asked

PAGE = Path(__file__).parents[2] / "docs" / "scaling.md"
DATABASES = ("SQLite", "PostgreSQL")
#: Steps whose statements are as many for a thousand instances as for one.
CONSTANT = {name for step, name in STEPS.items() if step != "deliver"} | {FIRST, RELEASE}


@pytest.fixture(scope="module")
def found() -> Ways:
    return measured()


@pytest.fixture(params=DATABASES)
def some(request: pytest.FixtureRequest, found: Ways) -> Sequence[Way]:
    return found[request.param]


@pytest.fixture
def by_phase(some: Sequence[Way]) -> Mapping[str, Cost]:
    return costs(some)


def test_an_instance_costs_nothing_before_its_release(by_phase: Mapping[str, Cost]) -> None:
    assert by_phase[FURTHER] == Cost(once=Asked(), each=Asked())


@pytest.mark.parametrize("phase", sorted(CONSTANT))
def test_instances_share_the_statements_of_their_association_and_job(by_phase: Mapping[str, Cost], phase: str) -> None:
    each = by_phase[phase].each
    assert (each.reads, each.notes, each.writes, each.statements, each.round_trips) == (0, 0, 0, 0, 0)


def test_what_a_destination_took_is_written_down_before_the_next_is_sent(by_phase: Mapping[str, Cost]) -> None:
    each = by_phase[STEPS["deliver"]].each
    assert (each.reads, each.notes, each.writes) == (0, 1, 0)
    assert each.statements <= 4


def test_a_release_waits_for_the_disk_once(by_phase: Mapping[str, Cost]) -> None:
    assert by_phase[RELEASE].once.writes == 1


def test_an_association_with_its_job_and_delivery_stays_within_bounds(by_phase: Mapping[str, Cost]) -> None:
    once = total(by_phase).once
    assert once.writes <= 15
    assert once.statements <= 90
    assert once.round_trips <= 150


def test_a_gateway_without_work_only_looks_and_says_that_it_lives(some: Sequence[Way]) -> None:
    idle = idle_minute(some[0])
    assert (idle.writes, idle.notes) == (0, 6)
    assert idle.statements <= 60 * 30
    assert idle.round_trips <= 60 * 80


def test_looks_for_work_cost_the_same_whatever_was_done(some: Sequence[Way]) -> None:
    small, middle, large = some
    assert small.looks == middle.looks == large.looks


def test_the_page_says_so(found: Ways) -> None:
    """Write it anew with: scripts/generate-docs."""
    page = PAGE.read_text(encoding="utf-8")
    assert written(page, found) == page
