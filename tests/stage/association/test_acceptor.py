"""One association, seen by a peer that speaks bytes."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest
from structlog.typing import EventDict

from harness.raw_peer import (
    ABORT,
    CT,
    CT_CONTEXT,
    DATA,
    ECHO_CONTEXT,
    EXPLICIT,
    IMPLICIT,
    JPEG,
    LAST,
    MR,
    RELEASE,
    RELEASED,
    USER_ABORT,
    VERIFICATION,
    associate_rq,
    command_set,
    data_set,
    echo_rq,
    item,
    number,
    p_data,
    pdu,
    pdv,
    response,
    store_rq,
)
from hilum.association.observer import AssociationAccepted, AssociationEnded, ConnectionDropped, InstanceRefused
from hilum.association.sink import Ending
from hilum.errors import TemporaryError
from hilum.model import Answer, StoreRequest, Uid
from stage.association.recording_sink import Broken, Discarded, Released, Stored
from stage.association.running_gateway import Gateway

CONTENT = bytes(range(256)) * 40


def ended(gateway: Gateway, how: Ending) -> Broken:
    """The sink was told exactly once, and so was the observer."""
    event = gateway.seen.wait(AssociationEnded)
    assert event.how is how
    assert not gateway.seen.all(Released)
    (broken,) = gateway.seen.all(Broken)
    assert broken.how is how
    assert broken.why == event.why
    return broken


def test_an_echo_is_answered_with_the_message_id_of_its_request(gateway: Gateway) -> None:
    with gateway.connect() as peer:
        peer.associate(ECHO_CONTEXT)
        for message_id in (0, 1, 65535):
            peer.send(echo_rq(message_id))
            answer = peer.command()
            assert number(answer[0x0100]) == 0x8030
            assert number(answer[0x0120]) == message_id
            assert number(answer[0x0800]) == 0x0101
            assert number(answer[0x0900]) == 0
            assert answer[0x0002].rstrip(b"\0").decode() == VERIFICATION


def test_a_release_is_answered_and_the_peer_may_close(gateway: Gateway) -> None:
    with gateway.connect() as peer:
        peer.associate()
        peer.send(RELEASE)
        assert peer.read(100) == RELEASED
    event = gateway.seen.wait(AssociationEnded)
    assert event.how is None
    assert gateway.seen.all(Released)
    assert not gateway.seen.all(Broken)


@pytest.mark.parametrize("piece", [1, 7, 1000, 100_000])
def test_a_data_set_arrives_unchanged_however_it_is_split(gateway: Gateway, piece: int) -> None:
    with gateway.connect() as peer:
        peer.associate()
        stream = store_rq("1.2.3", message_id=7) + data_set(CONTENT, fragment=998)
        for start in range(0, len(stream), piece):
            peer.send(stream[start : start + piece])
        answer = peer.command()
        assert number(answer[0x0100]) == 0x8001
        assert number(answer[0x0120]) == 7
        assert number(answer[0x0900]) == 0
        assert answer[0x0002].rstrip(b"\0").decode() == CT
        assert answer[0x1000].rstrip(b"\0").decode() == "1.2.3"
        peer.release()
    (stored,) = gateway.seen.all(Stored)
    assert stored.content == CONTENT
    assert stored.request == StoreRequest(
        sop_class=Uid(CT), sop_instance=Uid("1.2.3"), transfer_syntax=Uid(EXPLICIT), message_id=7
    )


def test_a_large_data_set_is_kept_byte_by_byte(gateway: Gateway) -> None:
    content = bytes(range(251)) * 20_000
    with gateway.connect() as peer:
        peer.associate()
        peer.send(store_rq(), data_set(content, fragment=100_000))
        assert peer.status() == 0
        peer.release()
    (stored,) = gateway.seen.all(Stored)
    assert stored.content == content
    assert gateway.seen.wait(AssociationEnded).tally.data_bytes == len(content)


def test_several_messages_in_one_write_are_answered_in_their_order(gateway: Gateway) -> None:
    with gateway.connect() as peer:
        peer.associate()
        peer.send(
            store_rq("1.2.1", message_id=11),
            data_set(b"first!"),
            echo_rq(12),
            store_rq("1.2.2", message_id=13, sop_class=MR, context_id=5),
            data_set(b"second", context_id=5),
        )
        assert [number(peer.command()[0x0120]) for _ in range(3)] == [11, 12, 13]
        peer.release()
    assert [stored.content for stored in gateway.seen.all(Stored)] == [b"first!", b"second"]
    tally = gateway.seen.wait(AssociationEnded).tally
    assert (tally.stored, tally.echoes, tally.refused, tally.data_bytes) == (2, 1, 0, 12)


def test_command_and_data_set_may_share_a_pdu(gateway: Gateway) -> None:
    with gateway.connect() as peer:
        peer.associate()
        peer.send(pdu(DATA, store_rq()[6:] + pdv(3, 0, b"ab") + pdv(3, LAST, b"cd")))
        assert peer.status() == 0
        peer.release()
    assert gateway.seen.all(Stored)[0].content == b"abcd"


def test_the_first_proposed_transfer_syntax_of_a_storage_context_is_taken(gateway: Gateway) -> None:
    with gateway.connect() as peer:
        body = peer.associate((1, CT, [JPEG, EXPLICIT]), (3, MR, [IMPLICIT, JPEG]))
        assert body.count(item(0x40, JPEG.encode())) == body.count(item(0x40, IMPLICIT.encode())) == 1
        assert item(0x40, EXPLICIT.encode()) not in body
        peer.send(store_rq(context_id=1), data_set(b"ab", context_id=1))
        assert peer.status() == 0
        peer.release()
    assert gateway.seen.all(Stored)[0].request.transfer_syntax == JPEG
    event = gateway.seen.wait(AssociationAccepted)
    assert (event.accepted_contexts, event.proposed_contexts, event.implementation) == (2, 2, "RAW")


@pytest.mark.parametrize(
    ("request_pdu", "status"),
    [
        (store_rq(sop_class=MR), 0x0122),  # not what the context was negotiated for
        (store_rq(sop_class=""), 0x0122),
        (store_rq(uid="1.2.x"), 0x0117),
        (store_rq(uid="../../etc"), 0x0117),
        (store_rq(uid=""), 0x0117),
        (store_rq(uid="1." * 40 + "1"), 0x0117),
    ],
)
def test_an_unusable_store_request_is_refused_after_its_data_and_does_no_harm(
    gateway: Gateway, request_pdu: bytes, status: int
) -> None:
    with gateway.connect() as peer:
        peer.associate()
        peer.send(request_pdu, data_set(CONTENT))
        assert peer.status() == status
        peer.send(store_rq("1.2.9"), data_set(b"good"))
        assert peer.status() == 0
        peer.release()
    assert [stored.content for stored in gateway.seen.all(Stored)] == [b"good"]
    (refused,) = gateway.seen.all(InstanceRefused)
    assert refused.status == status
    assert gateway.seen.wait(AssociationEnded).tally.refused == 1


def test_a_store_without_data_set_is_refused_at_once(gateway: Gateway) -> None:
    with gateway.connect() as peer:
        peer.associate()
        peer.send(store_rq(data_type=0x0101))
        assert peer.status() & 0xF000 == 0xC000
        peer.send(echo_rq())
        assert peer.status() == 0


@pytest.mark.parametrize("has_data", [False, True])
def test_an_unknown_command_is_answered_as_such(gateway: Gateway, has_data: bool) -> None:
    fields = command_set(x0002=CT, x0100=0x20, x0110=5, x0700=0, x0800=0 if has_data else 0x0101)
    with gateway.connect() as peer:
        peer.associate()
        peer.send(p_data(3, 3, fields), data_set(b"query!") if has_data else b"")
        answer = peer.command()
        assert number(answer[0x0100]) == 0x8020
        assert number(answer[0x0120]) == 5
        assert number(answer[0x0900]) == 0x0211
        peer.send(echo_rq())
        assert peer.status() == 0


def test_a_cancel_request_has_no_answer(gateway: Gateway) -> None:
    with gateway.connect() as peer:
        peer.associate()
        peer.send(p_data(3, 3, command_set(x0100=0x0FFF, x0120=5, x0800=0x0101)), echo_rq(6))
        assert number(peer.command()[0x0120]) == 6


def test_an_echo_on_a_storage_context_is_not_success(gateway: Gateway) -> None:
    with gateway.connect() as peer:
        peer.associate()
        peer.send(echo_rq(context_id=3))
        assert peer.status() == 0x0122


def test_a_response_that_nobody_asked_for_ends_the_association(gateway: Gateway) -> None:
    with gateway.connect() as peer:
        peer.associate()
        peer.send(response(0x8001, 1, 0, context_id=3))
        assert peer.pdu()[0] == ABORT
    assert "8001H" in ended(gateway, Ending.PROTOCOL_ERROR).why


@pytest.mark.parametrize(
    ("answer", "refused"), [(Answer(status=0), 0), (Answer(status=0xA700, comment="disk full"), 1)]
)
def test_a_sink_may_answer_before_the_data_set_which_is_then_dropped(
    gateway: Gateway, answer: Answer, refused: int
) -> None:
    gateway.receiver.on_begin = lambda _: answer
    with gateway.connect() as peer:
        peer.associate()
        peer.send(store_rq(), data_set(CONTENT))
        found = peer.command()
        assert number(found[0x0900]) == answer.status
        assert found.get(0x0902, b"").strip(b" \0").decode() == answer.comment
        peer.release()
    assert not gateway.seen.all(Stored)
    assert len(gateway.seen.all(InstanceRefused)) == refused
    tally = gateway.seen.wait(AssociationEnded).tally
    assert (tally.stored, tally.passed_over, tally.refused) == (0, 1 - refused, refused)


def test_a_failure_at_the_end_of_an_instance_is_answered_and_reported(gateway: Gateway) -> None:
    gateway.receiver.on_finish = lambda _: Answer(status=0xC000, comment="truncated")
    with gateway.connect() as peer:
        peer.associate()
        peer.send(store_rq("1.2.77"), data_set(CONTENT))
        assert peer.status() == 0xC000
        peer.release()
    (refused,) = gateway.seen.all(InstanceRefused)
    assert (refused.status, refused.comment, refused.sop_class, refused.sop_instance) == (
        0xC000,
        "truncated",
        CT,
        "1.2.77",
    )
    assert refused.association.calling == "SCANNER"
    assert refused.association.host == "127.0.0.1"


def test_an_object_over_the_limit_is_aborted_and_discarded(gateway: Gateway) -> None:
    gateway.configure(object_bytes=5000)
    with gateway.connect() as peer:
        peer.associate()
        peer.send(store_rq(), data_set(bytes(5000)))
        assert peer.status() == 0
        peer.send(store_rq("1.2.4"), data_set(bytes(5002), fragment=1000))
        assert peer.pdu()[0] == ABORT
    assert "5000" in ended(gateway, Ending.PROTOCOL_ERROR).why
    assert len(gateway.seen.all(Stored)) == 1
    assert len(gateway.seen.all(Discarded)) == 1


def test_an_abort_within_a_data_set_discards_it_and_only_it(gateway: Gateway) -> None:
    with gateway.connect() as peer:
        peer.associate()
        peer.send(store_rq("1.2.1"), data_set(b"whole!"))
        assert peer.status() == 0
        peer.send(store_rq("1.2.2"), p_data(3, 0, b"partly"), USER_ABORT)
        assert peer.read(1) == b""
    ended(gateway, Ending.ABORTED)
    assert [stored.request.sop_instance for stored in gateway.seen.all(Stored)] == ["1.2.1"]


@pytest.mark.parametrize("cut", [0, 3, 50, 150, 170, 1000, 4096, 5000])
def test_a_connection_lost_anywhere_in_a_store_leaves_nothing(gateway: Gateway, cut: int) -> None:
    stream = store_rq() + data_set(CONTENT)
    with gateway.connect() as peer:
        peer.associate()
        peer.send(stream[:cut])
    ended(gateway, Ending.LOST)
    assert not gateway.seen.all(Stored)
    assert len(gateway.seen.all(Discarded)) == (cut >= len(store_rq()))


def test_a_reset_at_any_byte_harms_nobody(gateway: Gateway, logged: Sequence[EventDict]) -> None:
    gateway.configure(max_associations=100, pre_association_per_host=200)
    stream = associate_rq() + store_rq() + data_set(CONTENT[:500], fragment=100) + RELEASE
    offsets = range(0, len(stream), 11)
    for offset in offsets:
        with gateway.connect() as peer:
            if offset < len(associate_rq()):
                peer.send(stream[:offset])
            else:
                peer.associate()
                peer.send(stream[len(associate_rq()) : offset])
            peer.reset()
    with gateway.connect() as peer:
        peer.associate(ECHO_CONTEXT)
        peer.send(echo_rq())
        assert peer.status() == 0
        peer.release()
    associations = 1 + sum(offset >= len(associate_rq()) for offset in offsets)
    gateway.seen.wait(AssociationEnded, associations)
    gateway.seen.wait(ConnectionDropped, len(offsets) + 1 - associations)
    assert len(gateway.seen.all(Broken)) + len(gateway.seen.all(Released)) == associations
    assert not logged


def test_the_release_is_answered_only_after_the_sink_has_accepted(gateway: Gateway) -> None:
    entered, allowed = threading.Event(), threading.Event()

    def release() -> None:
        entered.set()
        assert allowed.wait(10)

    gateway.receiver.on_release = release
    with gateway.connect() as peer:
        peer.associate()
        peer.send(store_rq(), data_set(CONTENT))
        assert peer.status() == 0
        peer.send(RELEASE)
        assert entered.wait(10)
        assert peer.silent()
        allowed.set()
        assert peer.read(100) == RELEASED


def test_a_release_that_cannot_be_recorded_becomes_an_abort(gateway: Gateway) -> None:
    def release() -> None:
        raise TemporaryError("the ledger is locked")

    gateway.receiver.on_release = release
    with gateway.connect() as peer:
        peer.associate()
        peer.send(store_rq(), data_set(CONTENT))
        assert peer.status() == 0
        peer.send(RELEASE)
        assert peer.pdu()[0] == ABORT
        assert peer.read(1) == b""
    assert ended(gateway, Ending.FAILED).why == "the ledger is locked"


def test_a_release_within_a_data_set_releases_without_it(gateway: Gateway) -> None:
    with gateway.connect() as peer:
        peer.associate()
        peer.send(store_rq("1.2.1"), data_set(b"whole!"))
        assert peer.status() == 0
        peer.send(store_rq("1.2.2"), p_data(3, 0, b"partly"))
        peer.release()
    assert gateway.seen.wait(AssociationEnded).how is None
    assert [discarded.content for discarded in gateway.seen.all(Discarded)] in ([b"partly"], [b""])


@pytest.mark.parametrize("behind", [USER_ABORT, echo_rq(), RELEASE])
def test_whatever_follows_a_release_request_undoes_it(gateway: Gateway, behind: bytes) -> None:
    with gateway.connect() as peer:
        peer.associate()
        peer.send(RELEASE + behind)
        assert peer.pdu()[0] in (0, ABORT)
    ended(gateway, Ending.ABORTED if behind == USER_ABORT else Ending.PROTOCOL_ERROR)


def test_a_second_request_for_association_is_a_protocol_error(gateway: Gateway) -> None:
    with gateway.connect() as peer:
        peer.associate()
        peer.send(store_rq(), associate_rq())
        kind, body = peer.pdu()
        assert (kind, body[2], body[3]) == (ABORT, 2, 2)
    ended(gateway, Ending.PROTOCOL_ERROR)
    assert len(gateway.seen.all(Discarded)) == 1


def test_an_idle_association_is_aborted(gateway: Gateway) -> None:
    gateway.configure(idle=0.2)
    with gateway.connect() as peer:
        peer.associate()
        assert peer.pdu()[0] == ABORT
    ended(gateway, Ending.TIMED_OUT)


def drip(peer: Any, data: bytes, every: float) -> bytes:
    """Send one byte at a time until the other side says something; returns the first byte of that."""
    for byte in data:
        peer.send(bytes([byte]))
        if select.select([peer.socket], [], [], every)[0]:
            return bytes(peer.read(1))
    raise AssertionError("the other side endured all of it")


def test_a_dripping_pdu_ends_although_each_byte_is_in_time(gateway: Gateway) -> None:
    gateway.configure(pdu=0.4)
    with gateway.connect() as peer:
        peer.associate()
        began = time.monotonic()
        assert drip(peer, store_rq(), 0.05) == bytes([ABORT])
        assert time.monotonic() - began < 3
    assert "0.4 s" in ended(gateway, Ending.TIMED_OUT).why


def test_the_time_that_the_sink_needs_is_not_counted_against_the_peer(gateway: Gateway) -> None:
    gateway.configure(pdu=0.2)
    sink_is_slow = threading.Event()
    gateway.receiver.on_write = lambda _: sink_is_slow.wait(0.5)
    with gateway.connect() as peer:
        peer.associate()
        message = store_rq() + p_data(3, LAST, CONTENT)
        peer.send(message[:1000])
        gateway.seen.wait(AssociationAccepted)
        peer.send(message[1000:])
        assert peer.status() == 0
        peer.release()


def test_a_peer_that_never_reads_is_given_up(gateway: Gateway) -> None:
    gateway.configure(write=0.3, artim=1)
    with gateway.connect(window=2048) as peer:
        peer.associate(ECHO_CONTEXT)
        peer.socket.settimeout(1)
        with pytest.raises(OSError):  # noqa: PT011 - blocked or reset, both are right
            peer.flood(echo_rq() * 100)
        ended(gateway, Ending.TIMED_OUT)


def test_a_fault_in_the_sink_ends_one_association_and_not_the_gateway(
    gateway: Gateway, logged: Sequence[EventDict]
) -> None:
    def begin(_: StoreRequest) -> Answer:
        raise ZeroDivisionError

    gateway.receiver.on_begin = begin
    with gateway.connect() as peer:
        peer.associate()
        peer.send(store_rq(), data_set(CONTENT))
        assert peer.pdu()[0] == ABORT
    assert "ZeroDivisionError" in ended(gateway, Ending.FAILED).why
    assert [line["event"] for line in logged] == ["association.fault"]
    with gateway.connect() as peer:
        peer.associate()
        peer.send(echo_rq())
        assert peer.status() == 0


def test_answers_obey_the_maximum_length_of_the_peer(gateway: Gateway) -> None:
    with gateway.connect() as peer:
        peer.associate(ECHO_CONTEXT, max_length=32)
        peer.send(echo_rq(3))
        fields = b""
        last = False
        while not last:
            kind, body = peer.pdu()
            assert kind == DATA
            assert len(body) <= 32
            fields += body[6:]
            last = body[5] == 3
        assert fields.endswith(command_set(x0900=0)[12:])


def test_a_pdu_over_our_maximum_length_is_refused_by_its_header(gateway: Gateway) -> None:
    with gateway.connect() as peer:
        peer.associate(CT_CONTEXT)
        peer.send(b"\x04\x00\x7f\xff\xff\xff")
        kind, body = peer.pdu()
        assert (kind, body[2], body[3]) == (ABORT, 2, 6)
    ended(gateway, Ending.PROTOCOL_ERROR)
