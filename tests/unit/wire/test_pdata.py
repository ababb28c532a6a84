"""P-DATA-TF: what the stream of messages may look like, and what it may not."""

from collections.abc import Callable

import pytest

from hilum.wire import Aborted, CommandReceived, Connection, DataReceived
from hilum.wire.dimse import MAX_COMMAND_BYTES
from unit.wire import raw
from unit.wire.raw import COMMAND, LAST, p_data, pdv
from unit.wire.transcript import associated, hears, play

STORE = pdv(3, COMMAND | LAST, raw.store_rq())
REFUSED = [Aborted, raw.abort(2, 6)]
OUT_OF_ORDER = [Aborted, raw.abort(2, 5)]


def due() -> Connection:
    """A connection on which a data set is due on context 3."""
    return play(associated(), (hears(p_data(STORE)), CommandReceived))


def pieces(connection: Connection, *data: bytes) -> list[DataReceived]:
    found = []
    for part in data:
        found += connection.receive(memoryview(part))
    assert all(isinstance(event, DataReceived) for event in found), found
    assert connection.data_to_send() == []
    return found


def test_command_and_data_may_share_a_pdu() -> None:
    play(
        associated(),
        (hears(p_data(STORE, pdv(3, LAST, b"data"))), [CommandReceived, DataReceived(3, memoryview(b"data"), True)]),
    )


def test_a_command_may_come_in_fragments_over_several_pdus() -> None:
    command = raw.store_rq()
    fragments = [p_data(pdv(3, COMMAND, command[start : start + 2])) for start in range(0, len(command), 2)]
    play(associated(), (hears(*fragments, p_data(pdv(3, COMMAND | LAST))), CommandReceived))


def test_only_two_bits_of_the_message_control_header_are_looked_at() -> None:
    play(
        associated(),
        (
            hears(p_data(pdv(3, 0xFF, raw.store_rq())), p_data(pdv(3, 0xFC, b"da"), pdv(3, 0xFE, b"ta"))),
            [CommandReceived, DataReceived(3, memoryview(b"data"), True)],
        ),
    )


def test_an_empty_last_fragment_ends_the_data_set() -> None:
    assert pieces(due(), p_data(pdv(3, 0, b"data")), p_data(pdv(3, LAST))) == [
        DataReceived(3, memoryview(b"data"), False),
        DataReceived(3, memoryview(b""), True),
    ]


def test_an_empty_data_set_is_one_empty_piece() -> None:
    assert pieces(due(), p_data(pdv(3, LAST))) == [DataReceived(3, memoryview(b""), True)]


def test_empty_and_odd_fragments_in_between_are_tolerated() -> None:
    found = pieces(due(), p_data(pdv(3, 0), pdv(3, 0, b"odd"), pdv(3, 0), pdv(3, LAST, b"odd")))
    assert found == [DataReceived(3, memoryview(b"oddodd"), True)]


def test_the_bytes_of_a_data_set_are_views_into_what_was_received() -> None:
    buffer = bytearray(p_data(pdv(3, 0, b"a" * 4096)) * 3)
    found = due().receive(memoryview(buffer))
    buffer[:] = b"b" * len(buffer)
    assert [bytes(event.data) for event in found] == [b"b" * 4096] * 3


def test_only_the_last_piece_of_the_last_fragment_is_last() -> None:
    data = p_data(pdv(3, LAST, bytes(3000)))
    found = pieces(due(), data[:1000], data[1000:2000], data[2000:])
    assert [(len(event.data), event.last) for event in found] == [(988, False), (1000, False), (1012, True)]


def test_many_crumbs_do_not_become_many_objects() -> None:
    crumbs = p_data(*[pdv(3, 0, b"ab")] * 10_000)
    found = due().receive(memoryview(crumbs))
    assert b"".join(event.data for event in found) == b"ab" * 10_000
    assert len(found) < 100


def test_crumbs_of_two_data_sets_stay_apart() -> None:
    message = p_data(STORE, pdv(3, LAST, b"data"))
    found = [event for event in associated().receive(memoryview(message * 3)) if isinstance(event, DataReceived)]
    assert found == [DataReceived(3, memoryview(b"data"), True)] * 3


def test_messages_of_several_contexts_may_follow_each_other() -> None:
    echo = p_data(pdv(1, COMMAND | LAST, raw.echo_rq()))
    whole = p_data(pdv(3, LAST, bytes(2000)))
    play(
        associated(),
        (
            hears(echo, p_data(STORE), whole, echo, p_data(STORE), whole),
            [CommandReceived, CommandReceived, DataReceived, CommandReceived, CommandReceived, DataReceived],
        ),
    )


def test_an_unknown_command_reaches_the_shell() -> None:
    command = raw.command_set(raw.element(0x0100, 0x0140), raw.element(0x0110, 5), raw.element(0x0800, 0x0101))
    [event] = associated().receive(memoryview(p_data(pdv(1, 3, command))))
    assert isinstance(event, CommandReceived)
    assert (event.command.field, event.command.message_id) == (0x0140, 5)


@pytest.mark.parametrize(
    "pdu",
    [
        pytest.param(raw.pdu(4), id="no PDV"),
        pytest.param(raw.pdu(4, b"\0\0\0\2\3"), id="less than a PDV header"),
        pytest.param(raw.pdu(4, b"\0\0\0\0\3\0"), id="PDV length 0"),
        pytest.param(raw.pdu(4, b"\0\0\0\1\3\0"), id="PDV length 1"),
        pytest.param(raw.pdu(4, b"\0\0\0\7\3\0abcd"), id="PDV one byte longer than its PDU"),
        pytest.param(raw.pdu(4, b"\xff\xff\xff\xff\3\0abcd"), id="PDV of 4 GiB"),
        pytest.param(raw.pdu(4, pdv(3, 0, b"abcd"), b"\0"), id="1 byte behind the PDV"),
        pytest.param(raw.pdu(4, pdv(3, 0, b"abcd"), bytes(5)), id="5 bytes behind the PDV"),
        pytest.param(p_data(pdv(5, 0, b"abcd")), id="context not proposed"),
        pytest.param(p_data(pdv(5, COMMAND, b"abcd")), id="command on a context not proposed"),
        pytest.param(p_data(pdv(0, 0, b"abcd")), id="context 0"),
    ],
)
@pytest.mark.parametrize("make", [associated, due])
def test_a_broken_pdv_is_aborted(make: Callable[[], Connection], pdu: bytes) -> None:
    # Bytes behind a good PDV are reached only where that PDV is due.
    pdu = pdu.replace(pdv(3, 0, b"abcd"), pdv(3, COMMAND, b"abcd")) if make is associated else pdu
    connection = make()
    *before, aborted = connection.receive(memoryview(pdu))
    assert all(isinstance(event, DataReceived) for event in before)
    assert isinstance(aborted, Aborted)
    assert connection.data_to_send() == [raw.abort(2, 6)]


def test_a_context_that_was_refused_carries_nothing() -> None:
    connection = associated(raw.APPLICATION, *raw.CONTEXTS, raw.context(5, raw.FIND, raw.IMPLICIT), raw.USER)
    play(connection, (hears(p_data(pdv(5, 3, raw.echo_rq()))), REFUSED))


def test_a_data_set_without_command_is_out_of_order() -> None:
    play(associated(), (hears(p_data(pdv(3, 0, b"data"))), OUT_OF_ORDER))


def test_data_behind_a_command_that_announced_none_is_out_of_order() -> None:
    play(
        associated(), (hears(p_data(pdv(1, 3, raw.echo_rq()), pdv(1, LAST, b"data"))), [CommandReceived, *OUT_OF_ORDER])
    )


def test_data_behind_a_complete_data_set_is_out_of_order() -> None:
    play(due(), (hears(p_data(pdv(3, LAST, b"data"), pdv(3, LAST, b"more"))), [DataReceived, *OUT_OF_ORDER]))
    whole = p_data(pdv(3, LAST, bytes(2000)))
    play(due(), (hears(whole, whole), [DataReceived, *OUT_OF_ORDER]))


def test_a_data_set_on_another_context_than_its_command_is_out_of_order() -> None:
    play(due(), (hears(p_data(pdv(1, LAST, b"data"))), OUT_OF_ORDER))
    play(due(), (hears(p_data(pdv(3, 0, bytes(2000))), p_data(pdv(1, 0, bytes(2000)))), [DataReceived, *OUT_OF_ORDER]))


def test_a_command_before_the_data_set_is_complete_is_out_of_order() -> None:
    play(due(), (hears(p_data(pdv(3, 0, b"data"), STORE)), [DataReceived, *OUT_OF_ORDER]))
    play(due(), (hears(p_data(pdv(1, 3, raw.echo_rq()))), OUT_OF_ORDER))


def test_order_is_kept_on_the_fast_path_too() -> None:
    data = p_data(pdv(3, 0, bytes(2000)))
    play(due(), (hears(data, p_data(pdv(3, COMMAND, bytes(2000)))), [DataReceived, *OUT_OF_ORDER]))
    play(due(), (hears(data, p_data(pdv(3, COMMAND | LAST, bytes(2000)))), [DataReceived, *OUT_OF_ORDER]))


def test_a_command_that_changes_its_context_is_out_of_order() -> None:
    command = raw.echo_rq()
    play(associated(), (hears(p_data(pdv(1, COMMAND, command[:10]), pdv(3, 3, command[10:]))), OUT_OF_ORDER))
    play(associated(), (hears(p_data(pdv(1, COMMAND), pdv(3, 3, command))), OUT_OF_ORDER))


def test_data_within_a_command_is_out_of_order() -> None:
    play(associated(), (hears(p_data(pdv(3, COMMAND, raw.store_rq()[:10]), pdv(3, 0, b"data"))), OUT_OF_ORDER))


def test_a_command_that_never_ends_is_aborted_at_its_limit() -> None:
    fragment = p_data(pdv(1, COMMAND, bytes(8192)))
    connection = play(associated(), (hears(fragment * (MAX_COMMAND_BYTES // 8192)), []))
    assert len(connection._stream._command) == MAX_COMMAND_BYTES
    play(connection, (hears(p_data(pdv(1, COMMAND, b"ab"))[:12]), REFUSED))


def test_a_malformed_command_is_aborted() -> None:
    play(associated(), (hears(p_data(pdv(1, 3, raw.echo_rq()[:-1]))), REFUSED))
    play(associated(), (hears(p_data(pdv(1, 3))), REFUSED))


@pytest.mark.parametrize("length", [0, 5, 16385, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_pdu_longer_than_our_maximum_is_refused_by_its_header(length: int) -> None:
    play(associated(max_pdu_length=16384), (hears(b"\4\0" + length.to_bytes(4)), REFUSED))


def test_our_maximum_holds_on_the_fast_path_too() -> None:
    at_limit = p_data(pdv(3, 0, bytes(16378)))
    too_long = p_data(pdv(3, 0, bytes(16380)))
    connection = play(associated(max_pdu_length=16384), (hears(p_data(STORE)), CommandReceived))
    play(connection, (hears(at_limit, at_limit, too_long), [DataReceived, DataReceived, *REFUSED]))


def test_no_limit_of_ours_means_none() -> None:
    connection = play(associated(max_pdu_length=0), (hears(p_data(STORE)), CommandReceived))
    play(connection, (hears(b"\4\0\xff\xff\xff\xff" + b"\xff\xff\xff\xfb\3\0" + bytes(1000)), DataReceived))


def test_a_second_request_between_command_and_data_is_aborted() -> None:
    play(due(), (hears(raw.associate_rq(), p_data(pdv(3, LAST, b"data"))), [Aborted, raw.abort(2, 2)]))
    play(due(), (hears(raw.associate_ac()), [Aborted, raw.abort(2, 2)]))
