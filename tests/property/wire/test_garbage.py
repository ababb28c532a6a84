"""Nothing that a peer can send raises, and every association ends at most once."""

from hypothesis import given, settings
from hypothesis import strategies as st

from hilum.wire import (
    Aborted,
    AssociateRefused,
    AssociateRejected,
    Connection,
    ConnectionLost,
    Released,
    Role,
    State,
)
from property.wire.sessions import CUTS, conversations, damaged, outcome, pieces
from unit.wire import raw
from unit.wire.transcript import acceptor, associated, established, requested

ENDINGS = (Aborted, AssociateRefused, AssociateRejected, ConnectionLost, Released)
#: Garbage that begins like a PDU gets further than other garbage.
GARBAGE = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.builds(raw.pdu, st.integers(0, 9), st.binary(max_size=200)),
        st.builds(
            lambda number, bits, data: raw.p_data(raw.pdv(number, bits, data)), *[st.integers(0, 4)] * 2, st.binary()
        ),
        st.sampled_from([raw.associate_rq(), raw.associate_ac(), raw.RELEASE_RQ, raw.RELEASE_RP, raw.abort(2, 0)]),
    ),
    max_size=6,
)


def releasing() -> Connection:
    connection = established()
    connection.release()
    return connection


def survives(connection: Connection, parts: list[bytes]) -> None:
    events, sent, _ = outcome(connection, parts)
    events += connection.peer_closed()

    endings = [event for event in events if isinstance(event, ENDINGS)]
    assert len(endings) <= 1
    assert not endings or events[-1] is endings[0]
    assert connection.state is State.IDLE
    assert len(sent) <= 400 + 10 * sum(map(len, parts))
    connection.timer_expired()
    connection.abort()
    assert connection.data_to_send() == []


@settings(max_examples=150, deadline=None)
@given(GARBAGE)
def test_garbage_is_survived_in_every_state(parts: list[bytes]) -> None:
    for make in (acceptor, associated, requested, established, releasing, lambda: Connection(Role.REQUESTOR)):
        survives(make(), parts)


@settings(max_examples=150, deadline=None)
@given(damaged(st.just(raw.associate_rq())), conversations())
def test_a_damaged_request_is_survived(rq: bytes, conversation: bytes) -> None:
    survives(acceptor(), [rq, conversation])


@settings(max_examples=150, deadline=None)
@given(damaged(st.just(raw.associate_ac())), conversations())
def test_a_damaged_acceptance_is_survived(ac: bytes, conversation: bytes) -> None:
    survives(requested(), [ac, conversation])


@settings(max_examples=100, deadline=None)
@given(damaged(conversations()), CUTS)
def test_a_damaged_conversation_is_survived(data: bytes, cuts: list[int]) -> None:
    survives(associated(), pieces(data, cuts))
