"""Where an instance that was answered with success is now; pure.

Each is in exactly one place, so that what was received is always the sum of the places.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from hilum import states
from hilum.ledger.grouping import Fate


class Place(StrEnum):
    """Where it is."""

    GROUPED = "grouped"  # in a group that has no jobs yet, or that no workflow wanted
    IN_JOBS = "in jobs"  # in the folder of at least one job
    IGNORED = "ignored"  # as configured: its SOP class, or its SOP Instance UID was there already
    HELD = "held"  # its association ended without a release
    REMOVED = "removed"  # its time was over
    QUARANTINED = "quarantined"  # its file was damaged on disk


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """All that decides where an instance is.

    Attributes:
        group: The state of its group; ``None``: it is in none.
        jobs: How many jobs its group has.
        kept: How many of these still have their folder.
    """

    fate: Fate
    association: states.Association
    group: states.Group | None
    jobs: int
    kept: int


def place(standing: Standing) -> Place:
    """The one place of an instance. Total: every combination has one, also those that a sound ledger does not know."""
    match standing.fate:
        case Fate.DAMAGED:
            return Place.QUARANTINED
        case Fate.DUPLICATE | Fate.REPLACED:
            return Place.IGNORED
        case Fate.HELD:
            return Place.REMOVED if standing.association is states.Association.REMOVED else Place.HELD
        case Fate.GROUPED:
            return _in_group(standing)
        case never:
            assert_never(never)


def _in_group(standing: Standing) -> Place:
    match standing.group:
        case states.Group.PLANNED:
            return Place.IN_JOBS if standing.kept else Place.REMOVED
        case states.Group.REMOVED:
            return Place.REMOVED
        case states.Group.OPEN | states.Group.CLOSED | states.Group.PARKED | states.Group.STORED_ONLY | None:
            return Place.GROUPED
        case never:
            assert_never(never)
