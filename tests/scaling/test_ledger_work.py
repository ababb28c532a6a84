"""How often a gateway asks its database is known, and does not grow with what an association brings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from scaling.ledger_work import FIRST, FURTHER, RELEASE, STEPS, Cost, costs
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
def by_phase(request: pytest.FixtureRequest, found: Ways) -> Mapping[str, Cost]:
    return costs(found[request.param])


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


def test_the_page_says_so(found: Ways) -> None:
    """Write it anew with: scripts/generate-docs."""
    page = PAGE.read_text(encoding="utf-8")
    assert written(page, found) == page
