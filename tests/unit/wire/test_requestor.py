"""What a requestor says and makes of the answers, also of hostile ones."""

from dataclasses import replace

import pytest

from hilum.errors import LocalError
from hilum.wire import (
    Aborted,
    AssociateAccepted,
    AssociateRejected,
    CommandReceived,
    Connection,
    ConnectionLost,
    ContextReply,
    ContextResult,
    ProposedContext,
    Reject,
    Released,
    ReleaseRequested,
    Role,
    State,
    echo_request,
)
from unit.wire import raw
from unit.wire.raw import COMMAND, LAST, p_data, pdv
from unit.wire.transcript import (
    PROPOSAL,
    does,
    established,
    hears,
    loses_its_peer,
    play,
    requested,
    runs_out_of_time,
)

ECHO_RSP = raw.command_set(
    raw.element(0x0002, raw.ECHO),
    raw.element(0x0100, 0x8030),
    raw.element(0x0120, 7),
    raw.element(0x0800, 0x0101),
    raw.element(0x0900, 0),
)
RESULTS = (
    ContextResult(id=1, reply=ContextReply.ACCEPTED, abstract_syntax=raw.ECHO, transfer_syntax=raw.IMPLICIT),
    ContextResult(id=3, reply=ContextReply.ACCEPTED, abstract_syntax=raw.CT, transfer_syntax=raw.JPEG2000),
)


def test_an_echo_is_sent_and_the_association_released() -> None:
    connection = play(
        Connection(Role.REQUESTOR, max_pdu_length=16384),
        (
            does("request", PROPOSAL),
            raw.pdu(
                1,
                b"\0\1\0\0",
                b"HILUM           MODALITY        ",
                bytes(32),
                raw.APPLICATION,
                *raw.CONTEXTS,
                raw.user(
                    raw.maximum(16384),
                    raw.item(0x52, "2.25.119441565508031780988038722712964776195"),
                    raw.item(0x55, "HILUM_0_1"),
                ),
            ),
        ),
        (
            hears(raw.associate_ac()),
            AssociateAccepted(results=RESULTS, implementation_class_uid="1.2.3.4", implementation_version_name="RAW"),
        ),
        (does("send_command", 1, echo_request(7)), p_data(pdv(1, COMMAND | LAST, raw.echo_rq()))),
        (hears(p_data(pdv(1, COMMAND | LAST, ECHO_RSP))), CommandReceived),
        (does("release"), raw.RELEASE_RQ),
        (hears(raw.RELEASE_RP), Released()),
    )
    assert connection.closed


def test_a_rejection_is_reported_in_plain_words_and_closes() -> None:
    connection = requested()
    [rejected] = connection.receive(memoryview(raw.reject(1, 1, 7)))
    assert rejected == AssociateRejected(reject=Reject.CALLED_NOT_RECOGNIZED)
    assert str(rejected.reject) == "rejected for good: called AE title not recognized (1/1/7)"
    assert connection.closed


def test_a_rejection_with_unknown_codes_is_reported_as_it_is() -> None:
    play(requested(), (hears(raw.reject(9, 8, 7)), AssociateRejected(reject=Reject(9, 8, 7))))


def test_refused_and_unanswered_contexts_are_told_apart_from_accepted_ones() -> None:
    connection = requested()
    [accepted] = connection.receive(memoryview(raw.associate_ac(raw.APPLICATION, raw.result(3, 3), raw.USER)))
    assert isinstance(accepted, AssociateAccepted)
    assert [(result.id, result.reply, result.transfer_syntax) for result in accepted.results] == [
        (1, ContextReply.NO_REASON, ""),
        (3, ContextReply.ABSTRACT_SYNTAX_NOT_SUPPORTED, ""),
    ]
    assert connection.accepted == {}


def test_a_reply_that_the_standard_does_not_know_is_a_refusal() -> None:
    connection = established(raw.APPLICATION, raw.result(1, 0), raw.result(3, 77, ""), raw.USER)
    assert list(connection.accepted) == [1]


@pytest.mark.parametrize(
    "items",
    [
        pytest.param([raw.result(3, 0, raw.IMPLICIT), raw.USER], id="transfer syntax not offered"),
        pytest.param([raw.result(3, 0, ""), raw.USER], id="no transfer syntax"),
        pytest.param([raw.result(5, 0), raw.USER], id="context not proposed"),
        pytest.param([raw.result(2, 0), raw.USER], id="even context"),
        pytest.param([raw.result(1, 0), raw.result(1, 0), raw.USER], id="answered twice"),
        pytest.param([raw.result(1, 0)], id="no user information"),
        pytest.param([raw.result(1, 0), raw.USER, raw.USER], id="user information twice"),
        pytest.param([raw.result(1, 0), raw.user(raw.maximum(7))], id="maximum length of 7"),
        pytest.param([raw.result(1, 0), b"\x50\0\xff\xff"], id="overrun"),
        pytest.param([raw.item(0x21, b"\1\0\0"), raw.USER], id="short result"),
    ],
)
def test_a_hostile_acceptance_is_aborted(items: list[bytes]) -> None:
    play(requested(), (hears(raw.associate_ac(*items)), [Aborted, raw.abort(2, 6)]))


def test_an_acceptance_of_200_mb_is_refused_by_its_header() -> None:
    play(requested(), (hears(b"\2\0" + (200_000_000).to_bytes(4)), [Aborted, raw.abort(2, 6)]))


def test_the_acceptors_maximum_length_is_obeyed() -> None:
    connection = established(raw.APPLICATION, raw.result(1, 0), raw.user(raw.maximum(256)))
    assert (connection.peer_max_pdu_length, connection.max_fragment) == (256, 250)


def test_unknown_items_of_an_acceptance_are_read_over() -> None:
    unknown = raw.item(0x99, b"abc")
    items = (unknown, raw.APPLICATION, raw.result(1, 0), raw.user(raw.item(0x5F, b"abc"), raw.maximum(0)), unknown)
    assert list(established(*items).accepted) == [1]


def test_when_both_ask_for_release_the_requestor_answers_first() -> None:
    connection = play(
        established(),
        (does("release"), raw.RELEASE_RQ),
        (hears(raw.RELEASE_RQ), raw.RELEASE_RP),
        (hears(raw.RELEASE_RP), Released()),
    )
    assert connection.closed


def test_data_that_comes_before_the_release_is_confirmed_is_taken() -> None:
    play(
        established(),
        (does("release"), raw.RELEASE_RQ),
        (hears(p_data(pdv(1, COMMAND | LAST, ECHO_RSP))), CommandReceived),
        (hears(raw.RELEASE_RP), Released()),
    )


def test_an_acceptor_may_ask_for_release() -> None:
    play(
        established(),
        (hears(raw.RELEASE_RQ), ReleaseRequested()),
        (does("confirm_release"), raw.RELEASE_RP),
        (loses_its_peer, []),
    )


def test_an_acceptor_that_goes_away_is_reported() -> None:
    play(requested(), (loses_its_peer, ConnectionLost()), (hears(raw.associate_ac()), []))


def test_a_request_without_answer_is_given_up_by_an_abort() -> None:
    connection = play(requested(), (does("abort"), raw.abort(0, 0)), (runs_out_of_time, []))
    assert connection.closed


def test_a_requestor_that_never_asked_just_closes() -> None:
    for end in (loses_its_peer, does("abort")):
        connection = Connection(Role.REQUESTOR)
        end(connection)
        assert (connection.closed, connection.data_to_send()) == (True, [])


def test_a_banner_before_the_request_is_not_heard() -> None:
    connection = Connection(Role.REQUESTOR)
    assert connection.receive(memoryview(b"SSH-2.0-OpenSSH_9.9\r\n")) == []
    assert not connection.mid_pdu


def test_a_requestor_asks_once() -> None:
    with pytest.raises(LocalError):
        requested().request(PROPOSAL)


@pytest.mark.parametrize(
    "change",
    [
        {"called": ""},
        {"called": "SEVENTEEN LETTERS"},
        {"calling": "MÖDALITY"},
        {"contexts": ()},
        {"contexts": PROPOSAL.contexts + PROPOSAL.contexts},
        {"contexts": (ProposedContext(id=2, abstract_syntax=raw.CT, transfer_syntaxes=(raw.IMPLICIT,)),)},
        {"contexts": (ProposedContext(id=257, abstract_syntax=raw.CT, transfer_syntaxes=(raw.IMPLICIT,)),)},
        {"contexts": (ProposedContext(id=1, abstract_syntax="1" * 70000, transfer_syntaxes=(raw.IMPLICIT,)),)},
        {"protocol_version": 65536},
    ],
    ids=str,
)
def test_a_request_that_cannot_be_sent_is_our_own_fault(change: dict) -> None:
    connection = Connection(Role.REQUESTOR)
    with pytest.raises(LocalError):
        connection.request(replace(PROPOSAL, **change))
    assert (connection.state, connection.data_to_send()) == (State.AWAITING_TRANSPORT, [])
