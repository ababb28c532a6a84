"""A-ASSOCIATE-AC: what the acceptor grants.

Source: PS3.8 9.3.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hilum.errors import LocalError, PeerError
from hilum.wire import items
from hilum.wire.items import SHORT, Item
from hilum.wire.negotiate import ContextReply, ContextResult, ProposedContext, RoleSelection
from hilum.wire.pdu import PDU_HEADER, PduType
from hilum.wire.request import FIXED_BYTES, AssociateRequest
from hilum.wire.uids import (
    APPLICATION_CONTEXT,
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    IMPLICIT_LE,
    is_uid,
)

_KNOWN_REPLIES: Final = frozenset(ContextReply)


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """An A-ASSOCIATE-AC, held against what was proposed.

    Attributes:
        results: One for each proposed context, in the order of the proposal.
        max_pdu_length: Longest P-DATA-TF PDU that the acceptor takes, in bytes without the 6-byte header; 0 = no
            limit, ``None`` = not said.
        implementation_class_uid: Unchecked; may be empty.
        implementation_version_name: Unchecked; may be empty.

    Source: PS3.8 Table 9-17, D.1; PS3.7 D.3.3.
    """

    results: tuple[ContextResult, ...]
    max_pdu_length: int | None
    implementation_class_uid: str
    implementation_version_name: str


def encode(
    request: AssociateRequest,
    results: Sequence[ContextResult],
    roles: Sequence[RoleSelection],
    *,
    max_pdu_length: int,
) -> bytes:
    """The A-ASSOCIATE-AC to a request.

    The asynchronous operations window is left out, which means 1/1: one request at a time, answered in order.

    Args:
        request: As received.
        results: One for each proposed context, in the order of the proposal.
        roles: Answers to proposed roles.
        max_pdu_length: Longest P-DATA-TF PDU taken, in bytes without the 6-byte header; 0 = no limit.

    Raises:
        LocalError: The results do not fit the request.

    Source: PS3.8 Table 9-17; PS3.7 D.3.3.3, D.3.3.4.
    """
    if [result.id for result in results] != [context.id for context in request.contexts]:
        raise LocalError("an A-ASSOCIATE-AC needs one result for each proposed context, in the order of the proposal")
    body = b"".join(
        (
            # 7-8  Protocol-version, 9-10  Reserved, 11-74  as received.
            SHORT.pack(1),
            b"\0\0",
            request.echo,
            items.encode_uid(Item.APPLICATION_CONTEXT, APPLICATION_CONTEXT),
            *map(_encode_result, results, request.contexts),
            items.encode_user_information(
                max_pdu_length=max_pdu_length,
                implementation_class_uid=IMPLEMENTATION_CLASS_UID,
                implementation_version_name=IMPLEMENTATION_VERSION_NAME,
                roles=roles,
            ),
        )
    )
    return PDU_HEADER.pack(PduType.ASSOCIATE_AC, len(body)) + body


def _encode_result(result: ContextResult, context: ProposedContext) -> bytes:
    """Source: PS3.8 Table 9-18."""
    transfer_syntax = result.transfer_syntax
    if not result.accepted:
        # There must be one; nobody looks at it.
        transfer_syntax = next((name for name in context.transfer_syntaxes if is_uid(name)), IMPLICIT_LE)
    elif transfer_syntax not in context.transfer_syntaxes:
        raise LocalError(f"presentation context {result.id} was not proposed with {transfer_syntax!r}")
    return items.encode(
        Item.CONTEXT_RESULT,
        bytes((result.id, 0, result.reply, 0)),
        items.encode_uid(Item.TRANSFER_SYNTAX, transfer_syntax),
    )


def decode(body: bytes, proposed: Sequence[ProposedContext]) -> Acceptance:
    """Read an A-ASSOCIATE-AC of at least ``FIXED_BYTES``.

    Titles, protocol version and application context are not looked at: the requestor knows whom it called. A context
    without a result, or with one that the standard does not know, counts as refused for no reason.

    Raises:
        PeerError: It cannot be understood, or grants what was not proposed.

    Source: PS3.8 Table 9-17.
    """
    replies: dict[int, tuple[int, str]] = {}
    user_information: memoryview | None = None
    for kind, value in items.split(memoryview(body)[FIXED_BYTES:], "the A-ASSOCIATE-AC"):
        if kind == Item.CONTEXT_RESULT:
            context_id, reply, transfer_syntax = _decode_result(value)
            if context_id in replies:
                raise PeerError(f"presentation context {context_id} is answered twice")
            replies[context_id] = reply, transfer_syntax
        elif kind == Item.USER_INFORMATION:
            items.only(user_information, "user information item")
            user_information = value
    if user_information is None:
        raise PeerError("the A-ASSOCIATE-AC has no user information item; one is required")
    unasked = replies.keys() - {context.id for context in proposed}
    if unasked:
        raise PeerError(f"presentation context {min(unasked)} is answered, but was not proposed")
    user = items.decode_user_information(user_information, frozenset())
    return Acceptance(
        results=tuple(_match(context, *replies.get(context.id, (ContextReply.NO_REASON, ""))) for context in proposed),
        max_pdu_length=user.max_pdu_length,
        implementation_class_uid=user.implementation_class_uid,
        implementation_version_name=user.implementation_version_name,
    )


def _decode_result(value: memoryview) -> tuple[int, int, str]:
    """Context ID, reply and transfer syntax. Source: PS3.8 Table 9-18."""
    # 5  Presentation-context-ID, 6  Reserved, 7  Result/Reason, 8  Reserved, 9-  Transfer syntax
    if len(value) < 4:
        raise PeerError(f"a presentation context result has {len(value)} bytes; at least 4 are needed")
    transfer_syntax = ""
    for kind, sub_value in items.split(value[4:], f"the result for presentation context {value[0]}"):
        if kind == Item.TRANSFER_SYNTAX:
            transfer_syntax = items.uid(sub_value)
    return value[0], value[2], transfer_syntax


def _match(context: ProposedContext, reply: int, transfer_syntax: str) -> ContextResult:
    if reply == ContextReply.ACCEPTED and transfer_syntax not in context.transfer_syntaxes:
        raise PeerError(
            f"presentation context {context.id} is accepted with {transfer_syntax[:64]!r}, which was not proposed"
        )
    return ContextResult(
        id=context.id,
        reply=ContextReply(reply) if reply in _KNOWN_REPLIES else ContextReply.NO_REASON,
        abstract_syntax=context.abstract_syntax,
        transfer_syntax=transfer_syntax if reply == ContextReply.ACCEPTED else "",
    )
