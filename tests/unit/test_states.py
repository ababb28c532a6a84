from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from itertools import product
from typing import Any

import pytest

from hilum import states
from hilum.errors import LocalError
from hilum.states import (
    Association,
    AssociationEvent,
    Delivery,
    DeliveryEvent,
    Group,
    GroupEvent,
    IllegalTransitionError,
    Job,
    JobEvent,
    Notice,
    NoticeEvent,
    advance,
)

Table = Mapping[tuple[Any, Any], Any]

#: Each table with its states, its events, the states that rows are inserted in, and those that nothing leaves.
MACHINES: list[tuple[Table, type[StrEnum], type[StrEnum], set[StrEnum], set[StrEnum]]] = [
    (
        states.ASSOCIATION,
        Association,
        AssociationEvent,
        {Association.OPEN},
        {Association.RELEASED, Association.REMOVED},
    ),
    (states.GROUP, Group, GroupEvent, {Group.OPEN, Group.CLOSED}, {Group.PLANNED, Group.REMOVED}),
    (states.JOB, Job, JobEvent, {Job.QUEUED, Job.FINISHED}, {Job.REMOVED}),
    (states.DELIVERY, Delivery, DeliveryEvent, {Delivery.DUE}, {Delivery.DELIVERED}),
    (states.DESTINATION, states.Destination, states.DestinationEvent, {states.Destination.UP}, set()),
    (states.NOTICE, Notice, NoticeEvent, {Notice.DUE}, {Notice.SENT}),
]
each_machine = pytest.mark.parametrize(
    ("table", "kind", "events", "initial", "ends"), MACHINES, ids=[machine[1].__name__ for machine in MACHINES]
)


@each_machine
def test_every_pair_is_a_transition_or_an_error(
    table: Table, kind: type[StrEnum], events: type[StrEnum], initial: set[StrEnum], ends: set[StrEnum]
) -> None:
    for state, event in product(kind, events):
        if (state, event) in table:
            assert advance(table, state, event) is table[state, event]
        else:
            with pytest.raises(IllegalTransitionError, match=f"{kind.__name__} {state}: no transition for"):
                advance(table, state, event)


@each_machine
def test_a_table_speaks_of_its_own_states_and_events_only(
    table: Table, kind: type[StrEnum], events: type[StrEnum], initial: set[StrEnum], ends: set[StrEnum]
) -> None:
    for (state, event), after in table.items():
        assert (type(state), type(event), type(after)) == (kind, events, kind)


@each_machine
def test_every_event_happens_somewhere(
    table: Table, kind: type[StrEnum], events: type[StrEnum], initial: set[StrEnum], ends: set[StrEnum]
) -> None:
    assert {event for _, event in table} == set(events)


@each_machine
def test_every_state_is_reachable_from_the_initial_ones(
    table: Table, kind: type[StrEnum], events: type[StrEnum], initial: set[StrEnum], ends: set[StrEnum]
) -> None:
    reached, fresh = set(initial), set(initial)
    while fresh:
        fresh = {after for (before, _), after in table.items() if before in fresh} - reached
        reached |= fresh
    assert reached == set(kind)


@each_machine
def test_only_the_named_ends_are_ends(
    table: Table, kind: type[StrEnum], events: type[StrEnum], initial: set[StrEnum], ends: set[StrEnum]
) -> None:
    assert set(kind) - {state for state, _ in table} == ends


@each_machine
def test_an_end_can_be_reached_from_everywhere(
    table: Table, kind: type[StrEnum], events: type[StrEnum], initial: set[StrEnum], ends: set[StrEnum]
) -> None:
    if not ends:
        return  # destinations go on
    can_end, fresh = set(ends), set(ends)
    while fresh:
        fresh = {before for (before, _), after in table.items() if after in fresh} - can_end
        can_end |= fresh
    assert can_end == set(kind)


@each_machine
def test_tables_cannot_be_changed(
    table: Table, kind: type[StrEnum], events: type[StrEnum], initial: set[StrEnum], ends: set[StrEnum]
) -> None:
    with pytest.raises(TypeError):
        table[next(iter(table))] = next(iter(kind))  # type: ignore[index]


def test_what_was_accepted_is_never_removed_before_it_is_in_a_job() -> None:
    """A group is removed from one state only: the one in which nobody wanted it and its retention ended."""
    assert {before for (before, _), after in states.GROUP.items() if after is Group.REMOVED} == {Group.STORED_ONLY}


def test_an_illegal_transition_is_a_bug_of_ours() -> None:
    assert issubclass(IllegalTransitionError, LocalError)
