"""What an acceptor says to what a peer does, from the accepted transport connection to its close."""

from collections.abc import Callable

import pytest

from hilum.errors import LocalError
from hilum.model import Answer
from hilum.wire import (
    Aborted,
    AssociateRefused,
    AssociateRequested,
    CommandReceived,
    Connection,
    ConnectionLost,
    ContextReply,
    ContextResult,
    DataReceived,
    Reject,
    Released,
    ReleaseRequested,
    State,
    echo_request,
    echo_response,
    store_request,
    store_response,
)
from unit.wire import raw
from unit.wire.raw import COMMAND, LAST, p_data, pdv
from unit.wire.transcript import (
    ANYTHING,
    acceptor,
    accepts,
    associated,
    does,
    hears,
    loses_its_peer,
    play,
    runs_out_of_time,
)

ECHO = echo_request(7)
STORE = store_request(9, sop_class=raw.CT, sop_instance="1.2.3.4.5")


def test_an_echo_is_served_and_the_association_released() -> None:
    connection = play(
        acceptor(),
        (hears(raw.associate_rq()), AssociateRequested),
        (accepts, ANYTHING),
        (hears(p_data(pdv(1, COMMAND | LAST, raw.echo_rq()))), CommandReceived(context_id=1, command=ECHO)),
        (does("send_command", 1, echo_response(ECHO)), ANYTHING),
        (hears(raw.RELEASE_RQ), ReleaseRequested()),
        (does("confirm_release"), raw.RELEASE_RP),
        (loses_its_peer, []),
    )
    assert connection.closed


def test_an_instance_is_taken_in_pieces_and_answered() -> None:
    play(
        associated(),
        (
            hears(
                p_data(pdv(3, COMMAND | LAST, raw.store_rq())),
                p_data(pdv(3, 0, b"a" * 600), pdv(3, 0, b"b" * 600)),
                p_data(pdv(3, LAST, b"c" * 600)),
            ),
            [
                CommandReceived(context_id=3, command=STORE),
                DataReceived(3, memoryview(b"a" * 600), False),
                DataReceived(3, memoryview(b"b" * 600), False),
                DataReceived(3, memoryview(b"c" * 600), True),
            ],
        ),
        (
            does("send_command", 3, store_response(STORE, Answer(status=0))),
            p_data(
                pdv(
                    3,
                    COMMAND | LAST,
                    raw.command_set(
                        raw.element(0x0002, raw.CT),
                        raw.element(0x0100, 0x8001),
                        raw.element(0x0120, 9),
                        raw.element(0x0800, 0x0101),
                        raw.element(0x0900, 0),
                        raw.element(0x1000, "1.2.3.4.5"),
                    ),
                )
            ),
        ),
    )


def test_the_acceptance_repeats_the_titles_and_answers_every_context_once() -> None:
    rq = raw.associate_rq(
        raw.APPLICATION,
        raw.context(1, raw.ECHO, raw.IMPLICIT),
        raw.context(3, raw.CT, raw.JPEG2000, raw.IMPLICIT),
        raw.context(5, raw.FIND, raw.EXPLICIT),
        raw.context(255, raw.MR),
        raw.USER,
    )
    connection = play(acceptor(max_pdu_length=65536), (hears(rq), AssociateRequested))
    accepts(connection)
    sent = b"".join(connection.data_to_send())

    implementation = raw.item(0x52, "2.25.119441565508031780988038722712964776195")
    assert sent == raw.pdu(
        2,
        b"\0\1\0\0",
        raw.TITLES,
        raw.APPLICATION,
        raw.result(1, 0, raw.IMPLICIT),
        raw.result(3, 0, raw.JPEG2000),
        raw.result(5, 3, raw.EXPLICIT),
        raw.result(255, 4, raw.IMPLICIT),
        raw.user(raw.maximum(65536), implementation, raw.item(0x55, "HILUM_0_1")),
    )
    assert list(connection.accepted) == [1, 3]


@pytest.mark.parametrize("version", [0x0001, 0x0003, 0xFFFF])
def test_only_bit_0_of_the_protocol_version_is_looked_at(version: int) -> None:
    play(acceptor(), (hears(raw.associate_rq(version=version)), AssociateRequested))


@pytest.mark.parametrize("version", [0x0000, 0x0002])
def test_another_protocol_version_is_rejected_unread(version: int) -> None:
    garbage = raw.pdu(1, version.to_bytes(2), b"\0\0", raw.TITLES, b"items of another version")
    connection = play(acceptor(), (hears(garbage), [AssociateRefused, raw.reject(1, 2, 2)]), (runs_out_of_time, []))
    assert connection.closed


@pytest.mark.parametrize("name", ["1.2.840.10008.3.1.1.2", "", None])
def test_another_application_context_is_rejected(name: str | None) -> None:
    items = [] if name is None else [raw.item(0x10, name)]
    connection = acceptor()

    [refused] = connection.receive(memoryview(raw.associate_rq(*items, *raw.CONTEXTS, raw.USER)))

    assert isinstance(refused, AssociateRefused)
    assert (refused.called, refused.calling) == ("HILUM", "MODALITY")
    assert refused.reject == Reject.APPLICATION_CONTEXT
    assert raw.APPLICATION_CONTEXT in refused.why
    assert connection.data_to_send() == [raw.reject(1, 1, 2)]
    assert (connection.state, connection.timer_running) == (State.AWAITING_CLOSE, True)


def test_a_rejected_peer_is_told_why_and_given_until_artim_to_close() -> None:
    connection = play(
        acceptor(),
        (hears(raw.associate_rq()), AssociateRequested),
        (does("reject", Reject.LOCAL_LIMIT), raw.reject(2, 3, 2)),
    )
    assert (connection.closed, connection.timer_running) == (False, True)
    play(connection, (hears(p_data(pdv(1, 3, raw.echo_rq()))), []), (runs_out_of_time, []))
    assert connection.closed


def test_reserved_bytes_are_not_looked_at() -> None:
    reserved = 0xFF
    rq = raw.associate_rq(
        raw.item(0x10, raw.APPLICATION_CONTEXT, reserved=reserved),
        raw.item(
            0x20,
            bytes((1, reserved, reserved, reserved)),
            raw.item(0x30, raw.ECHO, reserved=reserved),
            raw.item(0x40, raw.IMPLICIT, reserved=reserved),
            reserved=reserved,
        ),
        raw.item(0x50, raw.maximum(16384), reserved=reserved),
        reserved=reserved,
    )
    play(
        acceptor(),
        (hears(rq), AssociateRequested),
        (accepts, ANYTHING),
        (hears(raw.pdu(4, pdv(1, 3, raw.echo_rq()), reserved=reserved)), CommandReceived),
        (hears(b"\5\xff\0\0\0\4\xff\xff\xff\xff"), ReleaseRequested),
    )


@pytest.mark.parametrize(
    "data",
    [
        raw.associate_ac(),
        raw.reject(1, 1, 1),
        p_data(pdv(1, 3)),
        raw.RELEASE_RQ,
        raw.RELEASE_RP,
        raw.pdu(8),
        b"GET / HTTP",
    ],
)
def test_whatever_comes_before_a_request_is_aborted_by_the_user_side(data: bytes) -> None:
    connection = play(acceptor(), (hears(data), [Aborted, raw.abort(0, 0)]))
    assert connection.timer_running


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (raw.associate_rq(), 2),
        (raw.associate_ac(), 2),
        (raw.reject(1, 1, 1), 2),
        (raw.RELEASE_RP, 2),
        (raw.pdu(0), 1),
        (raw.pdu(8, b"abc"), 1),
        (raw.pdu(0xFF), 1),
    ],
)
def test_what_has_no_place_in_data_transfer_is_aborted(data: bytes, reason: int) -> None:
    play(associated(), (hears(data), [Aborted, raw.abort(2, reason)]))


def test_an_abort_says_in_words_what_came_and_when() -> None:
    connection = associated()
    [aborted] = connection.receive(memoryview(raw.RELEASE_RP))
    assert isinstance(aborted, Aborted)
    assert (aborted.by_peer, aborted.source, aborted.reason) == (False, 2, 2)
    assert "RELEASE_RP" in aborted.why
    assert "DATA_TRANSFER" in aborted.why


@pytest.mark.parametrize("kind", [1, 2, 3, 4, 5, 6, 7])
@pytest.mark.parametrize("make", [acceptor, associated])
def test_an_empty_pdu_of_any_type_ends_the_association(kind: int, make: Callable[[], Connection]) -> None:
    connection = make()
    connection.receive(memoryview(raw.pdu(kind)))
    assert connection.state is State.AWAITING_CLOSE


@pytest.mark.parametrize("length", [0, 1, 3, 5, 8, 0xFFFFFFFF])
def test_a_release_request_has_four_bytes(length: int) -> None:
    header = b"\5\0" + length.to_bytes(4)
    play(associated(), (hears(header), [Aborted, raw.abort(2, 6)]))


@pytest.mark.parametrize("length", [0, 67, 1024 * 1024 + 1, 0xFFFFFFF0])
def test_a_request_of_impossible_length_is_refused_by_its_header(length: int) -> None:
    play(acceptor(), (hears(b"\1\0" + length.to_bytes(4)), [Aborted, raw.abort(2, 6)]))


def test_nothing_is_allocated_for_a_promised_length() -> None:
    connection = acceptor()
    connection.receive(memoryview(b"\1\0" + (1024 * 1024).to_bytes(4) + bytes(100)))
    assert len(connection._frame._gathered) == 100
    assert connection.mid_pdu


def test_after_a_broken_pdu_nothing_more_is_read() -> None:
    connection = play(
        associated(),
        (hears(b"\4\0\x7f\xff\xff\xff", raw.RELEASE_RQ), [Aborted, raw.abort(2, 6)]),
        (hears(raw.RELEASE_RQ, raw.associate_rq(), raw.abort(0, 0)), []),
    )
    assert (connection.state, connection.timer_running, connection.mid_pdu) == (State.AWAITING_CLOSE, True, False)
    play(connection, (loses_its_peer, []))


def test_a_misplaced_pdu_is_skipped_and_the_peers_abort_then_closes() -> None:
    connection = play(
        associated(),
        (hears(raw.associate_rq()[:100]), [Aborted, raw.abort(2, 2)]),
        (hears(raw.associate_rq()[100:], raw.RELEASE_RQ), []),
        (hears(raw.abort(0, 0)), []),
    )
    assert connection.closed


def test_an_abort_of_the_peer_is_reported_and_not_answered() -> None:
    connection = play(
        associated(),
        (
            hears(raw.abort(2, 2)),
            Aborted(
                source=2,
                reason=2,
                by_peer=True,
                why="the peer's upper layer aborted the association (source 2, reason 2)",
            ),
        ),
    )
    assert connection.closed


def test_an_abort_before_any_request_closes_without_a_word() -> None:
    assert play(acceptor(), (hears(raw.abort(0, 0)), Aborted)).closed


def test_a_peer_that_goes_away_is_reported_once() -> None:
    connection = play(
        associated(),
        (hears(p_data(pdv(3, 3, raw.store_rq()), pdv(3, 0, bytes(1000)))[:600]), [CommandReceived, DataReceived]),
        (loses_its_peer, ConnectionLost()),
        (loses_its_peer, []),
    )
    assert connection.closed


def test_artim_runs_until_the_request_is_complete_and_closes() -> None:
    rq = raw.associate_rq()
    connection = acceptor()
    for byte in rq[:-1]:
        assert connection.receive(memoryview(bytes((byte,)))) == []
        assert connection.timer_running
    play(connection, (runs_out_of_time, []))
    assert connection.closed

    connection = acceptor()
    connection.receive(memoryview(rq))
    assert not connection.timer_running


def test_artim_cannot_expire_in_data_transfer() -> None:
    connection = play(associated(), (runs_out_of_time, []))
    assert connection.state is State.DATA_TRANSFER


def test_a_release_is_answered_with_data_still_going_out() -> None:
    play(
        associated(),
        (
            hears(p_data(pdv(1, 3, raw.echo_rq())), raw.RELEASE_RQ),
            [CommandReceived, ReleaseRequested],
        ),
        (does("send_command", 1, echo_response(ECHO)), ANYTHING),
        (does("confirm_release"), raw.RELEASE_RP),
        (hears(p_data(pdv(3, 3, raw.store_rq()))), []),
    )


def test_data_after_the_release_request_is_aborted() -> None:
    play(
        associated(),
        (hears(raw.RELEASE_RQ), ReleaseRequested),
        (hears(p_data(pdv(3, 3, raw.store_rq()))), [Aborted, raw.abort(2, 2)]),
    )


def test_an_acceptor_that_asked_for_release_too_answers_last() -> None:
    connection = play(
        associated(),
        (does("release"), raw.RELEASE_RQ),
        (hears(raw.RELEASE_RQ), []),
        (hears(raw.RELEASE_RP), [Released(), raw.RELEASE_RP]),
    )
    assert (connection.state, connection.timer_running) == (State.AWAITING_CLOSE, True)


def test_answers_to_an_association_that_ended_meanwhile_are_dropped() -> None:
    play(
        associated(),
        (hears(p_data(pdv(1, 3, raw.echo_rq())), raw.abort(0, 0)), [CommandReceived, Aborted]),
        (does("send_command", 1, echo_response(ECHO)), []),
        (does("confirm_release"), []),
        (does("abort"), []),
    )


def test_an_acceptance_that_comes_too_late_is_dropped() -> None:
    connection = acceptor()
    rq, aborted = connection.receive(memoryview(raw.associate_rq() + raw.abort(0, 0)))
    assert isinstance(rq, AssociateRequested)
    assert isinstance(aborted, Aborted)
    play(connection, (accepts, []), (does("reject", Reject.NO_REASON), []))
    assert connection.accepted == {}


def test_an_abort_in_the_middle_of_a_pdu_ends_the_stream_of_data() -> None:
    data = p_data(pdv(3, 3, raw.store_rq()), pdv(3, LAST, bytes(4000)))
    connection = play(
        associated(),
        (hears(data[:2000]), [CommandReceived, DataReceived]),
        (does("abort"), raw.abort(0, 0)),
        (hears(data[2000:]), []),
        (hears(raw.abort(2, 0)), []),
    )
    assert connection.closed


@pytest.mark.parametrize(("maximum", "allowed"), [(1, False), (7, False), (8, True), (0, True), (0xFFFFFFFF, True)])
def test_a_peer_that_takes_no_message_is_refused(maximum: int, allowed: bool) -> None:
    rq = raw.associate_rq(raw.APPLICATION, *raw.CONTEXTS, raw.user(raw.maximum(maximum)))
    play(acceptor(), (hears(rq), AssociateRequested if allowed else [Aborted, raw.abort(2, 6)]))


@pytest.mark.parametrize(
    ("maximum", "fragment"),
    [(8, 2), (9, 2), (16384, 16378), (0, 1024 * 1024), (0xFFFFFFFF, 1024 * 1024), (None, 16378)],
)
def test_fragments_are_even_and_fit_the_peers_maximum(maximum: int | None, fragment: int) -> None:
    sub_items = [] if maximum is None else [raw.maximum(maximum)]
    connection = associated(raw.APPLICATION, *raw.CONTEXTS, raw.user(*sub_items))
    assert connection.max_fragment == fragment


def test_no_pdu_sent_is_longer_than_the_peer_takes() -> None:
    connection = associated(raw.APPLICATION, *raw.CONTEXTS, raw.user(raw.maximum(32)))

    connection.send_command(1, echo_response(ECHO))

    sent = connection.data_to_send()
    assert len(sent) > 2
    assert all(int.from_bytes(data[2:6]) == len(data) - 6 <= 32 for data in sent)
    assert [data[11] for data in sent] == [COMMAND] * (len(sent) - 1) + [COMMAND | LAST]
    play(associated(), (hears(*sent), CommandReceived(context_id=1, command=echo_response(ECHO))))


def test_the_header_for_data_is_that_of_one_pdu_with_one_pdv() -> None:
    connection = associated()
    assert connection.data_header(3, 6, last=False) + b"abcdef" == p_data(pdv(3, 0, b"abcdef"))
    assert connection.data_header(3, 0, last=True) == p_data(pdv(3, LAST))


@pytest.mark.parametrize(
    "misuse",
    [
        lambda connection: connection.data_header(5, 10, last=True),
        lambda connection: connection.data_header(3, 16379, last=True),
        lambda connection: connection.data_header(3, -2, last=True),
        lambda connection: connection.send_command(5, ECHO),
        lambda connection: connection.send_command(1, echo_request(65536)),
        lambda connection: connection.send_command(1, store_request(1, sop_class="é", sop_instance="1")),
        lambda connection: connection.accept(()),
        lambda connection: connection.reject(Reject.NO_REASON),
        lambda connection: connection.confirm_release(),
        lambda connection: connection.request(None),
        lambda connection: connection.abort(2, 256),
    ],
)
def test_misuse_raises_a_local_error_and_sends_nothing(misuse: Callable[[Connection], None]) -> None:
    connection = associated()
    with pytest.raises(LocalError):
        misuse(connection)
    assert (connection.state, connection.data_to_send()) == (State.DATA_TRANSFER, [])


def test_data_headers_are_refused_when_the_association_is_over() -> None:
    connection = associated()
    connection.peer_closed()
    with pytest.raises(LocalError, match="over"):
        connection.data_header(3, 10, last=True)


def test_an_acceptance_must_answer_what_was_proposed() -> None:
    connection = acceptor()
    connection.receive(memoryview(raw.associate_rq()))
    accepted = {"reply": ContextReply.ACCEPTED, "abstract_syntax": raw.CT}

    for results in (
        [],
        [ContextResult(id=1, transfer_syntax=raw.IMPLICIT, **accepted)],
        [ContextResult(id=number, transfer_syntax=raw.IMPLICIT, **accepted) for number in (3, 1)],
        [ContextResult(id=number, transfer_syntax=raw.EXPLICIT, **accepted) for number in (1, 3)],
    ):
        with pytest.raises(LocalError):
            connection.accept(results)
        assert connection.state is State.AWAITING_LOCAL_ANSWER


@pytest.mark.parametrize("length", [1, 7, -1, 0x100000000])
def test_a_maximum_length_of_ours_must_be_usable(length: int) -> None:
    with pytest.raises(LocalError):
        acceptor(max_pdu_length=length)


def test_a_deadline_per_pdu_can_be_told_from_count_and_middle() -> None:
    connection = acceptor()
    rq = raw.associate_rq()
    seen = []
    for data in (rq[:3], rq[3:50], rq[50:]):
        connection.receive(memoryview(data))
        seen.append((connection.mid_pdu, connection.pdus_received))
    accepts(connection)
    data = p_data(pdv(3, 3, raw.store_rq())) + 3 * p_data(pdv(3, 0, bytes(1000)))
    connection.receive(memoryview(data[:-1]))
    seen.append((connection.mid_pdu, connection.pdus_received))
    connection.receive(memoryview(data[-1:]))
    seen.append((connection.mid_pdu, connection.pdus_received))
    assert seen == [(True, 0), (True, 0), (False, 1), (True, 4), (False, 5)]
