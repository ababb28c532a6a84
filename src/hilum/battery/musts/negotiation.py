"""Musts 21 to 42: what becomes of an A-ASSOCIATE-RQ, right or wrong."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import Final

from hilum.battery.acceptance import Acceptance
from hilum.battery.association import CT_EXPLICIT, CT_IMPLICIT, ECHO
from hilum.battery.line import Line
from hilum.battery.octets import (
    AC,
    BIG_ENDIAN,
    CT,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    JPEG,
    JPEG_2000,
    JPEG_LS,
    RELEASE,
    RLE,
    VERIFICATION,
    Heard,
    Pdu,
    item,
)
from hilum.battery.request import Proposal, Request
from hilum.battery.target import Target
from hilum.battery.verdict import Findings, UnobservableError, fact, must, seen

#: In Sta2 a request that cannot be read is an invalid PDU, answered by AA-1, or not acceptable, answered by AE-6.
INVALID_REQUEST: Final = ("ABT 2/6", "ABT *", "RJ *")
#: Below the standard's own root, where nobody else may make UIDs: it is no SOP class and no transfer syntax.
UNKNOWN: Final = "1.2.840.10008.5.1.9999.1"
#: Most associations that are opened at a time to find the peer's limit.
_MOST: Final = 24
_CALLED, _CALLING = "RJ 1/1/7", "RJ 1/1/3"
_MOST_CONTEXTS: Final = 128


def acceptance(heard: Heard) -> Acceptance | None:
    """What came, if it is an A-ASSOCIATE-AC."""
    return Acceptance.read(heard) if isinstance(heard, Pdu) and heard.kind == AC else None


def answers(to: Target, request: Request | bytes) -> str:
    """The text of the answer to a request."""
    with to.call(request) as (_, heard):
        return str(heard)


@must(21, "of the protocol version only bit 0 counts: set it is accepted, else rejected", "PS3.8 Table 9-11; 9.3.4")
def protocol_version(to: Target) -> Findings:
    for version, wanted in ((0x0001, "AC"), (0x0003, "AC"), (0xFFFF, "AC"), (0x0002, "RJ 1/2/2"), (0x0000, "RJ 1/2/2")):
        yield seen(answers(to, to.request(version=version)), wanted, case=f"{version:04X}H")


@must(22, "a called AE title that it does not have is rejected", "PS3.8 9.3.4, Table 9-21")
def unknown_called(to: Target) -> Findings:
    yield seen(answers(to, to.request(called=b"NO-SUCH-TITLE-7")), _CALLED)


@must(23, "a calling AE title that it does not know is rejected", "PS3.8 9.3.4, Table 9-21")
def unknown_calling(to: Target) -> Findings:
    answer = answers(to, to.request(calling=b"NO-SUCH-TITLE-3"))
    if answer == "AC":
        raise UnobservableError("it accepts a calling AE title that was made up")
    yield seen(answer, _CALLING)


@must(24, "spaces around an AE title do not count, upper and lower case do", "PS3.8 Table 9-11; PS3.5 6.2")
def title_comparison(to: Target) -> Findings:
    title = to.called.encode()
    if len(title) < 16:
        yield seen(answers(to, to.request(called=b" " + title)), "AC", case="leading space")
    swapped = title.swapcase()
    if swapped != title:
        if answers(to, to.request(called=b"NO-SUCH-TITLE-7")) == "AC":
            raise UnobservableError("it answers to any called AE title")
        yield seen(answers(to, to.request(called=swapped)), _CALLED, case="other case")


@must(25, "AE titles of spaces only, or with characters that none may have, are rejected", "PS3.8 9.3.2; PS3.5 6.2")
def impossible_titles(to: Target) -> Findings:
    for case, title in (("spaces", b" " * 16), ("control", b"A\nB"), ("backslash", b"A\\B"), ("8 bits", b"A\xe9B")):
        yield seen(answers(to, to.request(called=title)), _CALLED, case=f"called, {case}")
        yield seen(answers(to, to.request(calling=title)), _CALLING, case=f"calling, {case}")


@must(26, "an application context other than DICOM's is rejected", "PS3.8 9.3.4; PS3.7 A.2.1")
def application_context(to: Target) -> Findings:
    yield seen(answers(to, to.request(application_context="1.2.840.10008.3.1.1.2")), "RJ 1/1/2")


@must(27, "one association more than it serves is rejected for now, and accepted when there is room", "PS3.8 9.3.4")
def limit(to: Target) -> Findings:
    request = to.request(ECHO).encode()
    with ExitStack() as stack:
        open_lines: list[Line] = []
        for _ in range(_MOST):
            line = stack.enter_context(to.connect())
            line.send(request)
            heard = line.hear()
            if acceptance(heard) is None:
                break
            open_lines.append(line)
        else:
            raise UnobservableError(f"it serves {_MOST} associations at a time, or more")
        yield seen(heard, "RJ 2/3/2", "RJ 2/3/1", case=f"association {len(open_lines) + 1}")
        line.close()
        ended = open_lines.pop()
        ended.send(RELEASE)
        ended.hear()
        ended.close()
        yield seen(answers(to, request), "AC", case="after one has ended")


@must(28, "its acceptance repeats bytes 11 to 74 of the request, whatever they are", "PS3.8 Table 9-17")
def repeated_bytes(to: Target) -> Findings:
    request = to.request(fixed=bytes(range(1, 33))).encode()
    with to.call(request) as (_, heard):
        yield seen(heard, "AC")
        assert isinstance(heard, Pdu)
        for case, start, stop in (("11-26", 10, 26), ("27-42", 26, 42), ("43-74", 42, 74)):
            yield fact(heard.raw[start:stop] == request[start:stop], "others", "the same bytes", case)


@must(29, "its acceptance has one result for each proposal, and its items in order", "PS3.8 7.1.1.14, 9.3.3")
def one_result_each(to: Target) -> Findings:
    proposals = (CT_IMPLICIT, ECHO, Proposal(7, UNKNOWN, (IMPLICIT,)), CT_EXPLICIT)
    with to.associate(*proposals) as association:
        found = association.acceptance
        kinds = [one.kind for one in found.items]
        yield seen(
            " ".join(f"{kind:02X}" for kind in kinds), " ".join(["10", *["21"] * len(proposals), "50"]), case="items"
        )
        ids = sorted(one.id for one in found.results)
        yield seen(ids, "[[]1, 3, 5, 7[]]", case="context IDs")


@must(30, "a proposal that it cannot serve is refused with the reason, not with the association", "PS3.8 Table 9-18")
def refused_contexts(to: Target) -> Findings:
    strange = Proposal(7, UNKNOWN, (IMPLICIT,))
    with to.associate(ECHO, strange, Proposal(9, VERIFICATION, (UNKNOWN,))) as association:
        yield seen(association.acceptance.result(7), "3", case="unknown abstract syntax")
        yield seen(association.acceptance.result(9), "4", case="unknown transfer syntax")
    yield seen(answers(to, to.request(strange)), "AC", "RJ *", case="nothing to accept")


@must(31, "an accepted context has exactly one transfer syntax, one of those proposed", "PS3.8 9.3.3.2")
def one_transfer_syntax(to: Target) -> Findings:
    proposals = (Proposal(1, VERIFICATION, (EXPLICIT, IMPLICIT)), Proposal(3, CT, (JPEG, EXPLICIT, IMPLICIT)))
    with to.associate(*proposals) as association:
        for proposal in proposals:
            association.need(proposal)
            result = next(one for one in association.acceptance.results if one.id == proposal.id)
            found = result.transfer_syntaxes
            right = len(found) == 1 and found[0] in proposal.transfer_syntaxes
            yield fact(right, " ".join(found) or "none", "one that was proposed", f"context {proposal.id}")


@must(32, "context IDs are odd: 0 and 2 are invalid, 255 and 128 contexts at once are not", "PS3.8 9.3.2.2; Table 9-26")
def context_ids(to: Target) -> Findings:
    for number in (0, 2):
        yield seen(answers(to, to.request(replace(ECHO, id=number))), *INVALID_REQUEST, case=f"ID {number}")
    every = [replace(ECHO, id=number) for number in range(1, 256, 2)]
    with to.associate(*every) as association:
        results = association.acceptance.results
        yield seen(len(results), str(_MOST_CONTEXTS), case="results of 128 contexts")
        yield seen(association.acceptance.result(255), "0", case="ID 255")


@must(33, "a context ID that is proposed twice is invalid", "PS3.8 9.3.2.2")
def context_id_twice(to: Target) -> Findings:
    yield seen(answers(to, to.request(ECHO, replace(CT_EXPLICIT, id=1))), *INVALID_REQUEST)


@must(34, "contexts with the same abstract syntax are judged each by itself", "PS3.8 7.1.1.13")
def same_abstract_syntax(to: Target) -> Findings:
    proposals = [Proposal(number, CT, (syntax,)) for number, syntax in ((1, IMPLICIT), (3, EXPLICIT), (5, UNKNOWN))]
    with to.associate(*proposals) as association:
        for result in association.acceptance.results:
            proposed = next((one for one in proposals if one.id == result.id), None)
            yield fact(proposed is not None, f"context {result.id}", "contexts that were proposed")
            assert proposed is not None
            if result.result == 0:
                found = " ".join(result.transfer_syntaxes)
                yield fact(found in proposed.transfer_syntaxes, found, "its own", f"context {result.id}")
        for proposal in proposals[:2]:
            yield seen(association.acceptance.result(proposal.id), "0", case=f"context {proposal.id}")


@must(
    35, "a request without contexts, user information or application context is never met with silence", "PS3.8 9.3.2"
)
def missing_items(to: Target) -> Findings:
    request = to.request()
    application, contexts, user = request.application_item(), request.context_items(), request.user_item()
    for case, items in (
        ("no context", application + user),
        ("no user information", application + contexts),
        ("nothing", b""),
    ):
        yield seen(answers(to, replace(request, items=items)), *INVALID_REQUEST, case=case)
    answer = answers(to, replace(request, items=contexts + user))
    yield seen(answer, "RJ 1/1/2", *INVALID_REQUEST, case="no application context")


@must(36, "items of unknown type are read over", "PS3.8 9.3.1")
def unknown_item(to: Target) -> Findings:
    yield seen(answers(to, to.request(last=item(0x99, b"abc"))), "AC")


@must(37, "user information of unknown type is read over", "PS3.8 D.2; PS3.7 D.3.3")
def unknown_sub_item(to: Target) -> Findings:
    yield seen(answers(to, to.request(user=item(0x5F, b"abc"))), "AC")


@must(38, "items in another order are accepted", "tolerance; PS3.8 9.3.2")
def unordered_items(to: Target) -> Findings:
    request = to.request()
    items = request.user_item() + request.context_items() + request.application_item()
    yield seen(answers(to, replace(request, items=items)), "AC")


@must(39, "an item longer than what it stands in is answered at once, not waited for", "PS3.8 9.3.1; Table 9-26")
def overrunning_items(to: Target) -> Findings:
    request = to.request()
    application, context, user = request.application_item(), request.context_items(), request.user_item()
    head = b"\x01\0\0\0" + b"\x30\0\0\x40" + VERIFICATION.encode()
    for case, items in (
        ("sub-item", application + context + item(0x50, b"\x51\0\xff\xff\0\0\x40\0")),
        ("abstract syntax", application + item(0x20, head) + user),
        ("item", application + context + b"\x50\0\xff\xff" + user[4:]),
        ("half a header", application + context + user + b"\x99\0"),
    ):
        yield seen(answers(to, replace(request, items=items)), *INVALID_REQUEST, case=case)


@must(40, "a padded UID is understood, one that is too long refused", "tolerance; PS3.8 F; PS3.5 9")
def padded_and_long_uids(to: Target) -> Findings:
    for case, name, wanted in (
        ("padded", VERIFICATION + "\0", ("AC, result 0",)),
        ("70 characters", "1.2." + "3" * 66, ("AC, result 3", "AC, result [1-4]")),
    ):
        with to.call(to.request(ECHO, Proposal(7, name, (IMPLICIT,)))) as (_, heard):
            found = acceptance(heard)
            yield seen(heard if found is None else f"AC, result {found.result(7)}", *wanted, case=case)


@must(41, "storage is accepted in every transfer syntax", "product; PS3.4 B.3; PS3.5 10")
def every_transfer_syntax(to: Target) -> Findings:
    syntaxes = (IMPLICIT, EXPLICIT, BIG_ENDIAN, DEFLATED, JPEG, JPEG_LS, JPEG_2000, RLE)
    proposals = [Proposal(2 * at + 1, CT, (syntax,)) for at, syntax in enumerate(syntaxes)]
    with to.associate(*proposals) as association:
        for proposal in proposals:
            result = association.acceptance.result(proposal.id)
            yield seen(result, "0", case=proposal.transfer_syntaxes[0].removeprefix("1.2.840.10008."))


@must(42, "a context with two abstract syntaxes or without transfer syntax is not accepted", "PS3.8 9.3.2.2")
def odd_contexts(to: Target) -> Findings:
    two = item(0x30, VERIFICATION.encode()) + item(0x30, CT.encode()) + item(0x40, IMPLICIT.encode())
    none = item(0x30, VERIFICATION.encode())
    refused = "AC, result [1-4]"
    for case, content, wanted in (
        ("two abstract syntaxes", two, (*INVALID_REQUEST, refused)),
        ("no transfer syntax", none, (refused, *INVALID_REQUEST)),
    ):
        with to.call(to.request(ECHO, item(0x20, b"\x03\0\0\0", content))) as (_, heard):
            found = acceptance(heard)
            yield seen(heard if found is None else f"AC, result {found.result(3)}", *wanted, case=case)
