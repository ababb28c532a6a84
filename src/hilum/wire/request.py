"""A-ASSOCIATE-RQ: what the requestor proposes.

Byte ranges in comments count from 1 and include the 6-byte PDU header, as the standard's tables do. A body is what
follows that header.

Source: PS3.8 9.3.2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from struct import error as StructError  # noqa: N812, its own name says nothing
from typing import Final

from hilum.errors import LocalError, PeerError
from hilum.wire import items
from hilum.wire.items import SHORT, Item
from hilum.wire.negotiate import ProposedContext, RoleSelection
from hilum.wire.pdu import PDU_HEADER, PduType
from hilum.wire.uids import APPLICATION_CONTEXT, IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

#: 7-74 of A-ASSOCIATE-RQ and -AC, before the items.
FIXED_BYTES: Final = 68


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociateRequest:
    r"""An A-ASSOCIATE-RQ. Text is as received, padding removed, unchecked, with foreign bytes written as ``\xNN``.

    Attributes:
        called: Called AE title.
        calling: Calling AE title.
        contexts: In the order of the proposal; never empty in a received request.
        max_pdu_length: Longest P-DATA-TF PDU that the requestor takes, in bytes without the 6-byte header; 0 = no
            limit, ``None`` = not said. What ``Connection.request`` sends is the connection's own.
        protocol_version: Bit field; only bit 0 has a meaning.
        roles: For proposed SOP classes only.
        common_extended: Service class by SOP class, for proposed SOP classes only.
        user_identity_type: 1-5 if the requestor told who its user is; what it told is not kept.
        echo: Bytes 11-74 exactly as received, for the answer; empty in a request of our own.

    Source: PS3.8 Table 9-11, D.1; PS3.7 D.3.3.
    """

    called: str
    calling: str
    contexts: tuple[ProposedContext, ...]
    application_context: str = APPLICATION_CONTEXT
    max_pdu_length: int | None = None
    implementation_class_uid: str = IMPLEMENTATION_CLASS_UID
    implementation_version_name: str = IMPLEMENTATION_VERSION_NAME
    protocol_version: int = 1
    roles: tuple[RoleSelection, ...] = ()
    common_extended: Mapping[str, str] = field(default_factory=dict)
    user_identity_type: int | None = None
    echo: bytes = b""


def protocol_version(body: bytes) -> int:
    """The bit field, readable whatever a later version puts behind it. Source: PS3.8 Table 9-11."""
    # 7-8  Protocol-version
    version: int = SHORT.unpack_from(body)[0]
    return version


def titles(body: bytes) -> tuple[str, str]:
    """Called and calling AE title. Leading and trailing spaces are not significant. Source: PS3.8 Table 9-11."""
    # 11-26  Called-AE-title, 27-42  Calling-AE-title
    return items.text(body[4:20]), items.text(body[20:36])


def decode_request(body: bytes) -> AssociateRequest:
    """Read an A-ASSOCIATE-RQ of at least ``FIXED_BYTES``. A missing application context is read as ``""``.

    Raises:
        PeerError: It cannot be understood, or no association could follow from it: a length overruns, a context ID is
            even, zero or used twice, there is no presentation context or no user information.

    Source: PS3.8 Table 9-11.
    """
    contexts: dict[int, ProposedContext] = {}
    application_context: str | None = None
    user_information: memoryview | None = None
    for kind, value in items.split(memoryview(body)[FIXED_BYTES:], "the A-ASSOCIATE-RQ"):
        if kind == Item.PROPOSED_CONTEXT:
            context = _decode_context(value)
            if context.id in contexts:
                raise PeerError(f"presentation context ID {context.id} is proposed twice")
            contexts[context.id] = context
        elif kind == Item.APPLICATION_CONTEXT:
            items.only(application_context, "application context item")
            application_context = items.uid(value)
        elif kind == Item.USER_INFORMATION:
            items.only(user_information, "user information item")
            user_information = value
    if not contexts:
        raise PeerError("the A-ASSOCIATE-RQ proposes no presentation context; at least one is required")
    if user_information is None:
        raise PeerError("the A-ASSOCIATE-RQ has no user information item; one is required")
    sop_classes = frozenset(context.abstract_syntax for context in contexts.values())
    user = items.decode_user_information(user_information, sop_classes)
    called, calling = titles(body)
    return AssociateRequest(
        called=called,
        calling=calling,
        contexts=tuple(contexts.values()),
        application_context=application_context or "",
        max_pdu_length=user.max_pdu_length,
        implementation_class_uid=user.implementation_class_uid,
        implementation_version_name=user.implementation_version_name,
        protocol_version=protocol_version(body),
        roles=tuple(user.roles.values()),
        common_extended=user.common_extended,
        user_identity_type=user.user_identity_type,
        echo=body[4:FIXED_BYTES],
    )


def _decode_context(value: memoryview) -> ProposedContext:
    """A context without abstract or transfer syntax can still be answered, namely refused.

    Source: PS3.8 Table 9-13.
    """
    # 5  Presentation-context-ID, 6-8  Reserved, 9-  sub-items
    if len(value) < 4:
        raise PeerError(f"a presentation context item has {len(value)} bytes; at least 4 are needed")
    context_id = value[0]
    if context_id % 2 == 0:
        raise PeerError(f"presentation context ID {context_id} is not an odd number between 1 and 255")
    where = f"presentation context {context_id}"
    abstract_syntax: str | None = None
    transfer_syntaxes: list[str] = []
    for kind, sub_value in items.split(value[4:], where):
        if kind == Item.ABSTRACT_SYNTAX:
            items.only(abstract_syntax, f"abstract syntax in {where}")
            abstract_syntax = items.uid(sub_value)
        elif kind == Item.TRANSFER_SYNTAX:
            transfer_syntaxes.append(items.uid(sub_value))
    return ProposedContext(
        id=context_id, abstract_syntax=abstract_syntax or "", transfer_syntaxes=tuple(transfer_syntaxes)
    )


def encode_request(request: AssociateRequest, *, max_pdu_length: int) -> bytes:
    """An A-ASSOCIATE-RQ.

    Args:
        request: What to propose; ``echo``, ``max_pdu_length`` and ``user_identity_type`` are not used.
        max_pdu_length: Longest P-DATA-TF PDU taken, in bytes without the 6-byte header; 0 = no limit.

    Raises:
        LocalError: There is no context to propose or an ID is not odd or not unique, or a value does not fit its field.

    Source: PS3.8 Table 9-11.
    """
    ids = {context.id for context in request.contexts}
    if len(ids) != len(request.contexts) or not ids or not all(number % 2 for number in ids):
        raise LocalError("an A-ASSOCIATE-RQ needs 1 to 128 presentation contexts, each with an odd ID of its own")
    try:
        body = b"".join(
            (
                SHORT.pack(request.protocol_version),
                b"\0\0",
                _title(request.called),
                _title(request.calling),
                bytes(32),
                items.encode_uid(Item.APPLICATION_CONTEXT, request.application_context),
                *_encode_contexts(request.contexts),
                items.encode_user_information(
                    max_pdu_length=max_pdu_length,
                    implementation_class_uid=request.implementation_class_uid,
                    implementation_version_name=request.implementation_version_name,
                    roles=request.roles,
                    common_extended=request.common_extended,
                ),
            )
        )
    except (ValueError, StructError) as error:
        raise LocalError(f"this A-ASSOCIATE-RQ cannot be encoded: {error}") from error
    return PDU_HEADER.pack(PduType.ASSOCIATE_RQ, len(body)) + body


def _title(title: str) -> bytes:
    value = title.encode("ascii")
    if not 1 <= len(value) <= 16:
        raise ValueError(f"an AE title has 1 to 16 characters, this has {len(value)}")
    return value.ljust(16, b" ")


def _encode_contexts(contexts: Sequence[ProposedContext]) -> list[bytes]:
    return [
        items.encode(
            Item.PROPOSED_CONTEXT,
            bytes((context.id, 0, 0, 0)),
            items.encode_uid(Item.ABSTRACT_SYNTAX, context.abstract_syntax),
            *(items.encode_uid(Item.TRANSFER_SYNTAX, syntax) for syntax in context.transfer_syntaxes),
        )
        for context in contexts
    ]
