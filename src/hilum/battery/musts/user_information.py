"""Musts 43 to 54: what the two sides tell each other about themselves."""

from __future__ import annotations

import re
import struct
from dataclasses import replace
from typing import Final

from hilum.battery.association import CT_EXPLICIT, ECHO, echo_pdu
from hilum.battery.command import RESPONDED_TO, Message
from hilum.battery.instance import new_uid
from hilum.battery.musts.negotiation import UNKNOWN, acceptance, answers
from hilum.battery.octets import COMMAND, CT, DATA, IMPLICIT, LAST, MR, item
from hilum.battery.request import Proposal
from hilum.battery.target import Target
from hilum.battery.verdict import Findings, UnobservableError, fact, must, seen

#: An invalid PDU on an association; with its reason, or without.
INVALID: Final = ("ABT 2/6", "ABT 2/0")
_UID: Final = re.compile(r"(?=.{1,64}$)(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))+")
_STORAGE_SERVICE: Final = "1.2.840.10008.4.2"
#: Worklist, study root query and retrieve, procedure step, film session: no storage.
_OTHER_SERVICES: Final = (
    "1.2.840.10008.5.1.4.31",
    "1.2.840.10008.5.1.4.1.2.2.1",
    "1.2.840.10008.5.1.4.1.2.2.2",
    "1.2.840.10008.3.1.2.3.3",
    "1.2.840.10008.5.1.1.9",
)


def _counted(text: str) -> bytes:
    return struct.pack(">H", len(text)) + text.encode()


@must(43, "it tells its maximum length, once", "PS3.8 D.1")
def maximum_length(to: Target) -> Findings:
    with to.associate() as association:
        told = association.acceptance.told(0x51)
        yield seen(len(told), "1", case="how often")
        yield seen(len(told[0]), "4", case="bytes")


@must(44, "it never sends a longer PDU than it was told to", "PS3.8 D.1.1")
def longest_pdu_sent(to: Target) -> Findings:
    for longest in (128, 64, 0):
        with to.associate(max_length=longest) as association:
            instance = to.instance(sop_instance=f"{new_uid()}.{'1' * 20}")
            sent = [association.echo()]
            if to.stores and association.acceptance.result(CT_EXPLICIT.id) == 0:
                sent.append(association.store(instance, 2))
            for answer in sent:
                yield seen(answer, "0000", case=f"told {longest}")
                assert isinstance(answer, Message)
                found = max(len(one.body) for one in answer.pdus)
                yield fact(found <= (longest or found), f"{found} bytes", f"at most {longest}", f"told {longest}")


@must(45, "a PDU that is longer than it allows is aborted as soon as its length is known", "PS3.8 D.1.1, Table 9-26")
def longest_pdu_received(to: Target) -> Findings:
    with to.associate(ECHO) as association:
        longest = association.acceptance.max_length
        if not 0 < longest < 0x7FFFFFFF:
            raise UnobservableError("it takes PDUs of any length")
        length = longest + 2
        begun = struct.pack(">BxI", DATA, length) + struct.pack(">IBB", length - 4, 1, COMMAND | LAST)
        association.line.send(begun, bytes(64))
        yield seen(association.line.hear(), *INVALID)


@must(46, "a maximum length into which nothing fits ends in a refusal, not in a loop", "PS3.8 9.3.5.1, D.1")
def tiny_maximum_length(to: Target) -> Findings:
    for longest in (1, 6):
        with to.call(to.request(ECHO, max_length=longest)) as (line, heard):
            accepted = acceptance(heard) is not None
            if accepted:
                line.send(echo_pdu())
            answer = line.hear() if accepted else heard
            yield seen(answer, "ABT 2/6", "ABT *", "RJ *", "FIN", "RST", case=f"told {longest}")


@must(47, "a request that does not tell its maximum length is accepted", "tolerance; PS3.8 D.1")
def no_maximum_length(to: Target) -> Findings:
    with to.call(to.request(ECHO, max_length=None)) as (line, heard):
        yield seen(heard, "AC")
        line.send(echo_pdu())
        yield seen(line.answer(), "0000", case="C-ECHO")


@must(48, "it tells which implementation it is", "PS3.7 D.3.3.2")
def implementation(to: Target) -> Findings:
    with to.associate() as association:
        told = association.acceptance.told(0x52)
        yield seen(len(told), "1", case="class UIDs")
        name = told[0].decode("ascii", "backslashreplace")
        yield fact(_UID.fullmatch(name) is not None, repr(name[:70]), "a valid UID", "class UID")
        for version in association.acceptance.told(0x55):
            right = 1 <= len(version) <= 16 and version.isascii()
            yield fact(right, f"{len(version)} bytes", "1 to 16 characters", "version name")


@must(49, "of an asynchronous window it takes no more than proposed, and answers in order", "PS3.7 D.3.3.3")
def asynchronous_window(to: Target) -> Findings:
    with to.associate(ECHO, user=item(0x53, struct.pack(">HH", 2, 2))) as association:
        for told in association.acceptance.told(0x53):
            right = len(told) == 4 and all(1 <= one <= 2 for one in struct.unpack(">HH", told))
            yield fact(right, told.hex(), "1 or 2 each", "window")
        association.need(ECHO)
        association.line.send(*(echo_pdu(number) for number in (11, 12, 13)))
        for number in (11, 12, 13):
            answer = association.line.answer()
            yield seen(answer, "0000")
            assert isinstance(answer, Message)
            yield seen(answer.number(RESPONDED_TO), str(number), case="order of the answers")


@must(50, "it answers roles of proposed SOP classes only, and grants none that was not proposed", "PS3.7 D.3.3.4")
def roles(to: Target) -> Findings:
    asked = item(0x54, _counted(CT), b"\x01\0") + item(0x54, _counted(MR), b"\x01\x01")
    with to.associate(user=asked) as association:
        for told in association.acceptance.told(0x54):
            name, granted = _role(told)
            yield fact(name == CT, name, "CT only", "SOP class")
            yield fact(granted[0] <= 1 and granted[1] == 0, granted.hex(), "no SCP role", "roles")
        if association.acceptance.result(CT_EXPLICIT.id) == 0 and to.stores:
            yield seen(association.store(to.instance()), "0000", case="C-STORE")


def _role(told: bytes) -> tuple[str, bytes]:
    length = int.from_bytes(told[:2], "big")
    return told[2 : 2 + length].decode("ascii", "backslashreplace"), told[2 + length :].ljust(2, b"\xff")


@must(
    51, "extended negotiation of storage is read over or answered with what PS3.4 knows", "PS3.4 B.3.1; PS3.7 D.3.3.5"
)
def extended_negotiation(to: Target) -> Findings:
    with to.call(to.request(user=item(0x56, _counted(CT), b"\x02\0\x03\0\x01\0"))) as (_, heard):
        yield seen(heard, "AC")
        found = acceptance(heard)
        assert found is not None
        for told in found.told(0x56):
            name, answer = _role(told)
            yield fact(name == CT, name, CT, "SOP class")
            right = len(answer) >= 5 and answer[0] <= 3 and answer[2] <= 3 and answer[4] <= 1
            yield fact(right, answer.hex(), "levels of PS3.4 B.3.1")


@must(
    52,
    "an unknown SOP class declared to be storage is accepted, without further answer",
    "product; PS3.7 D.3.3.6",
)
def common_extended_negotiation(to: Target) -> Findings:
    declared = item(0x57, _counted(UNKNOWN), _counted(_STORAGE_SERVICE), b"\0\0")
    with to.associate(ECHO, Proposal(7, UNKNOWN, (IMPLICIT,)), user=declared) as association:
        yield seen(len(association.acceptance.told(0x57)), "0", case="57H in the answer")
        yield seen(association.acceptance.result(7), "0")


@must(53, "a user identity that it does not check does not disturb it", "PS3.7 D.3.3.7")
def user_identity(to: Target) -> Findings:
    for kind, wish in ((1, 0), (2, 1), (5, 0)):
        secret = b"\0\x06secret" if kind == 2 else b"\0\0"
        told = item(0x58, bytes((kind, wish)), _counted("hilum"), secret)
        yield seen(answers(to, to.request(user=told)), "AC", "RJ ?/2/1", case=f"type {kind}")


@must(54, "a service that it does not offer is refused as an unknown abstract syntax", "PS3.8 Table 9-18")
def other_services(to: Target) -> Findings:
    proposals = [Proposal(2 * at + 1, name, (IMPLICIT,)) for at, name in enumerate(_OTHER_SERVICES)]
    with to.associate(replace(ECHO, id=255), *proposals) as association:
        refused = 0
        for proposal in proposals:
            result = association.acceptance.result(proposal.id)
            if result != 0:  # else it offers that service
                refused += 1
                yield seen(result, "3", case=proposal.abstract_syntax)
        if not refused:
            raise UnobservableError("it offers all of the services that were tried")
