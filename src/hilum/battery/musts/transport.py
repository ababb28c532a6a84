"""Musts 1 to 20: the state machine of PS3.8 9.2, seen from the network."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from hilum.battery import octets
from hilum.battery.association import CT_EXPLICIT, ECHO, command_pdu, data_pdus, echo_pdu, store_pdus
from hilum.battery.command import Message, store_request
from hilum.battery.octets import (
    A_REJECTION,
    AC,
    DATA,
    RELEASE,
    RELEASED,
    USER_ABORT,
    Heard,
    Nothing,
    Pdu,
    pdu,
)
from hilum.battery.request import Request
from hilum.battery.target import Target
from hilum.battery.verdict import Findings, UnobservableError, fact, must, seen

#: How a connection may end without another word.
CLOSED: Final = ("FIN", "RST")
#: An abort that says why, and one that does not.
UNEXPECTED: Final = ("ABT 2/2", "ABT 2/0")
UNRECOGNIZED: Final = ("ABT 2/1", "ABT 2/0")

_AN_ACCEPTANCE: Final = pdu(AC, b"\0\1\0\0" + bytes(64))


@must(1, "a second request on an open association is aborted as unexpected", "PS3.8 9.1.1; Table 9-10, AA-8")
def second_request(to: Target) -> Findings:
    with to.associate() as association:
        association.line.send(to.request().encode())
        yield seen(association.line.hear(), *UNEXPECTED)


@must(2, "without a complete request the connection is closed when ARTIM ends", "PS3.8 9.1.4, 9.1.5; AA-2")
def no_complete_request(to: Target) -> Findings:
    seconds = to.timers()
    request = to.request().encode()
    for case, opening, drip in (
        ("nothing sent", b"", b""),
        ("3 bytes sent", request[:3], b""),
        ("60 bytes sent", request[:60], b""),
        ("a byte now and then", request[:1], request[1:]),
    ):
        with to.connect() as line:
            line.send(opening)
            yield seen(line.end(seconds, drip=drip), *CLOSED, "ABT *", case=case)


@must(3, "after its last PDU it closes when ARTIM ends, even if the peer never does", "PS3.8 9.1.5; AE-8, AR-4, AA-1")
def last_word(to: Target) -> Findings:
    seconds = to.timers()
    with to.connect() as line:
        line.send(RELEASED)
        line.hear()
        yield fact(line.gone(seconds), "open", "closed", "after ABT")
    with to.associate() as association:
        association.release()
        yield fact(association.line.gone(seconds), "open", "closed", "after RELRP")
    request, _ = _rejection(to)
    with to.call(request) as (line, _):
        yield fact(line.gone(seconds), "open", "closed", "after RJ")


@must(4, "an association on which nothing happens is ended by a timer of its own", "PS3.8 9.1.5 note 2")
def idle(to: Target) -> Findings:
    seconds = to.timers()
    with to.associate() as association:
        yield seen(association.line.end(seconds), "ABT *", *CLOSED)


@must(5, "any PDU but a request on a new connection is answered with an abort", "PS3.8 Table 9-10, Sta2, AA-1")
def strange_opening(to: Target) -> Findings:
    for case, opening in (
        ("AC", _AN_ACCEPTANCE),
        ("RJ", A_REJECTION),
        ("P-DATA", echo_pdu()),
        ("RELRQ", RELEASE),
        ("RELRP", RELEASED),
    ):
        with to.connect() as line:
            line.send(opening)
            yield seen(line.hear(), "ABT 0/*", case=case)


@must(6, "a PDU of unknown type on a new connection ends it at once", "PS3.8 Table 9-10, Sta2, Evt19, AA-1")
def unknown_opening(to: Target) -> Findings:
    for kind in (0x00, 0x08, 0x47, 0xFF):
        with to.connect() as line:
            line.send(pdu(kind, bytes(4)))
            yield seen(line.hear(), "ABT *", *CLOSED, case=f"type {kind:02X}H")


@must(7, "an abort on a new connection closes it without a word", "PS3.8 Table 9-10, Sta2, Evt16, AA-2")
def abort_first(to: Target) -> Findings:
    with to.connect() as line:
        line.send(USER_ABORT)
        yield seen(line.hear(), *CLOSED)


@must(8, "a PDU of unknown type on an association is aborted as unrecognized", "PS3.8 Table 9-10, Evt19; Table 9-26")
def unknown_pdu(to: Target) -> Findings:
    for kind in (0x08, 0xFF):
        with to.associate() as association:
            association.line.send(pdu(kind, bytes(4)))
            yield seen(association.line.hear(), *UNRECOGNIZED, case=f"type {kind:02X}H")


@must(9, "an answer to a request that nobody made is aborted as unexpected", "PS3.8 Table 9-10, Sta6, Evt3, Evt4")
def unasked_answer(to: Target) -> Findings:
    for case, sent in (("AC", _AN_ACCEPTANCE), ("RJ", A_REJECTION)):
        with to.associate() as association:
            association.line.send(sent)
            yield seen(association.line.hear(), *UNEXPECTED, case=case)


@must(10, "a release response that nobody asked for is aborted as unexpected", "PS3.8 Table 9-10, Sta6, Evt13")
def unasked_release_response(to: Target) -> Findings:
    with to.associate() as association:
        association.line.send(RELEASED)
        yield seen(association.line.hear(), *UNEXPECTED)


@must(11, "a release request is answered with a release response of exactly ten bytes", "PS3.8 Table 9-25; AR-2, AR-4")
def release(to: Target) -> Findings:
    with to.associate() as association:
        heard = association.release()
        yield seen(heard, "RELRP")
        assert isinstance(heard, Pdu)
        yield seen(heard.raw.hex(), RELEASED.hex())
        after = association.line.hear(to.calm)
        yield fact(not isinstance(after, Pdu), str(after), "nothing more", "after RELRP")


@must(12, "an abort closes the connection without a word", "PS3.8 Table 9-10, Sta6, Evt16, AA-3")
def abort(to: Target) -> Findings:
    with to.associate() as association:
        association.line.send(USER_ABORT)
        yield seen(association.line.hear(), *CLOSED)


@must(
    13, "data after a release request is refused or ignored, and never stored", "PS3.8 Table 9-10, Sta8, Sta13, Evt10"
)
def data_after_release(to: Target) -> Findings:
    instance = to.instance()
    with to.associate() as association:
        association.need(CT_EXPLICIT)
        association.may_store()
        association.line.send(RELEASE + store_pdus(instance))
        yield seen(association.line.hear(), *UNEXPECTED, "RELRP")
        while (heard := association.line.hear(to.calm)) not in (Nothing.SILENT, Nothing.FIN, Nothing.RST):
            yield seen(heard, "ABT *", case="afterwards")
    if to.shelf is not None:
        yield fact(not to.shelf.holding(instance.sop_instance), "stored", "nothing stored")


@must(14, "a connection lost within a data set leaves nothing of it and all that was answered", "PS3.8 9.2.3, AA-4")
def lost_within_data(to: Target) -> Findings:
    shelf = to.files()
    for case in ("FIN", "RST"):
        whole, half = to.instance(), to.instance()
        with to.associate() as association:
            yield seen(association.store(whole), "0000", case=case)
            content = half.encode()
            begun = command_pdu(store_request(half.sop_instance, 2), on=CT_EXPLICIT)
            association.line.send(begun + data_pdus(content, on=CT_EXPLICIT)[: len(content) // 2])
            if case == "RST":
                # Not before the half has been read: a RST takes with it what waits.
                association.line.hear(to.calm)
                association.line.reset()
        gone = shelf.wait_without(half.sop_instance, to.patience)
        yield fact(gone, "half an instance stays", "nothing of it", case)
        kept = shelf.wait(whole.sop_instance, to.patience) is not None
        yield fact(kept, "what was answered is gone", "what was answered stays", case)


@must(17, "no reserved byte that it gets changes what it does", "PS3.8 9.3.1, 9.3.2, 9.3.5, 9.3.6")
def reserved_bytes_received(to: Target) -> Findings:
    with to.call(to.request(ECHO, reserved=0xFF)) as (line, heard):
        yield seen(heard, "AC")
        echo = echo_pdu()
        line.send(echo[:1] + b"\xff" + echo[2:])
        yield seen(line.answer(), "0000", case="P-DATA")
        line.send(b"\x05\xff\0\0\0\x04\xff\xff\xff\xff")
        yield seen(line.hear(), "RELRP", case="RELRQ")


@must(18, "every reserved byte that it sends is 0", "PS3.8 9.3.1, 9.3.3, 9.3.5, 9.3.7, 9.3.8, E.2")
def reserved_bytes_sent(to: Target) -> Findings:
    with to.associate() as association:
        yield fact(not any(association.acceptance.reserved_bytes()), "others", "all 0", "AC")
        answer = association.echo()
        if isinstance(answer, Message):
            headers = bytes(one.raw[1] for one in answer.pdus)
            controls = all(control < 4 for control in answer.controls)
            yield fact(controls and not any(headers), "others", "all 0", "P-DATA")
        yield from _zero(association.release(), 6, 10)
    with to.connect() as line:
        line.send(RELEASED)
        yield from _zero(line.hear(), 6, 8)
    # A peer that rejects nothing sends no reserved byte there.
    with suppress(UnobservableError):
        yield from _zero(_rejection(to)[1], 6, 7)


def _zero(heard: Heard, start: int, stop: int) -> Findings:
    """Reserved bytes of a small PDU, if one came: whether it should have is another must."""
    if isinstance(heard, Pdu) and heard.kind != DATA:
        yield fact(not any(heard.raw[1:2] + heard.raw[start:stop]), "others", "all 0", str(heard))


@must(19, "its rejection or abort can be read even if more was sent than it reads", "PS3.8 9.1.4")
def last_word_arrives(to: Target) -> Findings:
    more = octets.p_data(1, 0, bytes(16000)) * 16
    with to.connect() as line:
        line.send(RELEASED + more)
        yield seen(line.hear(), "ABT *", case="ABT")
    request, _ = _rejection(to)
    with to.call(request.encode() + more) as (_, heard):
        yield seen(heard, "RJ *", case="RJ")


@must(20, "it is reached by IPv4 and by IPv6", "PS3.8 9.1.1")
def both_families(to: Target) -> Findings:
    addresses = to.addresses()
    if len({":" in address for address in addresses}) < 2:
        raise UnobservableError("the host has addresses of one family only")
    for address in sorted(addresses):
        with to.connect(address) as line:
            line.send(to.request().encode())
            yield seen(line.hear(), "AC", "RJ *", case="IPv6" if ":" in address else "IPv4")


def _rejection(to: Target) -> tuple[Request, Heard]:
    """A request that the peer rejects, and how.

    Raises:
        UnobservableError: It has rejected none.
    """
    for request in (
        to.request(application_context="1.2.840.10008.3.1.1.2"),
        to.request(version=2),
        to.request(called=b"NO SUCH TITLE"),
    ):
        with to.call(request) as (_, heard):
            if str(heard).startswith("RJ 1/"):
                return request, heard
    raise UnobservableError("it rejects nothing")
