"""What is encoded is decoded to the same."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from hilum.wire import (
    AssociateRequest,
    Command,
    CommandField,
    ContextReply,
    ContextResult,
    ProposedContext,
    RoleSelection,
    acceptance,
    decode_command,
    encode_command,
)
from hilum.wire.request import decode_request, encode_request

SHORTS = st.integers(0, 65535)
UIDS = st.lists(st.integers(0, 10**9), min_size=1, max_size=6).map(lambda parts: ".".join(map(str, parts)))
TITLES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=16)
IDS = st.lists(st.integers(0, 127).map(lambda number: 2 * number + 1), min_size=1, max_size=8, unique=True)


@st.composite
def requests(draw: st.DrawFn) -> AssociateRequest:
    contexts = tuple(
        ProposedContext(
            id=number, abstract_syntax=draw(UIDS), transfer_syntaxes=tuple(draw(st.lists(UIDS, min_size=1, max_size=4)))
        )
        for number in draw(IDS)
    )
    classes = sorted({context.abstract_syntax for context in contexts})
    return AssociateRequest(
        called=draw(TITLES),
        calling=draw(TITLES),
        contexts=contexts,
        implementation_class_uid=draw(UIDS),
        implementation_version_name=draw(TITLES),
        protocol_version=draw(SHORTS),
        roles=tuple(
            RoleSelection(sop_class=name, scu=draw(st.booleans()), scp=draw(st.booleans()))
            for name in classes
            if draw(st.booleans())
        ),
        common_extended={name: draw(UIDS) for name in classes if draw(st.booleans())},
    )


@settings(max_examples=80, deadline=None)
@given(requests(), st.integers(0, 0xFFFFFFFF))
def test_a_request_survives_the_wire(request: AssociateRequest, maximum: int) -> None:
    decoded = decode_request(encode_request(request, max_pdu_length=maximum)[6:])

    assert replace(decoded, echo=b"", max_pdu_length=None) == request
    assert decoded.max_pdu_length == maximum


@settings(max_examples=80, deadline=None)
@given(requests(), st.data())
def test_an_acceptance_survives_the_wire(request: AssociateRequest, data: st.DataObject) -> None:
    request = decode_request(encode_request(request, max_pdu_length=0)[6:])
    results = []
    for context in request.contexts:
        reply = data.draw(st.sampled_from(ContextReply))
        syntax = data.draw(st.sampled_from(context.transfer_syntaxes)) if reply is ContextReply.ACCEPTED else ""
        results.append(
            ContextResult(id=context.id, reply=reply, abstract_syntax=context.abstract_syntax, transfer_syntax=syntax)
        )

    encoded = acceptance.encode(request, results, request.roles, max_pdu_length=4096)
    decoded = acceptance.decode(encoded[6:], request.contexts)

    assert decoded.results == tuple(results)
    assert decoded.max_pdu_length == 4096
    assert encoded[10:74] == request.echo


OPTIONAL_UIDS = st.one_of(st.just(""), UIDS)
COMMENTS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters="\\"), max_size=64).map(
    lambda text: text.strip(" ")
)
REQUESTS = st.builds(
    Command,
    field=st.sampled_from([CommandField.C_ECHO_RQ, 0x0020, 0x0140]),
    message_id=SHORTS,
    sop_class=OPTIONAL_UIDS,
    sop_instance=OPTIONAL_UIDS,
    has_data=st.booleans(),
)
STORES = st.builds(
    Command,
    field=st.just(CommandField.C_STORE_RQ),
    message_id=SHORTS,
    sop_class=OPTIONAL_UIDS,
    sop_instance=OPTIONAL_UIDS,
    priority=SHORTS,
    has_data=st.booleans(),
    move_originator=st.one_of(st.just(""), TITLES),
    move_originator_id=st.one_of(st.none(), SHORTS),
)
RESPONSES = st.builds(
    Command,
    field=st.integers(0x8000, 0xFFFF),
    responded_to=SHORTS,
    sop_class=OPTIONAL_UIDS,
    sop_instance=OPTIONAL_UIDS,
    status=SHORTS,
    comment=COMMENTS,
    has_data=st.booleans(),
)


@settings(max_examples=200, deadline=None)
@given(st.one_of(REQUESTS, STORES, RESPONSES))
def test_a_command_set_survives_the_wire(command: Command) -> None:
    encoded = encode_command(command)

    assert decode_command(encoded) == command
    assert len(encoded) % 2 == 0
