from typing import Any

import pytest

from hilum.wire import ContextReply, NegotiationPolicy, ProposedContext, RoleSelection, negotiate
from hilum.wire.negotiate import grant_roles
from unit.wire import raw

OPEN = NegotiationPolicy(verification=True)


def judge(abstract: str, *transfer: str, policy: NegotiationPolicy = OPEN, **kwargs: Any) -> tuple[ContextReply, str]:
    proposed = ProposedContext(id=1, abstract_syntax=abstract, transfer_syntaxes=transfer)
    [result] = negotiate([proposed], policy, **kwargs)
    assert (result.id, result.abstract_syntax) == (1, abstract)
    assert result.accepted == (result.reply is ContextReply.ACCEPTED) == bool(result.transfer_syntax)
    return result.reply, result.transfer_syntax


@pytest.mark.parametrize("transfer", ["1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.2", "1.2.3.4.5.6.7"])
def test_a_storage_context_gets_the_first_transfer_syntax_proposed_whatever_it_is(transfer: str) -> None:
    assert judge(raw.CT, transfer, raw.IMPLICIT) == (ContextReply.ACCEPTED, transfer)


def test_text_that_is_no_uid_is_never_chosen() -> None:
    assert judge(raw.CT, "../x", "1." * 40, "", raw.IMPLICIT) == (ContextReply.ACCEPTED, raw.IMPLICIT)
    assert judge(raw.CT, "../x") == (ContextReply.TRANSFER_SYNTAXES_NOT_SUPPORTED, "")
    assert judge(raw.CT) == (ContextReply.TRANSFER_SYNTAXES_NOT_SUPPORTED, "")


def test_verification_gets_the_first_transfer_syntax_proposed_that_is_allowed() -> None:
    assert judge(raw.ECHO, raw.JPEG2000, raw.EXPLICIT, raw.IMPLICIT) == (ContextReply.ACCEPTED, raw.EXPLICIT)
    only = NegotiationPolicy(verification=True, verification_transfer_syntaxes=(raw.IMPLICIT,))
    assert judge(raw.ECHO, raw.EXPLICIT, raw.IMPLICIT, policy=only) == (ContextReply.ACCEPTED, raw.IMPLICIT)
    assert judge(raw.ECHO, raw.EXPLICIT, policy=only) == (ContextReply.TRANSFER_SYNTAXES_NOT_SUPPORTED, "")


def test_disabled_verification_is_refused_and_storage_beside_it_is_not() -> None:
    closed = NegotiationPolicy(verification=False)
    proposed = [
        ProposedContext(id=1, abstract_syntax=raw.ECHO, transfer_syntaxes=(raw.IMPLICIT,)),
        ProposedContext(id=3, abstract_syntax=raw.CT, transfer_syntaxes=(raw.IMPLICIT,)),
    ]
    assert [result.reply for result in negotiate(proposed, closed)] == [3, 0]
    assert judge(raw.ECHO, raw.IMPLICIT, policy=closed, common={raw.ECHO: "1.2.840.10008.4.2"})[0] == 3


@pytest.mark.parametrize("service", [raw.FIND, "1.2.840.10008.5.1.4.1.2.2.2", "1.2.840.10008.1.20.1", "", "no uid"])
def test_other_services_are_refused(service: str) -> None:
    assert judge(service, raw.IMPLICIT) == (ContextReply.ABSTRACT_SYNTAX_NOT_SUPPORTED, "")


def test_a_class_is_storage_if_the_peer_declares_it_so() -> None:
    new = "1.2.840.10008.5.1.4.99.1"
    assert judge(new, raw.IMPLICIT, common={new: "1.2.840.10008.4.2"})[0] is ContextReply.ACCEPTED
    assert judge(new, raw.IMPLICIT, common={new: "1.2.840.10008.4.3"})[0] is not ContextReply.ACCEPTED
    assert judge(new, raw.IMPLICIT, common={raw.CT: "1.2.840.10008.4.2"})[0] is not ContextReply.ACCEPTED
    assert judge("../x", raw.IMPLICIT, common={"../x": "1.2.840.10008.4.2"})[0] is not ContextReply.ACCEPTED


def test_roles_are_granted_for_accepted_classes_only_and_never_that_of_a_provider() -> None:
    results = negotiate(
        [
            ProposedContext(id=1, abstract_syntax=raw.CT, transfer_syntaxes=(raw.IMPLICIT,)),
            ProposedContext(id=3, abstract_syntax=raw.FIND, transfer_syntaxes=(raw.IMPLICIT,)),
        ],
        OPEN,
    )
    proposed = [RoleSelection(sop_class=name, scu=True, scp=True) for name in (raw.CT, raw.FIND, raw.MR)]
    assert grant_roles(proposed, results) == (RoleSelection(sop_class=raw.CT, scu=True, scp=False),)
