"""Musts 65 to 75: command sets and what is answered to them."""

from __future__ import annotations

from typing import Final

from hilum.battery import command
from hilum.battery.association import (
    CT_EXPLICIT,
    ECHO,
    Association,
    command_pdu,
    data_pdus,
    echo_pdu,
    store_pdus,
)
from hilum.battery.command import NO_DATA_SET, Message, Value, echo_request, store_request
from hilum.battery.octets import (
    BIG_ENDIAN,
    CT,
    DEFLATED,
    EXPLICIT,
    JPEG_2000,
    MR,
    VERIFICATION,
)
from hilum.battery.request import Proposal
from hilum.battery.target import Target
from hilum.battery.verdict import Findings, fact, must, seen

#: Statuses of failure. Source: PS3.7 C.4, C.5; PS3.4 Table B.2-1.
FAILURE: Final = ("0[12]??", "A???", "C???")
CANNOT_UNDERSTAND: Final = "C???"
MISMATCH: Final = "A9??"

_BIG = Proposal(7, VERIFICATION, (BIG_ENDIAN,))
_PLAIN = Proposal(9, VERIFICATION, (EXPLICIT,))
_DEFLATED = Proposal(11, CT, (DEFLATED,))
_JPEG_2000 = Proposal(13, CT, (JPEG_2000,))


@must(65, "its command sets are Implicit VR Little Endian whatever the context's transfer syntax", "PS3.7 6.3.1")
def command_coding(to: Target) -> Findings:
    contexts = (ECHO, _BIG, _PLAIN, _DEFLATED, _JPEG_2000)
    with to.associate(*contexts) as association:
        association.need(ECHO)
        for number, context in enumerate(contexts, start=1):
            storage = context.abstract_syntax == CT
            if association.acceptance.result(context.id) != 0 or (storage and not to.stores):
                continue
            if storage:
                instance = to.instance(context.transfer_syntaxes[0])
                association.line.send(store_pdus(instance, number, on=context))
            else:
                association.line.send(command_pdu(echo_request(number), on=context))
            answer = association.line.answer()
            case = context.transfer_syntaxes[0].removeprefix("1.2.840.10008.")
            yield seen(answer, "0000", case=case)
            assert isinstance(answer, Message)
            yield fact(not answer.faults, ", ".join(answer.faults), "no fault", case)


@must(66, "its answer to C-ECHO has every element that it must have", "PS3.7 9.3.5.2, Table 9.3-13")
def echo_response(to: Target) -> Findings:
    with to.associate(ECHO) as association:
        for number in (0, 1, 65535):
            answer = association.echo(number)
            yield seen(answer, "0000", case=f"message {number}")
            assert isinstance(answer, Message)
            yield from _elements(answer, command.C_ECHO_RSP, number)
            sop_class = answer.text(command.SOP_CLASS)
            yield fact(sop_class in (None, VERIFICATION), str(sop_class), VERIFICATION, "SOP class")


@must(67, "its answer to C-STORE names what it answers", "PS3.7 9.3.1.2, Table 9.3-2")
def store_response(to: Target) -> Findings:
    with to.associate() as association:
        instance = to.instance()
        answer = association.store(instance, 4711)
        yield seen(answer, "0000")
        assert isinstance(answer, Message)
        yield from _elements(answer, command.C_STORE_RSP, 4711)
        yield seen(answer.context, str(CT_EXPLICIT.id), case="context")
        for case, element, sent in (
            ("SOP class", command.SOP_CLASS, CT),
            ("SOP instance", command.SOP_INSTANCE, instance.sop_instance),
        ):
            found = answer.text(element)
            yield fact(found in (None, sent), str(found), "what was sent, or nothing", case)


def _elements(answer: Message, field: int, number: int) -> Findings:
    """What each response has."""
    yield seen(f"{answer.number(command.FIELD) or 0:04X}H", f"{field:04X}H", case="command field")
    yield seen(answer.number(command.RESPONDED_TO), str(number), case="message responded to")
    yield seen(f"{answer.number(command.DATA_SET_TYPE) or 0:04X}H", f"{NO_DATA_SET:04X}H", case="data set type")


@must(68, "any priority is accepted, and so are the fields of a C-MOVE sub-operation", "PS3.7 9.3.1.1")
def priority_and_originator(to: Target) -> Findings:
    cases: dict[str, dict[int, Value]] = {
        "high": {command.PRIORITY: 1},
        "low": {command.PRIORITY: 2},
        "1234H": {command.PRIORITY: 0x1234},
        "moved": {command.MOVE_ORIGINATOR: b"SOMEBODY", command.MOVE_ORIGINATOR_ID: 7},
    }
    with to.associate() as association:
        for case, fields in cases.items():
            yield seen(_differently(to, association, fields), "0000", case=case)


def _differently(to: Target, association: Association, fields: dict[int, Value]) -> object:
    """The answer to a C-STORE whose command has other fields than it should."""
    instance = to.instance()
    request = store_request(instance.sop_instance) | fields
    return association.tell(
        command_pdu(request, on=CT_EXPLICIT) + data_pdus(instance.encode(), on=CT_EXPLICIT), on=CT_EXPLICIT
    )


@must(69, "a command that it does not know is answered or aborted, never met with silence", "PS3.7 C.5.18")
def unknown_command(to: Target) -> Findings:
    with to.associate(ECHO) as association:
        association.line.send(command_pdu(echo_request() | {command.FIELD: 0x0777}, on=ECHO))
        yield seen(association.line.answer(), "0211", "ABT *")


@must(70, "a response to nothing is never answered", "PS3.7 6.2")
def unsolicited_response(to: Target) -> Findings:
    fields: dict[int, Value] = {
        command.SOP_CLASS: VERIFICATION,
        command.FIELD: command.C_ECHO_RSP,
        command.RESPONDED_TO: 5,
        command.DATA_SET_TYPE: NO_DATA_SET,
        command.STATUS: 0,
    }
    with to.associate(ECHO) as association:
        association.line.send(command_pdu(fields, on=ECHO))
        answer = association.line.answer(to.calm)
        if str(answer) == "silent":
            answer = association.echo(6)
            yield seen(answer, "0000", case="C-ECHO after it")
            assert isinstance(answer, Message)
            yield seen(answer.number(command.RESPONDED_TO), "6", case="C-ECHO after it")
        else:
            yield seen(answer, "ABT *")


@must(71, "a SOP class other than that of its context is refused, nothing is stored", "PS3.7 C.5.19; PS3.4 B.2.3")
def foreign_sop_class(to: Target) -> Findings:
    instance = to.instance(sop_class=MR)
    with to.associate() as association:
        yield seen(association.store(instance), "0122", MISMATCH)
    if to.shelf is not None:
        yield fact(not to.shelf.holding(instance.sop_instance), "stored", "nothing stored")


@must(72, "a C-STORE that says it has no data set is refused, and the association goes on", "PS3.7 9.3.1.1")
def store_without_data(to: Target) -> Findings:
    with to.associate() as association:
        association.need(CT_EXPLICIT)
        request = store_request(to.instance().sop_instance) | {command.DATA_SET_TYPE: NO_DATA_SET}
        association.line.send(command_pdu(request, on=CT_EXPLICIT))
        yield seen(association.line.answer(), CANNOT_UNDERSTAND, "0212")
        yield seen(association.echo(2), "0000", case="C-ECHO after it")


@must(73, "a command without what it must have is refused or aborted", "PS3.7 9.3.1.1, 9.3.5.1, E.1")
def missing_elements(to: Target) -> Findings:
    with to.associate(ECHO) as association:
        request = echo_request()
        del request[command.MESSAGE_ID]
        association.line.send(command_pdu(request, on=ECHO))
        yield seen(association.line.answer(), "ABT *", *FAILURE, case="C-ECHO without message ID")
    for case, element, wanted in (
        ("SOP class", command.SOP_CLASS, (*FAILURE, "ABT *")),
        ("SOP instance", command.SOP_INSTANCE, (*FAILURE, "ABT *")),
        ("command field", command.FIELD, ("ABT *", *FAILURE)),
    ):
        instance = to.instance()
        request = store_request(instance.sop_instance)
        del request[element]
        with to.associate() as association:
            association.need(CT_EXPLICIT)
            association.may_store()
            association.line.send(command_pdu(request, on=CT_EXPLICIT) + data_pdus(instance.encode(), on=CT_EXPLICIT))
            yield seen(association.line.answer(), *wanted, case=f"C-STORE without {case}")


@must(74, "a C-STORE with an empty or impossible SOP Instance UID is refused", "PS3.7 C.5.6; PS3.4 B.2.3")
def impossible_instance_uid(to: Target) -> Findings:
    with to.associate() as association:
        for uid in ("", "1.2.abc", "1." + "2" * 64):
            answer = association.store(to.instance(sop_instance=uid))
            yield seen(answer, "0117", CANNOT_UNDERSTAND, case=repr(uid[:9]))


@must(75, "requests sent ahead are answered, in their order", "tolerance; PS3.7 9.3.1, D.3.3.3")
def order_of_answers(to: Target) -> Findings:
    with to.associate() as association:
        association.need(ECHO)
        association.need(CT_EXPLICIT)
        association.may_store()
        association.line.send(store_pdus(to.instance(), 21) + echo_pdu(22) + store_pdus(to.instance(), 23))
        for number in (21, 22, 23):
            answer = association.line.answer()
            yield seen(answer, "0000", case=f"message {number}")
            assert isinstance(answer, Message)
            yield seen(answer.number(command.RESPONDED_TO), str(number), case="order of the answers")
