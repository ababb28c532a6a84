"""Associations that we open: with our own server, and with peers that do everything wrong."""

from __future__ import annotations

import os
import socket
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from io import BufferedRandom
from typing import IO, cast

import pytest

from harness.raw_peer import (
    ABORT,
    AC,
    CT,
    DATA,
    EXPLICIT,
    IMPLICIT,
    JPEG,
    LAST,
    MR,
    RELEASE,
    RELEASE_RQ,
    RELEASED,
    RQ,
    USER_ABORT,
    VERIFICATION,
    RawPeer,
    ScriptedPeer,
    associate_ac,
    elements,
    number,
    p_data,
    pdu,
    response,
    store_rq,
)
from hilum.association.observer import AssociationEnded
from hilum.association.requestor import (
    AssociationRejectedError,
    Peer,
    PermanentRejectError,
    Prepared,
    Requestor,
    RequestorTimeouts,
    TransientRejectError,
)
from hilum.errors import LocalError, PermanentError, TemporaryError
from hilum.model import AETitle, Answer, Uid
from stage.association.recording_sink import Stored
from stage.association.running_gateway import Gateway

CT_EXPLICIT = (Uid(CT), Uid(EXPLICIT))
ECHO = (Uid(VERIFICATION), Uid(IMPLICIT))
HASTE = RequestorTimeouts(**dict.fromkeys(("connect", "association", "dimse", "pdu", "write"), timedelta(seconds=5)))
ACCEPTED = ((1, 0, EXPLICIT),)


def hurry(**seconds: float) -> RequestorTimeouts:
    return replace(HASTE, **{name: timedelta(seconds=value) for name, value in seconds.items()})


def call(
    port: int, *contexts: tuple[Uid, Uid], calling: str = "SCANNER", timeouts: RequestorTimeouts = HASTE
) -> Requestor:
    peer = Peer(host="127.0.0.1", port=port, called=AETitle("HILUM"))
    return Requestor.open(peer, AETitle(calling), contexts or (CT_EXPLICIT,), timeouts=timeouts)


@pytest.fixture
def file() -> Iterator[IO[bytes]]:
    """300 000 bytes that repeat nowhere at the distance of a PDU."""
    with tempfile.TemporaryFile() as file:
        file.write(b"".join(struct.pack(">I", value) for value in range(75_000)))
        file.flush()
        yield file


def content(file: IO[bytes], offset: int, length: int) -> bytes:
    return os.pread(file.fileno(), length, offset)


def store(association: Requestor, file: IO[bytes], offset: int = 0, length: int = 20_000, uid: str = "1.2.3") -> Answer:
    return association.store(
        cast("BufferedRandom", file),
        offset,
        length,
        sop_class=Uid(CT),
        sop_instance=Uid(uid),
        transfer_syntax=Uid(EXPLICIT),
    )


# With a peer that behaves


def test_an_echo_succeeds(gateway: Gateway) -> None:
    with call(gateway.port, ECHO) as association:
        assert association.echo() == 0
        assert association.echo() == 0
    event = gateway.seen.wait(AssociationEnded)
    assert event.how is None
    assert event.tally.echoes == 2


@pytest.mark.parametrize("max_length", [8, 9, 16, 255, 16384, 131072, 1_000_000])
@pytest.mark.parametrize(("offset", "length"), [(0, 0), (0, 2), (132, 19_998), (7, 16_378), (0, 131_066 * 2)])
def test_data_sets_arrive_unchanged_whatever_the_peer_takes(
    gateway: Gateway, file: IO[bytes], max_length: int, offset: int, length: int
) -> None:
    gateway.configure(max_pdu_length=max_length)
    with call(gateway.port) as association:
        assert store(association, file, offset, min(length, 4000 * max_length)) == Answer(status=0)
    (stored,) = gateway.seen.all(Stored)
    assert stored.content == content(file, offset, min(length, 4000 * max_length))


def test_a_deflated_data_set_of_odd_length_gets_the_padding_it_lacks(gateway: Gateway, file: IO[bytes]) -> None:
    deflated = Uid("1.2.840.10008.1.2.1.99")
    with call(gateway.port, (Uid(CT), deflated)) as association:
        for length in (999, 1000):
            association.store(
                cast("BufferedRandom", file),
                0,
                length,
                sop_class=Uid(CT),
                sop_instance=Uid("1.2"),
                transfer_syntax=deflated,
            )
    expected = [content(file, 0, 999) + b"\0", content(file, 0, 1000)]
    assert [one.content for one in gateway.seen.all(Stored)] == expected


def test_several_instances_go_over_one_association(gateway: Gateway, file: IO[bytes]) -> None:
    position = file.tell()
    with call(gateway.port) as association:
        for index in range(20):
            assert store(association, file, index, 1000 * index + 2, uid=f"1.2.{index}").accepted
    stored = gateway.seen.all(Stored)
    assert [one.content for one in stored] == [content(file, index, 1000 * index + 2) for index in range(20)]
    assert [one.request.sop_instance for one in stored] == [f"1.2.{index}" for index in range(20)]
    assert file.tell() == position


def test_the_next_request_is_made_ready_while_the_peer_works(gateway: Gateway, file: IO[bytes]) -> None:
    gateway.configure(max_pdu_length=16384)
    lengths = [1000, 200_000, 2, 300_000]
    with call(gateway.port) as association:

        def prepare(number: int) -> Prepared:
            uid, length = Uid(f"1.2.{number}"), lengths[number]
            return association.prepare(
                file.fileno(), 0, length, sop_class=Uid(CT), sop_instance=uid, transfer_syntax=Uid(EXPLICIT)
            )

        following = prepare(0)
        for number in range(len(lengths)):
            association.begin(following)
            if number + 1 < len(lengths):
                following = prepare(number + 1)
            assert association.finish().accepted
    assert [one.content for one in gateway.seen.all(Stored)] == [content(file, 0, length) for length in lengths]


def test_what_was_made_ready_need_not_be_sent(gateway: Gateway, file: IO[bytes]) -> None:
    with call(gateway.port) as association:
        association.prepare(
            file.fileno(), 0, 1000, sop_class=Uid(CT), sop_instance=Uid("1.1"), transfer_syntax=Uid(EXPLICIT)
        )
        assert store(association, file, uid="1.2").accepted
        with pytest.raises(LocalError):
            association.finish()
    assert [one.request.sop_instance for one in gateway.seen.all(Stored)] == ["1.2"]


@pytest.mark.parametrize("max_length", [8, 16384])
def test_the_content_of_a_file_does_as_well(gateway: Gateway, file: IO[bytes], max_length: int) -> None:
    gateway.configure(max_pdu_length=max_length)
    whole = content(file, 0, 5000)
    instance = {"sop_class": Uid(CT), "sop_instance": Uid("1.2"), "transfer_syntax": Uid(EXPLICIT)}
    with call(gateway.port) as association:
        association.begin(association.prepare(whole, 132, 4868, **instance))
        assert association.finish().accepted
        with pytest.raises(PermanentError, match="5000 bytes"):
            association.prepare(whole, 132, 4869, **instance)
    (stored,) = gateway.seen.all(Stored)
    assert stored.content == whole[132:]


def test_an_answer_keeps_status_and_comment(gateway: Gateway, file: IO[bytes]) -> None:
    gateway.receiver.on_finish = lambda _: Answer(status=0xA700, comment="disk full")
    with call(gateway.port) as association:
        assert store(association, file) == Answer(status=0xA700, comment="disk full")
        gateway.receiver.on_finish = lambda _: Answer(status=0)
        assert store(association, file).accepted


def test_only_what_the_peer_accepted_can_be_sent(gateway: Gateway, file: IO[bytes]) -> None:
    odd = (Uid(CT), Uid("1.2.840.10008.1.2.4.50"))
    query = (Uid("1.2.840.10008.5.1.4.1.2.1.1"), Uid(IMPLICIT))
    with call(gateway.port, CT_EXPLICIT, odd, query) as association:
        assert association.accepted(CT, EXPLICIT)
        assert association.accepted(CT, JPEG)
        assert not association.accepted(MR, EXPLICIT)
        assert not association.accepted(*query)
        with pytest.raises(PermanentError, match="did not accept SOP class"):
            association.store(
                cast("BufferedRandom", file),
                0,
                2,
                sop_class=Uid(MR),
                sop_instance=Uid("1.2"),
                transfer_syntax=Uid(EXPLICIT),
            )
        with pytest.raises(PermanentError, match="did not accept Verification"):
            association.echo()
        assert store(association, file).accepted


def test_a_file_that_is_too_short_harms_only_itself(gateway: Gateway, file: IO[bytes]) -> None:
    with call(gateway.port) as association:
        with pytest.raises(PermanentError, match="300000 bytes"):
            store(association, file, 299_000, 1002)
        assert store(association, file, 299_000, 1000).accepted


def test_a_full_set_of_contexts_may_be_proposed_and_no_more(gateway: Gateway) -> None:
    contexts = [(Uid(f"1.2.{index}"), Uid(EXPLICIT)) for index in range(128)]
    with call(gateway.port, *contexts, *contexts) as association:
        assert all(association.accepted(*context) for context in contexts)
    with pytest.raises(LocalError):
        call(gateway.port, *contexts, CT_EXPLICIT)


def test_a_failed_block_aborts(gateway: Gateway) -> None:
    with pytest.raises(ZeroDivisionError), call(gateway.port) as association:
        raise ZeroDivisionError
    assert gateway.seen.wait(AssociationEnded).how is not None
    with pytest.raises(TemporaryError, match="over"):
        association.echo()


@pytest.mark.parametrize(
    ("setting", "error", "reject"),
    [
        ({"max_associations": 0}, TransientRejectError, (2, 3, 2)),
        ({"sources": ()}, PermanentRejectError, (1, 1, 3)),
        ({"called": frozenset()}, PermanentRejectError, (1, 1, 7)),
    ],
)
def test_a_rejection_is_temporary_or_permanent(
    gateway: Gateway, setting: dict[str, object], error: type[AssociationRejectedError], reject: tuple[int, ...]
) -> None:
    gateway.configure(**setting)
    with pytest.raises(error) as caught:
        call(gateway.port)
    found = caught.value.reject
    assert (found.result, found.source, found.reason) == reject
    assert isinstance(caught.value, TemporaryError) == (reject[0] == 2)


# With peers that are not there, or wrong


def test_a_refused_connection_is_temporary() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(TemporaryError, match=f"HILUM at 127.0.0.1:{port}: the connection was refused"):
        call(port)


def test_an_unknown_host_is_temporary() -> None:
    peer = Peer(host="x" * 70, port=104, called=AETitle("HILUM"))
    with pytest.raises(TemporaryError):
        Requestor.open(peer, AETitle("ME"), (CT_EXPLICIT,))


def accepting(then: Callable[[RawPeer], None], answer: bytes = associate_ac(*ACCEPTED)) -> Callable[[RawPeer], None]:
    def script(peer: RawPeer) -> None:
        assert peer.pdu()[0] == RQ
        peer.send(answer)
        then(peer)

    return script


def swallow(peer: RawPeer) -> None:
    """Read until the other side closes."""
    try:
        while peer.socket.recv(1 << 16):
            pass
    except ConnectionError:
        pass


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"", "closed the connection"),
        (USER_ABORT, "aborted"),
        (RELEASED, "broke the protocol"),
        (RELEASE, "broke the protocol"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "broke the protocol"),
        (pdu(AC, b"\0" * 20), "broke the protocol"),
        (struct.pack(">BxI", AC, 200_000_000), "broke the protocol"),
        (associate_ac((1, 0, JPEG)), "broke the protocol"),  # a transfer syntax never offered
        (associate_ac((7, 0, EXPLICIT)), "broke the protocol"),  # a context never offered
        (associate_ac((2, 0, EXPLICIT)), "broke the protocol"),
        (associate_ac(*ACCEPTED, max_length=1), "broke the protocol"),
        (associate_ac(*ACCEPTED, max_length=7), "broke the protocol"),
    ],
)
def test_a_wrong_answer_to_the_request_is_temporary(answer: bytes, why: str) -> None:
    def script(peer: RawPeer) -> None:
        assert peer.pdu()[0] == RQ
        peer.send(answer)
        if answer:
            swallow(peer)

    with ScriptedPeer(script) as peer, pytest.raises(TemporaryError, match=why):
        call(peer.port)


@pytest.mark.parametrize("reject", [b"\0\x02\x03\x02", b"\0\x01\x01\x07", b"\0\x09\x09\x09", b"\0\0\0\0"])
def test_any_rejection_ends_the_attempt(reject: bytes) -> None:
    def script(peer: RawPeer) -> None:
        peer.pdu()
        peer.send(pdu(3, reject))
        swallow(peer)

    with ScriptedPeer(script) as peer, pytest.raises(AssociationRejectedError):
        call(peer.port)


def test_silence_after_the_request_has_an_end() -> None:
    with ScriptedPeer(swallow) as peer, pytest.raises(TemporaryError, match="answer to our A-ASSOCIATE-RQ"):
        call(peer.port, timeouts=hurry(association=0.2))


def test_an_unlimited_peer_gets_everything(file: IO[bytes]) -> None:
    received = bytearray()

    def script(peer: RawPeer) -> None:
        assert peer.pdu()[0] == DATA
        last = False
        while not last:
            kind, body = peer.pdu()
            assert kind == DATA
            received.extend(body[6:])
            last = body[5] == LAST
        peer.send(response(0x8001, 1, 0))
        assert peer.pdu()[0] == RELEASE_RQ
        peer.send(RELEASED)

    answer = associate_ac(*ACCEPTED, max_length=0)
    with ScriptedPeer(accepting(script, answer)) as peer, call(peer.port) as association:
        assert store(association, file, 0, 300_000).accepted
    assert bytes(received) == content(file, 0, 300_000)


def test_the_store_request_names_what_it_carries(file: IO[bytes]) -> None:
    def script(peer: RawPeer) -> None:
        _, body = peer.pdu()
        fields = elements(body[6:])
        assert number(fields[0x0100]) == 1
        assert number(fields[0x0800]) != 0x0101
        assert fields[0x0002].rstrip(b"\0").decode() == CT
        assert fields[0x1000].rstrip(b"\0").decode() == "1.2.3"
        assert peer.pdu()[1][4:6] == bytes((1, LAST))
        peer.send(response(0x8001, number(fields[0x0110]), 0xB000))
        swallow(peer)

    with ScriptedPeer(accepting(script)) as peer:
        association = call(peer.port)
        assert store(association, file, 0, 100) == Answer(status=0xB000)
        association.abort()


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (response(0x8001, 99, 0), "message ID"),
        (response(0x8030, 1, 0), "command field"),
        (response(0x8001, 1, 0, context_id=3), "broke the protocol"),
        (response(0x8001, 1, 0, data_type=0), "has a data set"),
        (store_rq(context_id=1), "0001H"),
        (p_data(1, 0, b"data"), "broke the protocol"),
        (RELEASE, "ReleaseRequested"),
        (USER_ABORT, "aborted"),
        (b"\x04\0\x7f\xff\xff\xff", "broke the protocol"),
        (pdu(RQ, bytes(100)), "broke the protocol"),
        (b"", "closed the connection"),
    ],
)
def test_a_wrong_response_is_temporary_and_ends_the_association(file: IO[bytes], said: bytes, why: str) -> None:
    def script(peer: RawPeer) -> None:
        peer.pdu()
        peer.pdu()
        if said:
            peer.send(said)
            swallow(peer)

    with ScriptedPeer(accepting(script)) as peer:
        association = call(peer.port)
        with pytest.raises(TemporaryError, match=why):
            store(association, file, 0, 100)
        with pytest.raises(TemporaryError, match="over"):
            store(association, file, 0, 100)


def test_a_response_that_never_comes_has_an_end(file: IO[bytes]) -> None:
    with ScriptedPeer(accepting(swallow)) as peer:
        association = call(peer.port, timeouts=hurry(dimse=0.2))
        began = time.monotonic()
        with pytest.raises(TemporaryError, match="the response"):
            store(association, file, 0, 100)
        assert time.monotonic() - began < 3


@pytest.mark.parametrize("flood", [p_data(1, 1, b""), p_data(1, 1, b"ab")])
def test_a_flood_instead_of_a_response_has_an_end(file: IO[bytes], flood: bytes) -> None:
    def script(peer: RawPeer) -> None:
        peer.pdu()
        peer.pdu()
        try:
            while True:
                peer.send(flood * 1000)
        except OSError:
            pass

    with ScriptedPeer(accepting(script)) as peer:
        association = call(peer.port, timeouts=hurry(dimse=0.5))
        began = time.monotonic()
        with pytest.raises(TemporaryError):
            store(association, file, 0, 100)
        assert time.monotonic() - began < 4


def test_a_peer_that_aborts_while_we_send_is_heard(file: IO[bytes]) -> None:
    def script(peer: RawPeer) -> None:
        peer.pdu()
        peer.pdu()
        peer.send(USER_ABORT)  # and close with everything unread, which resets the connection

    with tempfile.TemporaryFile() as large:
        large.truncate(200_000_000)
        with ScriptedPeer(accepting(script)) as peer:
            association = call(peer.port)
            with pytest.raises(TemporaryError, match=r"abort|closed"):
                store(association, large, 0, 200_000_000)


def test_a_peer_that_aborts_and_reads_on_is_heard_before_the_end() -> None:
    heard = threading.Event()

    def script(peer: RawPeer) -> None:
        peer.pdu()
        peer.pdu()
        peer.send(USER_ABORT)
        received = 0
        while not heard.is_set() and (more := len(peer.socket.recv(1 << 16))):
            received += more
        assert received < 900_000_000

    with tempfile.TemporaryFile() as large:
        large.truncate(1_000_000_000)
        with ScriptedPeer(accepting(script)) as peer:
            association = call(peer.port)
            with pytest.raises(TemporaryError, match="abort"):
                store(association, large, 0, 1_000_000_000)
            heard.set()


def test_a_peer_that_stops_reading_is_given_up() -> None:
    done = threading.Event()

    def script(peer: RawPeer) -> None:
        peer.pdu()
        assert done.wait(20)

    with tempfile.TemporaryFile() as large:
        large.truncate(100_000_000)
        with ScriptedPeer(accepting(script)) as peer:
            association = call(peer.port, timeouts=hurry(write=0.3))
            with pytest.raises(TemporaryError, match="took no data"):
                store(association, large, 0, 100_000_000)
            done.set()


def test_an_early_response_counts_when_all_is_sent(file: IO[bytes]) -> None:
    def script(peer: RawPeer) -> None:
        peer.pdu()
        peer.pdu()
        peer.send(response(0x8001, 1, 0xA700))
        swallow(peer)

    with tempfile.TemporaryFile() as large:
        large.truncate(20_000_000)
        with ScriptedPeer(accepting(script)) as peer:
            association = call(peer.port)
            assert store(association, large, 0, 20_000_000) == Answer(status=0xA700)
            association.abort()


def test_a_comment_cannot_play_tricks() -> None:
    fields = response(0x8001, 1, 0xC000)
    evil = b"\x1b[2J\nERROR root"
    element = struct.pack("<HHI", 0, 0x0902, len(evil)) + evil
    body = fields[12:] + element

    def script(peer: RawPeer) -> None:
        peer.pdu()
        peer.pdu()
        peer.send(p_data(1, 3, body))
        swallow(peer)

    with tempfile.TemporaryFile() as small, ScriptedPeer(accepting(script)) as peer:
        small.truncate(2)
        association = call(peer.port)
        comment = store(association, small, 0, 2).comment
        assert comment.isprintable()
        assert "ERROR root" in comment
        association.abort()


def test_a_file_that_shrinks_while_it_is_sent_aborts_the_association() -> None:
    with tempfile.TemporaryFile() as large:
        large.truncate(100_000_000)

        def script(peer: RawPeer) -> None:
            peer.pdu()
            peer.pdu()
            large.truncate(1000)
            kind = DATA
            while kind == DATA:
                kind, _ = peer.pdu()
            assert kind == ABORT

        with ScriptedPeer(accepting(script)) as peer:
            association = call(peer.port)
            with pytest.raises(TemporaryError, match="could not be read to its end"):
                store(association, large, 0, 100_000_000)


@pytest.mark.parametrize(
    "said", [RELEASED, b"", USER_ABORT, RELEASE + RELEASED, response(0x8001, 9, 0) + RELEASED, b"garbage"]
)
def test_release_copes_with_any_answer(said: bytes) -> None:
    def script(peer: RawPeer) -> None:
        assert peer.pdu()[0] == RELEASE_RQ
        peer.send(said)
        if said:
            swallow(peer)

    with ScriptedPeer(accepting(script)) as peer:
        association = call(peer.port)
        association.release()
        association.release()


def test_release_answers_a_peer_that_was_first(file: IO[bytes]) -> None:
    def script(peer: RawPeer) -> None:
        peer.pdu()
        peer.pdu()
        peer.send(response(0x8001, 1, 0), RELEASE)
        assert peer.read(100) == RELEASED

    with ScriptedPeer(accepting(script)) as peer, call(peer.port) as association:
        assert store(association, file, 0, 100).accepted


def test_a_collision_of_releases_is_resolved() -> None:
    def script(peer: RawPeer) -> None:
        assert peer.pdu()[0] == RELEASE_RQ
        peer.send(RELEASE)
        assert peer.read(10) == RELEASED
        peer.send(RELEASED)
        assert peer.read(1) == b""

    with ScriptedPeer(accepting(script)) as peer:
        association = call(peer.port)
        association.release()


def test_release_does_not_wait_for_ever() -> None:
    with ScriptedPeer(accepting(swallow)) as peer:
        association = call(peer.port, timeouts=hurry(release=0.2))
        began = time.monotonic()
        association.release()
        assert time.monotonic() - began < 3


def test_an_interruption_ends_the_call_in_progress(file: IO[bytes]) -> None:
    waiting = threading.Event()

    def script(peer: RawPeer) -> None:
        peer.pdu()
        peer.pdu()
        waiting.set()
        swallow(peer)

    with ScriptedPeer(accepting(script)) as peer:
        association = call(peer.port, timeouts=hurry(dimse=60))

        def interrupt() -> None:
            assert waiting.wait(10)
            association.interrupt()

        other = threading.Thread(target=interrupt)
        other.start()
        with pytest.raises(TemporaryError, match="interrupted"):
            store(association, file, 0, 100)
        other.join()
