"""What an A-ASSOCIATE-RQ may look like, read by a real acceptor."""

import struct
from dataclasses import replace
from typing import Any

import pytest
from pydicom.uid import UID
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
)
from pynetdicom.presentation import build_context, build_role

from hilum.wire import Aborted, AssociateRequest, AssociateRequested, ContextReply, RoleSelection
from hilum.wire.request import decode_request, encode_request
from unit.wire import raw
from unit.wire.transcript import PROPOSAL, acceptor, accepts, hears, play


def read(*items: bytes, **kwargs: Any) -> AssociateRequest:
    [event] = acceptor().receive(memoryview(raw.associate_rq(*items, **kwargs)))
    assert isinstance(event, AssociateRequested), event
    return event.request


def replies(*items: bytes) -> dict[int, int]:
    connection = acceptor()
    connection.receive(memoryview(raw.associate_rq(*items)))
    accepts(connection)
    [sent] = connection.data_to_send()
    found, position = {}, 74
    while position < len(sent):
        kind, length = struct.unpack_from(">BxH", sent, position)
        if kind == 0x21:
            found[sent[position + 4]] = sent[position + 6]
        position += 4 + length
    return found


def test_everything_is_read() -> None:
    # What is said about MR is dropped: it is not proposed.
    role, other_role = (raw.item(0x54, struct.pack(">H", len(name)), name, b"\1\1") for name in (raw.CT, raw.MR))
    common, other_common = (
        raw.item(0x57, struct.pack(">H", len(name)), name, struct.pack(">H", 5), b"1.2.3", b"\0\0")
        for name in (raw.CT, raw.MR)
    )
    identity = raw.item(0x58, b"\2\1", struct.pack(">H", 3), b"bob", struct.pack(">H", 6), b"secret")
    user = raw.user(
        raw.maximum(4096),
        raw.item(0x52, "1.2.3.4"),
        role,
        other_role,
        raw.item(0x55, "RAW"),
        common,
        other_common,
        identity,
    )

    request = read(raw.APPLICATION, *raw.CONTEXTS, user)

    assert request == AssociateRequest(
        called="HILUM",
        calling="MODALITY",
        contexts=PROPOSAL.contexts,
        max_pdu_length=4096,
        implementation_class_uid="1.2.3.4",
        implementation_version_name="RAW",
        roles=(RoleSelection(sop_class=raw.CT, scu=True, scp=True),),
        common_extended={raw.CT: "1.2.3"},
        user_identity_type=2,
        echo=raw.TITLES,
    )
    assert "secret" not in repr(request)


def test_what_is_encoded_is_decoded_to_the_same() -> None:
    request = AssociateRequest(
        called="A B",
        calling="X" * 16,
        contexts=PROPOSAL.contexts,
        roles=(RoleSelection(sop_class=raw.CT, scu=True, scp=False),),
        common_extended={raw.ECHO: "1.2"},
    )
    decoded = decode_request(encode_request(request, max_pdu_length=1000)[6:])

    assert replace(decoded, echo=b"", max_pdu_length=None) == request
    assert decoded.max_pdu_length == 1000


def test_a_request_is_encoded_and_read_as_pynetdicom_does() -> None:
    theirs = A_ASSOCIATE()
    theirs.application_context_name = raw.APPLICATION_CONTEXT
    theirs.called_ae_title, theirs.calling_ae_title = "HILUM", "MODALITY"
    contexts = [build_context(raw.ECHO, raw.IMPLICIT), build_context(raw.CT, [raw.JPEG2000, raw.EXPLICIT])]
    for number, context in enumerate(contexts):
        context.context_id = 2 * number + 1
    theirs.presentation_context_definition_list = contexts
    maximum = MaximumLengthNotification()
    maximum.maximum_length_received = 65536
    implementation, version = ImplementationClassUIDNotification(), ImplementationVersionNameNotification()
    implementation.implementation_class_uid = UID(PROPOSAL.implementation_class_uid)
    version.implementation_version_name = PROPOSAL.implementation_version_name
    role = RoleSelection(sop_class=raw.CT, scu=True, scp=False)
    theirs.user_information = [maximum, implementation, build_role(raw.CT, scu_role=True), version]
    encoded = A_ASSOCIATE_RQ(theirs).encode()
    ours = replace(PROPOSAL, roles=(role,))

    assert encode_request(ours, max_pdu_length=65536) == encoded
    assert replace(decode_request(encoded[6:]), echo=b"", max_pdu_length=None) == ours


@pytest.mark.parametrize(
    ("called", "expected"),
    [(b"  HILUM         ", "HILUM"), (bytes(b" " * 16), ""), (b"A\\B\n\x80           ", "A\\B\n\\x80")],
)
def test_titles_are_stripped_of_spaces_and_otherwise_left_to_admission(called: bytes, expected: str) -> None:
    assert read(titles=called + raw.TITLES[16:]).called == expected


def test_items_in_any_order_are_read() -> None:
    request = read(raw.USER, raw.CONTEXTS[1], raw.APPLICATION, raw.CONTEXTS[0])
    assert [context.id for context in request.contexts] == [3, 1]
    assert request.max_pdu_length == 16384


def test_unknown_items_and_sub_items_are_read_over() -> None:
    unknown = raw.item(0x99, b"abc")
    context = raw.item(0x20, b"\1\0\0\0", unknown, raw.item(0x30, raw.ECHO), raw.item(0x40, raw.IMPLICIT), unknown)
    user = raw.user(raw.item(0x5F, b"abc"), raw.maximum(16384), raw.item(0x53, b"\0\5\0\5"), raw.item(0x56, b"\0\0"))
    request = read(unknown, raw.APPLICATION, context, user, unknown)
    assert (len(request.contexts), request.max_pdu_length) == (1, 16384)


def test_padded_uids_are_read_without_their_padding() -> None:
    request = read(raw.APPLICATION, raw.context(1, raw.ECHO + "\0", raw.IMPLICIT + "\0", raw.EXPLICIT + " "), raw.USER)
    [context] = request.contexts
    assert (context.abstract_syntax, context.transfer_syntaxes) == (raw.ECHO, (raw.IMPLICIT, raw.EXPLICIT))


def test_128_contexts_of_40_transfer_syntaxes_are_all_answered() -> None:
    syntaxes = [f"{raw.JPEG2000}.{number}" for number in range(40)]
    contexts = [raw.context(number, raw.CT, *syntaxes) for number in range(1, 257, 2)]
    assert replies(raw.APPLICATION, *contexts, raw.USER) == dict.fromkeys(range(1, 257, 2), 0)


def test_as_many_transfer_syntaxes_as_anybody_needs_are_read() -> None:
    assert replies(raw.APPLICATION, raw.context(1, raw.CT, *["x"] * 500, raw.IMPLICIT), raw.USER) == {1: 0}


def test_contexts_that_cannot_be_served_are_refused_one_by_one() -> None:
    assert replies(
        raw.APPLICATION,
        raw.context(1, "1." + "2" * 64, raw.IMPLICIT),
        raw.context(3, raw.CT),
        raw.item(0x20, b"\5\0\0\0", raw.item(0x40, raw.IMPLICIT)),
        raw.context(7, raw.FIND, raw.IMPLICIT),
        raw.context(9, raw.CT, "not a UID"),
        raw.item(0x20, b"\x0b\0\0\0"),
        raw.context(13, raw.CT, raw.IMPLICIT),
        raw.context(15, raw.CT, raw.EXPLICIT),
        raw.USER,
    ) == {1: 3, 3: 4, 5: 3, 7: 3, 9: 4, 11: 3, 13: 0, 15: 0}


@pytest.mark.parametrize(
    "items",
    [
        pytest.param([raw.APPLICATION, raw.USER], id="no context"),
        pytest.param([raw.APPLICATION, *raw.CONTEXTS], id="no user information"),
        pytest.param([raw.APPLICATION, raw.context(2, raw.CT, raw.IMPLICIT), raw.USER], id="even context"),
        pytest.param([raw.APPLICATION, raw.context(0, raw.CT, raw.IMPLICIT), raw.USER], id="context 0"),
        pytest.param([raw.APPLICATION, raw.CONTEXTS[0], raw.CONTEXTS[0], raw.USER], id="context twice"),
        pytest.param([raw.APPLICATION, raw.item(0x20, b"\1\0\0"), raw.USER], id="short context"),
        pytest.param([raw.APPLICATION, raw.APPLICATION, *raw.CONTEXTS, raw.USER], id="application context twice"),
        pytest.param([raw.APPLICATION, *raw.CONTEXTS, raw.USER, raw.USER], id="user information twice"),
        pytest.param(
            [raw.APPLICATION, raw.item(0x20, b"\1\0\0\0", raw.item(0x30, raw.CT), raw.item(0x30, raw.MR)), raw.USER],
            id="two abstract syntaxes",
        ),
        pytest.param([raw.APPLICATION, *raw.CONTEXTS, raw.user(raw.maximum(1), raw.maximum(1))], id="maximum twice"),
        pytest.param([raw.APPLICATION, *raw.CONTEXTS, raw.user(raw.item(0x51, b"\0\0\1"))], id="short maximum"),
        pytest.param([raw.APPLICATION, *raw.CONTEXTS, raw.USER, b"\x50\0\xff\xff"], id="item overrun"),
        pytest.param([raw.APPLICATION, *raw.CONTEXTS, raw.USER, b"\x99\0\0"], id="cut item header"),
        pytest.param([raw.APPLICATION, raw.item(0x20, b"\1\0\0\0\x30\0\xff\xff"), raw.USER], id="sub-item overrun"),
        pytest.param([raw.APPLICATION, raw.item(0x20, b"\1\0\0\0", b"\x40\0\xff\xff" * 16000), raw.USER], id="S07"),
        pytest.param([raw.APPLICATION, raw.item(0x20, b"\1\0\0\0", b"\x40\0\0\0" * 513), raw.USER], id="513 empty"),
        pytest.param([raw.APPLICATION, *raw.CONTEXTS, raw.user(b"\x54\0\0\4\0\0\0\0" * 513)], id="513 roles"),
        pytest.param([raw.APPLICATION, *raw.CONTEXTS, raw.USER, b"\x99\0\0\0" * 200_000], id="200000 unknown"),
        pytest.param([raw.APPLICATION, *raw.CONTEXTS, raw.user(b"\x5f\0\0\1")], id="user sub-item overrun"),
        pytest.param([raw.APPLICATION, *raw.CONTEXTS, raw.user(raw.item(0x54, b"\0"))], id="cut role"),
        pytest.param([raw.APPLICATION, *raw.CONTEXTS, raw.user(raw.item(0x54, b"\0\5", b"1.2"))], id="role overrun"),
        pytest.param([raw.APPLICATION, *raw.CONTEXTS, raw.user(raw.item(0x54, b"\0\3", b"1.2\1"))], id="one role"),
        pytest.param([raw.APPLICATION, *raw.CONTEXTS, raw.user(raw.item(0x57, b"\0\3", b"1.2\0"))], id="cut common"),
    ],
)
def test_what_cannot_be_understood_is_aborted(items: list[bytes]) -> None:
    play(acceptor(), (hears(raw.associate_rq(*items)), [Aborted, raw.abort(2, 6)]))


def test_an_unknown_class_declared_as_storage_is_accepted() -> None:
    new = "1.2.840.10008.5.1.4.99.1"
    context = raw.context(1, new, raw.IMPLICIT)
    common = raw.item(0x57, struct.pack(">H", len(new)), new, struct.pack(">H", 17), "1.2.840.10008.4.2", b"\0\0")
    assert replies(raw.APPLICATION, context, raw.user(raw.maximum(0), common)) == {1: ContextReply.ACCEPTED}
    assert replies(raw.APPLICATION, context, raw.USER) == {1: ContextReply.ABSTRACT_SYNTAX_NOT_SUPPORTED}


@pytest.mark.parametrize(("proposed", "granted"), [(b"\1\1", b"\1\0"), (b"\1\0", b"\1\0"), (b"\0\1", b"\0\0")])
def test_the_scp_role_is_never_granted(proposed: bytes, granted: bytes) -> None:
    def role(sop_class: str, roles: bytes) -> bytes:
        return raw.item(0x54, struct.pack(">H", len(sop_class)), sop_class, roles)

    user = raw.user(raw.maximum(0), role(raw.CT, proposed), role(raw.FIND, proposed), role(raw.MR, proposed))
    connection = acceptor()
    rq = raw.associate_rq(raw.APPLICATION, *raw.CONTEXTS, raw.context(5, raw.FIND, raw.IMPLICIT), user)
    play(connection, (hears(rq), AssociateRequested))
    accepts(connection)
    [sent] = connection.data_to_send()

    assert role(raw.CT, granted) in sent
    assert sent.count(b"\x54\0") == 1


def test_no_role_and_no_window_are_answered_unasked() -> None:
    connection = acceptor()
    user = raw.user(raw.maximum(16384), raw.item(0x53, b"\0\0\0\0"), raw.item(0x58, b"\1\1\0\3bob\0\0"))
    play(connection, (hears(raw.associate_rq(raw.APPLICATION, *raw.CONTEXTS, user)), AssociateRequested))
    accepts(connection)
    [sent] = connection.data_to_send()
    user_information = sent[sent.rindex(b"\x50\0") :]
    kinds, position = [], 4
    while position < len(user_information):
        kind, length = struct.unpack_from(">BxH", user_information, position)
        kinds.append(kind)
        position += 4 + length
    assert kinds == [0x51, 0x52, 0x55]


def test_a_real_requestor_of_pynetdicom_understands_the_answer() -> None:
    connection = acceptor()
    play(connection, (hears(raw.associate_rq()), AssociateRequested))
    accepts(connection)
    answer = A_ASSOCIATE_AC()
    answer.decode(b"".join(connection.data_to_send()))
    primitive = answer.to_primitive()

    assert [context.result for context in primitive.presentation_context_definition_results_list] == [0, 0]
    assert primitive.maximum_length_received == 131072
    assert answer.user_information.implementation_version_name == "HILUM_0_1"
