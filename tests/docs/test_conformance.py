"""The conformance statement against the code that it speaks of: whoever adds an answer must say when it is given."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import struct
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path
from types import ModuleType

import pytest

import hilum.association
import hilum.store
import hilum.wire
from harness.raw_peer import ABORT, RQ, RawPeer, ScriptedPeer, pdu
from harness.site import Site
from hilum.association import requestor
from hilum.association.peer import Peer
from hilum.association.requestor import Requestor
from hilum.association.settings import AcceptorSettings, RequestorTimeouts
from hilum.cli.statement import annexes, scp_answers, scu
from hilum.cli.statement.document import Statement, Table
from hilum.cli.statement.facts import Facts, seconds
from hilum.cli.statement.markdown import markdown
from hilum.cli.statement.scp import scp
from hilum.cli.statement.whole import statement_of
from hilum.config import Settings
from hilum.config.keys import all_keys
from hilum.deliver.policy import Fault
from hilum.errors import PeerError, TemporaryError
from hilum.model import AETitle
from hilum.store import walk
from hilum.wire import EXPLICIT_LE, VERIFICATION, AbortReason, ContextReply, Reject, Status, negotiate
from hilum.wire.items import Item

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"
STATEMENT = statement_of(Settings())


def test_the_page_says_what_the_program_prints() -> None:
    """Write it anew with: scripts/generate-docs."""
    assert PAGE.read_text(encoding="utf-8") == markdown(STATEMENT)


def test_the_chapters_are_those_of_the_standard() -> None:
    titles = {number: section.title for number, section in STATEMENT.numbered()}
    for number, title in {
        "1": "Conformance statement overview",
        "4.1": "Implementation model",
        "4.1.1": "Application data flow",
        "4.1.2": "Functional definition of AEs",
        "4.1.3": "Sequencing of real-world activities",
        "4.2": "AE specifications",
        "4.2.1.2": "Association policies",
        "4.2.2.3": "Association initiation policy",
        "4.3": "Network interfaces",
        "4.4": "Configuration",
        "5": "Media interchange",
        "6": "Support of character sets",
        "7": "Security",
        "8": "Annexes",
    }.items():
        assert titles[number] == title


# What the code can say


def modules(package: ModuleType) -> Iterator[ModuleType]:
    for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        yield importlib.import_module(found.name)


def nodes(module: ModuleType) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(inspect.getsource(module)))


def members(module: ModuleType, name: str) -> set[str]:
    """What is written as ``name.MEMBER`` in the module."""
    return {
        node.attr
        for node in nodes(module)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == name
    }


def answered(module: ModuleType) -> set[int]:
    """The status of each answer that the module makes; it must be one that stands for itself, no variable."""
    found = set()
    for node in nodes(module):
        match node:
            case ast.Call(func=ast.Name("Answer"), keywords=keywords):
                [status] = [keyword.value for keyword in keywords if keyword.arg == "status"]
                found.add(int(eval(ast.unparse(status), vars(module))))
            case ast.Call(func=ast.Name("response" | "echo_response"), args=[_, status, *_]):
                found.add(int(eval(ast.unparse(status), vars(module))))
            case _:
                pass
    return found


def test_every_status_that_can_be_answered_is_in_the_statement_and_no_other() -> None:
    # The requestor only hands on what a peer has answered.
    receiving = [one for package in (hilum.association, hilum.store) for one in modules(package)]
    receiving.remove(requestor)
    statuses = {status for one in receiving for status in answered(one)}
    assert len(statuses) >= 7
    statuses |= {int(Status[name]) for one in receiving for name in members(one, "Status")}
    told = {int(row[0], 16) for name in ("store", "echo", "other") for row in table(f"{name}-scp-statuses").rows}
    assert told == statuses


def test_every_rejection_that_can_be_sent_is_in_the_statement_and_no_other() -> None:
    names = {name for package in (hilum.association, hilum.wire) for one in modules(package) for name in _rejects(one)}
    assert len(names) >= 6
    assert set(scp_answers.REJECTIONS) == {getattr(Reject, name) for name in names}
    told = [tuple(map(int, row[:3])) for row in table("association-rejection").rows]
    assert told == [(one.result, one.source, one.reason) for one in scp_answers.REJECTIONS]


def _rejects(module: ModuleType) -> set[str]:
    # Where the constants are made, all of them are named.
    return set() if module is hilum.wire.pdu else members(module, "Reject")


def test_the_reaction_to_every_rejection_is_in_the_statement() -> None:
    constants = {value for value in vars(Reject).values() if isinstance(value, Reject)}
    told = {Reject(*map(int, row[:3])): row[4] for row in table("scu-rejections").rows}
    assert told.keys() == constants
    for reject, behaviour in told.items():
        assert ("not more often" in behaviour) != reject.transient


def test_every_reason_for_an_abort_is_in_the_statement_and_no_other() -> None:
    names = {name for package in (hilum.association, hilum.wire) for one in modules(package) for name in _aborts(one)}
    default = AbortReason(PeerError("").reason)
    reasons = {AbortReason[name] for name in names} | {default}
    # This one comes with source 0 only, whose cases are prose.
    assert reasons - {AbortReason.NOT_SPECIFIED} == set(scp_answers.PROVIDER_ABORTS)


def _aborts(module: ModuleType) -> set[str]:
    return set() if module is hilum.wire.pdu else members(module, "AbortReason")


def test_every_result_for_a_presentation_context_is_in_the_statement_and_no_other() -> None:
    used = {ContextReply[name] for name in members(importlib.import_module(negotiate.__module__), "ContextReply")}
    assert set(scp_answers.CONTEXT_REPLIES) == used


def test_every_kind_of_failed_delivery_is_in_the_statement() -> None:
    assert set(scu.FAULTS) == set(Fault)


def test_every_attribute_that_is_read_is_in_the_statement() -> None:
    assert set(annexes.USES) == walk._WANTED


def test_every_key_below_dicom_is_in_the_statement() -> None:
    keys = {key.path for key in all_keys() if key.path.startswith("dicom.") and not key.holds_keys}
    told = {row[0].strip("`") for row in table("parameters").rows}
    assert len(keys) > 30
    assert keys <= told


def test_every_time_that_a_peer_is_given_is_in_the_statement() -> None:
    facts = Facts.of(Settings(), None)
    odd = {name: timedelta(seconds=1000.5 + number) for number, name in enumerate(_times(facts.acceptor))}
    also = {name: timedelta(seconds=2000.5 + number) for number, name in enumerate(_times(facts.delivery.timeouts))}
    delivery = replace(facts.delivery, timeouts=replace(facts.delivery.timeouts, **also))
    facts = replace(facts, acceptor=replace(facts.acceptor, **odd), delivery=delivery)
    found = Statement(title="", cover=(), sections=(scp(facts), scu.scu(facts)))
    for side, times in (("scp", odd), ("scu", also)):
        told = {row[1] for row in found.table(f"{side}-timeouts").rows}
        assert told == {seconds(time) for time in times.values()}


def _times(settings: AcceptorSettings | RequestorTimeouts) -> list[str]:
    return [field.name for field in fields(settings) if isinstance(getattr(settings, field.name), timedelta)]


def test_every_item_that_is_negotiated_is_in_the_statement() -> None:
    told = " ".join(row[0] for row in table("scp-negotiation").rows)
    identification = {Item.MAXIMUM_LENGTH, Item.IMPLEMENTATION_CLASS_UID, Item.IMPLEMENTATION_VERSION_NAME}
    for item in set(Item) - identification:
        assert item <= Item.USER_INFORMATION or f"({item:02X}H)" in told


@pytest.mark.parametrize(
    ("statuses", "behaviour"),
    [
        (["0000"], "delivered"),
        (["0001", "0107", "0116", "B000", "B006", "B007"], "delivered; the history says with which warning"),
        (["A700-A7FF", "0110", "0213", "any other"], "tried again later"),
        (["A900-A9FF", "C000-CFFF", "0122", "0124"], "tried again later, 3 attempts in all"),
    ],
)
def test_every_status_leads_to_what_is_done_about_it(statuses: list[str], behaviour: str) -> None:
    told = {row[0]: row[2] for row in table("store-scu-statuses").rows}
    assert {told[status] for status in statuses} == {behaviour}


# What peers see


def user_information(associate: bytes) -> dict[int, bytes]:
    """Sub-items of an A-ASSOCIATE-RQ or -AC, by type."""
    return items(items(associate[68:])[0x50])


def items(data: bytes) -> dict[int, bytes]:
    found = {}
    while data:
        kind, length = struct.unpack_from(">BxH", data)
        found[kind] = data[4 : 4 + length]
        data = data[4 + length :]
    return found


def told_of(prefix: str) -> dict[int, bytes]:
    """The same, as the statement has it."""
    length = int(dict(table(f"{prefix}-association").rows)["Maximum PDU length received"].split()[0])
    names = dict(table(f"{prefix}-implementation").rows)
    return {
        0x51: struct.pack(">I", length),
        0x52: names["Implementation Class UID"].encode(),
        0x55: names["Implementation Version Name"].encode(),
    }


def test_an_acceptance_says_what_the_statement_says(make_site: Callable[..., Site]) -> None:
    with make_site() as site, RawPeer.connect(site.port) as peer:
        assert user_information(peer.associate()) == told_of("scp")


def test_a_request_says_what_the_statement_says() -> None:
    requests: list[bytes] = []

    def script(peer: RawPeer) -> None:
        kind, body = peer.pdu()
        assert kind == RQ
        requests.append(body)
        peer.send(pdu(ABORT, bytes(4)))

    with ScriptedPeer(script) as peer:
        destination = Peer(host="127.0.0.1", port=peer.port, called=AETitle("PACS"))
        with pytest.raises(TemporaryError):
            Requestor.open(destination, AETitle("HILUM"), [(VERIFICATION, EXPLICIT_LE)])
    assert user_information(requests[0]) == told_of("scu")


def table(name: str) -> Table:
    return STATEMENT.table(name)
