"""Drives real connections into every state and lets everything happen to them there that a peer or the clock can do."""

import pytest

from hilum.wire import Connection, Role, State
from hilum.wire.machine import NEXT_STATE, TRANSITIONS, Action, Event
from unit.wire import raw
from unit.wire.transcript import acceptor, associated, established, requested


def awaiting_local_answer() -> Connection:
    connection = acceptor()
    connection.receive(memoryview(raw.associate_rq()))
    return connection


def releasing() -> Connection:
    connection = established()
    connection.release()
    return connection


def asked_for_release() -> Connection:
    connection = associated()
    connection.receive(memoryview(raw.RELEASE_RQ))
    return connection


def collided_as_requestor() -> Connection:
    connection = releasing()
    connection.receive(memoryview(raw.RELEASE_RQ))
    return connection


def collided_as_acceptor() -> Connection:
    connection = associated()
    connection.release()
    connection.receive(memoryview(raw.RELEASE_RQ))
    return connection


def awaiting_close() -> Connection:
    connection = associated()
    connection.abort()
    return connection


#: Sta9 and Sta12 are left as soon as they are entered, Sta1 is a closed connection.
STATES = {
    State.AWAITING_ASSOCIATE: acceptor,
    State.AWAITING_LOCAL_ANSWER: awaiting_local_answer,
    State.AWAITING_TRANSPORT: lambda: Connection(Role.REQUESTOR),
    State.AWAITING_ASSOCIATE_ANSWER: requested,
    State.DATA_TRANSFER: associated,
    State.AWAITING_RELEASE_ANSWER: releasing,
    State.AWAITING_LOCAL_RELEASE: asked_for_release,
    State.COLLISION_ACCEPTOR_PEER: collided_as_acceptor,
    State.COLLISION_REQUESTOR_PEER: collided_as_requestor,
    State.AWAITING_CLOSE: awaiting_close,
}
PDUS = {
    Event.ASSOCIATE_AC_RECEIVED: raw.associate_ac(),
    Event.ASSOCIATE_RJ_RECEIVED: raw.reject(1, 1, 7),
    Event.ASSOCIATE_RQ_RECEIVED: raw.associate_rq(),
    Event.DATA_RECEIVED: raw.p_data(raw.pdv(1, raw.COMMAND | raw.LAST, raw.echo_rq())),
    Event.RELEASE_RQ_RECEIVED: raw.RELEASE_RQ,
    Event.RELEASE_RP_RECEIVED: raw.RELEASE_RP,
    Event.ABORT_RECEIVED: raw.abort(0, 0),
    Event.INVALID_PDU_RECEIVED: raw.pdu(0x47, b"ET / HTTP/1.1"),
}
SENT = {
    Action.SEND_USER_ABORT: raw.abort(0, 0),
    Action.SEND_PROVIDER_ABORT: raw.abort(2, 2),
    Action.SEND_ABORT_AGAIN: raw.abort(2, 2),
    Action.INDICATE_COLLISION: raw.RELEASE_RP,
    Action.CONFIRM_RELEASE_IN_COLLISION: raw.RELEASE_RP,
}
#: Where the local side's answer to a collision follows at once.
RESTING = {
    State.COLLISION_REQUESTOR_LOCAL: State.COLLISION_REQUESTOR_PEER,
    State.COLLISION_ACCEPTOR_LOCAL: State.AWAITING_CLOSE,
}


def happens(connection: Connection, event: Event) -> None:
    if event is Event.TRANSPORT_CLOSED:
        connection.peer_closed()
    elif event is Event.TIMER_EXPIRED:
        connection.timer_expired()
    else:
        connection.receive(memoryview(PDUS[event]))


@pytest.mark.parametrize("event", [*PDUS, Event.TRANSPORT_CLOSED, Event.TIMER_EXPIRED], ids=lambda event: event.value)
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.value)
def test_a_connection_obeys_the_table(state: State, event: Event) -> None:
    connection = STATES[state]()
    connection.data_to_send()
    assert connection.state is state
    action = TRANSITIONS.get((state, event))

    happens(connection, event)

    after = NEXT_STATE[action] if action else state
    assert connection.state is RESTING.get(after, after)
    assert connection.closed == (connection.state is State.IDLE)
    assert connection.timer_running == (connection.state in (State.AWAITING_ASSOCIATE, State.AWAITING_CLOSE))
    sent = SENT.get(action, b"") if action else b""
    if event is Event.INVALID_PDU_RECEIVED and action is not Action.SEND_USER_ABORT:
        sent = sent and raw.abort(2, 1)
    assert b"".join(connection.data_to_send()) == sent


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.value)
def test_the_local_side_can_abort_in_every_state(state: State) -> None:
    connection = STATES[state]()
    connection.data_to_send()

    connection.abort()

    sent = b"".join(connection.data_to_send())
    if state in (State.AWAITING_ASSOCIATE, State.AWAITING_TRANSPORT):
        assert (connection.state, sent) == (State.IDLE, b"")
    else:
        assert (connection.state, sent) == (
            State.AWAITING_CLOSE,
            b"" if state is State.AWAITING_CLOSE else raw.abort(0, 0),
        )


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.value)
def test_a_closed_connection_hears_and_says_nothing(state: State) -> None:
    connection = STATES[state]()
    connection.peer_closed()
    connection.data_to_send()

    for event in (*PDUS, Event.TRANSPORT_CLOSED, Event.TIMER_EXPIRED):
        happens(connection, event)
    connection.abort()
    connection.release()
    connection.confirm_release()

    assert (connection.state, connection.closed, connection.data_to_send()) == (State.IDLE, True, [])
