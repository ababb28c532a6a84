"""However the network splits the bytes, the same things happen."""

from hypothesis import given, settings

from hilum.wire import Aborted, CommandReceived, State
from property.wire.sessions import CUTS, conversations, damaged, outcome, pieces
from unit.wire import raw
from unit.wire.raw import COMMAND, LAST, p_data, pdv
from unit.wire.transcript import acceptor, associated, established, requested


@settings(max_examples=120, deadline=None)
@given(conversations(), CUTS)
def test_a_conversation_is_understood_in_any_split(data: bytes, cuts: list[int]) -> None:
    whole = outcome(associated(), [data])

    assert outcome(associated(), pieces(data, cuts)) == whole
    assert not any(isinstance(event, Aborted) and not event.by_peer for event in whole[0])


@settings(max_examples=120, deadline=None)
@given(damaged(conversations()), CUTS)
def test_a_damaged_conversation_is_refused_at_the_same_place_in_any_split(data: bytes, cuts: list[int]) -> None:
    for make in (associated, established):
        assert outcome(make(), pieces(data, cuts)) == outcome(make(), [data])


@settings(max_examples=100, deadline=None)
@given(CUTS)
def test_establishment_is_understood_in_any_split(cuts: list[int]) -> None:
    for make, data in (
        (acceptor, raw.associate_rq()),
        (requested, raw.associate_ac()),
        (requested, raw.reject(1, 1, 7)),
    ):
        events, sent, where = outcome(make(), pieces(data, cuts))
        assert (events, sent, where) == outcome(make(), [data])
        assert len(events) == 1


def test_a_session_is_understood_byte_by_byte_and_at_every_single_cut() -> None:
    echo = p_data(pdv(1, COMMAND | LAST, raw.echo_rq()))
    store = p_data(pdv(3, COMMAND, raw.store_rq()[:7]), pdv(3, COMMAND | LAST, raw.store_rq()[7:]), pdv(3, 0, b"some"))
    data = echo + store + p_data(pdv(3, 0, bytes(600))) + p_data(pdv(3, LAST, b"data")) + echo + raw.RELEASE_RQ
    whole = outcome(associated(), [data])

    assert [type(event) for event in whole[0]][:2] == [CommandReceived, CommandReceived]
    assert whole[0][2] == [3, b"some" + bytes(600) + b"data", True]
    assert whole[2][0] is State.AWAITING_CLOSE
    assert outcome(associated(), [data[at : at + 1] for at in range(len(data))]) == whole
    for cut in range(len(data)):
        assert outcome(associated(), [data[:cut], data[cut:]]) == whole
