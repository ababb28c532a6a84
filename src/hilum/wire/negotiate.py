"""Which presentation contexts and roles an acceptor grants: values in, values out.

Source: PS3.8 7.1.1.13, 7.1.1.14; PS3.7 D.3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Final

from hilum.wire.uids import (
    EXPLICIT_BE,
    EXPLICIT_LE,
    IMPLICIT_LE,
    STORAGE_SERVICE_CLASS,
    VERIFICATION,
    is_storage,
    is_uid,
)

_NO_SERVICE_CLASSES: Final[Mapping[str, str]] = MappingProxyType({})


class ContextReply(IntEnum):
    """What the acceptor says to one proposed presentation context. Source: PS3.8 Table 9-18."""

    ACCEPTED = 0
    USER_REJECTION = 1
    NO_REASON = 2
    ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
    TRANSFER_SYNTAXES_NOT_SUPPORTED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedContext:
    """One presentation context of an A-ASSOCIATE-RQ, as received: the UIDs are unchecked text.

    Attributes:
        id: Odd, 1-255, unique within the association.
        transfer_syntaxes: In the order of the proposal, which is the requestor's preference; may be empty.

    Source: PS3.8 9.3.2.2.
    """

    id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextResult:
    """What became of one proposed presentation context.

    Attributes:
        id: Of the proposed context.
        abstract_syntax: Of the proposed context; the A-ASSOCIATE-AC does not repeat it.
        transfer_syntax: The one agreed on; ``""`` unless accepted.

    Source: PS3.8 9.3.3.2.
    """

    id: int
    reply: ContextReply
    abstract_syntax: str
    transfer_syntax: str

    @property
    def accepted(self) -> bool:
        """Whether messages may be sent on this context."""
        return self.reply is ContextReply.ACCEPTED


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleSelection:
    """Which roles the requestor wants to play (in a request) or may play (in an answer) for one SOP class.

    Source: PS3.7 D.3.3.4.
    """

    sop_class: str
    scu: bool
    scp: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NegotiationPolicy:
    """What the operator decides about presentation contexts.

    Attributes:
        verification: Whether C-ECHO is served.
        verification_transfer_syntaxes: Acceptable for it, in any order: the peer's order decides.
    """

    verification: bool
    verification_transfer_syntaxes: tuple[str, ...] = (IMPLICIT_LE, EXPLICIT_LE, EXPLICIT_BE)


def negotiate(
    proposed: Sequence[ProposedContext],
    policy: NegotiationPolicy,
    *,
    common: Mapping[str, str] = _NO_SERVICE_CLASSES,
) -> tuple[ContextResult, ...]:
    """Judge each proposed context by itself.

    A storage context gets the first transfer syntax that its proposer lists, whatever that is: data sets are kept as
    bytes, so there is none that could not be.

    Args:
        proposed: In the order of the proposal.
        policy: What the operator decided.
        common: Service class by SOP class, from SOP Class Common Extended Negotiation; makes a SOP class that nobody
            has heard of a storage class.

    Returns:
        One result for each proposed context, in the same order.

    Source: PS3.8 7.1.1.14, 9.3.3.2; PS3.7 D.3.3.6.
    """
    return tuple(_judge(context, policy, common) for context in proposed)


def _judge(context: ProposedContext, policy: NegotiationPolicy, common: Mapping[str, str]) -> ContextResult:
    sop_class = context.abstract_syntax
    if sop_class == VERIFICATION and policy.verification:
        wanted = (uid for uid in context.transfer_syntaxes if uid in policy.verification_transfer_syntaxes)
    elif sop_class != VERIFICATION and (is_storage(sop_class) or _is_declared_storage(sop_class, common)):
        wanted = (uid for uid in context.transfer_syntaxes if is_uid(uid))
    else:
        return _result(context, ContextReply.ABSTRACT_SYNTAX_NOT_SUPPORTED)
    transfer_syntax = next(wanted, None)
    if transfer_syntax is None:
        return _result(context, ContextReply.TRANSFER_SYNTAXES_NOT_SUPPORTED)
    return _result(context, ContextReply.ACCEPTED, transfer_syntax)


def _result(context: ProposedContext, reply: ContextReply, transfer_syntax: str = "") -> ContextResult:
    return ContextResult(
        id=context.id, reply=reply, abstract_syntax=context.abstract_syntax, transfer_syntax=transfer_syntax
    )


def _is_declared_storage(sop_class: str, common: Mapping[str, str]) -> bool:
    return common.get(sop_class) == STORAGE_SERVICE_CLASS and is_uid(sop_class)


def grant_roles(proposed: Sequence[RoleSelection], results: Sequence[ContextResult]) -> tuple[RoleSelection, ...]:
    """Answer the role proposals for SOP classes of which a context was accepted.

    The requestor may be SCU if it asked to be, and never SCP: Hilum asks nobody for instances.

    Source: PS3.7 D.3.3.4.
    """
    accepted = {result.abstract_syntax for result in results if result.accepted}
    return tuple(
        RoleSelection(sop_class=role.sop_class, scu=role.scu, scp=False)
        for role in proposed
        if role.sop_class in accepted
    )
