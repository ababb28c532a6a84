"""Musts 55 to 64: P-DATA-TF PDUs and what is in them."""

from __future__ import annotations

import struct
from typing import Final

from hilum.battery.association import CT_EXPLICIT, ECHO, command_pdu, data_pdus, echo_pdu, store_pdus
from hilum.battery.command import Message, command_set, echo_request, store_request
from hilum.battery.musts.user_information import INVALID
from hilum.battery.octets import COMMAND, DATA, LAST, fragments, p_data, pdu, pdv
from hilum.battery.target import Target
from hilum.battery.verdict import Findings, fact, must, seen

#: Neither proposed nor accepted.
_NO_CONTEXT: Final = 77


@must(55, "a PDV that does not fit into its PDU is aborted as invalid", "PS3.8 9.3.5.1, Table 9-26")
def impossible_pdv(to: Target) -> Findings:
    for case, length in (("0", 0), ("1", 1), ("more than its PDU has", 27), ("4 GiB", 0xFFFFFFFF)):
        with to.associate(ECHO) as association:
            association.line.send(pdu(DATA, struct.pack(">IBB", length, 1, COMMAND | LAST) + bytes(20)))
            yield seen(association.line.hear(), *INVALID, case=f"length {case}")


@must(56, "data on a context that was not accepted is aborted", "PS3.8 9.3.5.1")
def foreign_context(to: Target) -> Findings:
    with to.associate(ECHO) as association:
        association.line.send(p_data(_NO_CONTEXT, COMMAND | LAST, command_set(echo_request())))
        yield seen(association.line.hear(), "ABT *")


@must(57, "of the message control header only bits 0 and 1 count, the others are sent as 0", "PS3.8 E.2")
def control_header(to: Target) -> Findings:
    with to.associate(ECHO) as association:
        association.line.send(p_data(ECHO.id, 0xFF, command_set(echo_request())))
        answer = association.line.answer()
        yield seen(answer, "0000")
        assert isinstance(answer, Message)
        yield fact(max(answer.controls) < 4, "other bits", "bits 0 and 1 only", "its own")


@must(58, "several PDVs in one PDU are understood, command and data set together too", "PS3.8 9.3.5, E.1")
def several_pdvs(to: Target) -> Findings:
    with to.associate() as association:
        whole = command_set(echo_request())
        association.need(ECHO)
        association.line.send(pdu(DATA, pdv(ECHO.id, COMMAND, whole[:30]) + pdv(ECHO.id, COMMAND | LAST, whole[30:])))
        yield seen(association.line.answer(), "0000", case="C-ECHO in two")
        instance = to.instance()
        request, content = command_set(store_request(instance.sop_instance, 2)), instance.encode()
        number = CT_EXPLICIT.id
        values = pdv(number, COMMAND | LAST, request) + pdv(number, 0, content[:100]) + pdv(number, LAST, content[100:])
        yield seen(association.tell(pdu(DATA, values)), "0000", case="C-STORE in one PDU")


@must(59, "fragments may be as short as two bytes, and the last one empty", "PS3.8 9.3.5.1, E.2")
def short_fragments(to: Target) -> Findings:
    with to.associate() as association:
        association.need(ECHO)
        association.line.send(fragments(ECHO.id, COMMAND, command_set(echo_request()), 2))
        yield seen(association.line.answer(), "0000", case="command set of 2 bytes each")
        yield seen(association.tell(store_pdus(to.instance(), 2, size=2)), "0000", case="data set of 2 bytes each")
        instance = to.instance()
        request = command_pdu(store_request(instance.sop_instance, 3), on=CT_EXPLICIT)
        content = p_data(CT_EXPLICIT.id, 0, instance.encode()) + p_data(CT_EXPLICIT.id, LAST)
        yield seen(association.tell(request + content), "0000", case="empty last fragment")


@must(60, "a message that changes its context on the way is aborted", "PS3.8 E.1")
def context_changes(to: Target) -> Findings:
    whole = command_set(echo_request())
    with to.associate() as association:
        association.need(CT_EXPLICIT)
        association.line.send(p_data(ECHO.id, COMMAND, whole[:40]) + p_data(CT_EXPLICIT.id, COMMAND | LAST, whole[40:]))
        yield seen(association.line.answer(), "ABT *", case="command set")
    with to.associate() as association:
        association.need(CT_EXPLICIT)
        association.may_store()
        instance = to.instance()
        request = command_pdu(store_request(instance.sop_instance), on=CT_EXPLICIT)
        association.line.send(request + data_pdus(instance.encode(), on=ECHO))
        yield seen(association.line.answer(), "ABT *", case="data set")


@must(61, "a data set without command, or a command within a data set, is aborted", "PS3.8 E.1")
def out_of_order(to: Target) -> Findings:
    content = to.instance().encode()
    with to.associate() as association:
        association.need(CT_EXPLICIT)
        association.line.send(data_pdus(content, on=CT_EXPLICIT))
        yield seen(association.line.answer(), "ABT *", case="data set first")
    with to.associate() as association:
        association.need(CT_EXPLICIT)
        association.may_store()
        request = command_pdu(store_request(to.instance().sop_instance), on=CT_EXPLICIT)
        association.line.send(request + p_data(CT_EXPLICIT.id, 0, content[:100]) + echo_pdu(2))
        yield seen(association.line.answer(), "ABT *", case="command within")


@must(62, "a P-DATA-TF with nothing in it is aborted", "PS3.8 9.3.5")
def empty_data(to: Target) -> Findings:
    with to.associate(ECHO) as association:
        association.line.send(pdu(DATA, b""))
        yield seen(association.line.hear(), "ABT *")


@must(63, "where a message is cut into fragments makes no difference", "PS3.8 9.3.5, E.1")
def every_boundary(to: Target) -> Findings:
    with to.associate() as association:
        association.need(ECHO)
        whole = command_set(echo_request())
        for cut in range(2, len(whole), 2):
            association.line.send(p_data(ECHO.id, COMMAND, whole[:cut]) + p_data(ECHO.id, COMMAND | LAST, whole[cut:]))
            yield seen(association.line.answer(), "0000", case=f"command set cut at {cut}")
        for byte in echo_pdu():
            association.line.send(bytes((byte,)))
        yield seen(association.line.answer(), "0000", case="one byte a packet")
        shelf = to.files()
        before: bytes | None = None
        for size in (4096, 10, 14, 130, 132):
            instance = to.instance()
            yield seen(association.tell(store_pdus(instance, size=size)), "0000", case=f"data set of {size} each")
            stored = shelf.wait(instance.sop_instance, to.patience)
            # The SOP Instance UIDs are of one length, so that nothing else may differ.
            found = None if stored is None else stored.data_set.replace(instance.sop_instance.encode(), b"")
            before = before or found
            yield fact(found is not None, "no file", "a file", f"data set of {size} each")
            yield fact(found == before, "other bytes", "the same bytes", f"data set of {size} each")


@must(64, "fragments of odd length are tolerated if the whole is even", "tolerance; PS3.8 9.3.5.1, E.2")
def odd_fragments(to: Target) -> Findings:
    with to.associate() as association:
        association.need(ECHO)
        association.line.send(fragments(ECHO.id, COMMAND, command_set(echo_request()), 7))
        yield seen(association.line.answer(), "0000", case="command set")
        yield seen(association.tell(store_pdus(to.instance(), 2, size=7)), "0000", case="data set")
