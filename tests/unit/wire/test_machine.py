import pytest
from pynetdicom import fsm

from hilum.wire.machine import DATA_WANTED, NEXT_STATE, TRANSITIONS, Action, Event, State

PAIRS = [(state, event) for state in State for event in Event]


@pytest.mark.parametrize(("state", "event"), PAIRS, ids=lambda name: name.value)
def test_every_pair_does_what_an_independent_copy_of_the_table_says(state: State, event: Event) -> None:
    action = TRANSITIONS.get((state, event))

    assert (action and action.value) == fsm.TRANSITION_TABLE.get((event.value, state.value))


@pytest.mark.parametrize("action", Action)
def test_every_action_leads_where_an_independent_copy_says(action: Action) -> None:
    _, _, expected = fsm.ACTIONS[action.value]
    # PS3.8 leaves a choice to AE-6 and AR-8; what stands first is the choice of the table here.
    assert NEXT_STATE[action].value == (expected if isinstance(expected, str) else expected[0])


def test_there_are_13_states_19_events_and_28_actions() -> None:
    assert (len(State), len(Event), len(Action)) == (13, 19, 28)


def test_every_state_can_be_reached() -> None:
    choices = {State.AWAITING_CLOSE, State.COLLISION_ACCEPTOR_PEER}
    assert {*NEXT_STATE.values(), *choices} == set(State)


def test_data_is_wanted_in_data_transfer_and_while_our_release_is_unanswered() -> None:
    assert {State.DATA_TRANSFER, State.AWAITING_RELEASE_ANSWER} == DATA_WANTED
