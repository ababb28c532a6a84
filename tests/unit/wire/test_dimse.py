from io import BytesIO
from typing import Any

import pytest
from pynetdicom.dimse_messages import C_ECHO_RSP, C_STORE_RQ, C_STORE_RSP
from pynetdicom.dimse_primitives import C_ECHO, C_STORE
from pynetdicom.dsutils import decode, encode

from hilum.errors import LocalError, PeerError
from hilum.model import Answer
from hilum.wire import (
    Command,
    CommandField,
    Status,
    decode_command,
    echo_request,
    echo_response,
    encode_command,
    response,
    store_request,
    store_response,
)
from unit.wire import raw

STORE = store_request(9, sop_class=raw.CT, sop_instance="1.2.3.4.5")


def theirs(message: Any, primitive: Any) -> bytes:
    message.primitive_to_message(primitive)
    return encode(message.command_set, True, True)


def test_a_store_request_is_encoded_as_pynetdicom_does() -> None:
    primitive = C_STORE()
    primitive.MessageID = 9
    primitive.AffectedSOPClassUID = raw.CT
    primitive.AffectedSOPInstanceUID = "1.2.3.4.5"
    primitive.Priority = 1
    primitive.MoveOriginatorApplicationEntityTitle = "MOVER"
    primitive.MoveOriginatorMessageID = 77
    primitive.DataSet = BytesIO(b"some")
    ours = store_request(
        9, sop_class=raw.CT, sop_instance="1.2.3.4.5", priority=1, move_originator="MOVER", move_originator_id=77
    )
    assert encode_command(ours) == theirs(C_STORE_RQ(), primitive)


def test_a_store_response_is_encoded_as_pynetdicom_does() -> None:
    primitive = C_STORE()
    primitive.MessageIDBeingRespondedTo = 9
    primitive.AffectedSOPClassUID = raw.CT
    primitive.AffectedSOPInstanceUID = "1.2.3.4.5"
    primitive.Status = 0xA700
    primitive.ErrorComment = "no space left"
    ours = store_response(STORE, Answer(status=Status.OUT_OF_RESOURCES, comment="no space left"))
    assert encode_command(ours) == theirs(C_STORE_RSP(), primitive)


@pytest.mark.parametrize("message_id", [0, 1, 65535])
def test_an_echo_response_is_encoded_as_pynetdicom_does(message_id: int) -> None:
    primitive = C_ECHO()
    primitive.MessageIDBeingRespondedTo = message_id
    primitive.AffectedSOPClassUID = raw.ECHO
    primitive.Status = 0
    assert encode_command(echo_response(echo_request(message_id))) == theirs(C_ECHO_RSP(), primitive)


def test_requests_are_encoded_as_the_standards_tables_say() -> None:
    assert encode_command(echo_request(7)) == raw.echo_rq(7)
    assert encode_command(STORE) == raw.store_rq(9)


def test_pynetdicoms_reader_finds_the_group_length_right_and_the_tags_ascending() -> None:
    encoded = encode_command(store_response(STORE, Answer(status=0xC000, comment="odd")))
    elements = decode(BytesIO(encoded), True, True)
    assert elements.CommandGroupLength == len(encoded) - 12
    tags = [element.tag for element in elements]
    assert tags == sorted(tags)


@pytest.mark.parametrize(
    "command",
    [
        echo_request(65535),
        echo_response(echo_request(0)),
        STORE,
        store_response(STORE, Answer(status=0x0122, comment="SOP class is not that of the context")),
        response(Command(field=0x0140, message_id=3), Status.UNRECOGNIZED_OPERATION),
        Command(field=CommandField.C_CANCEL_RQ, responded_to=5),
    ],
    ids=lambda command: f"{command.field:04X}",
)
def test_what_is_encoded_is_decoded_to_the_same(command: Command) -> None:
    assert decode_command(encode_command(command)) == command


def test_the_response_to_an_unknown_request_has_its_field_with_the_response_bit() -> None:
    answer = response(Command(field=0x0140, message_id=3), Status.UNRECOGNIZED_OPERATION)
    assert (answer.field, answer.responded_to, answer.status) == (0x8140, 3, 0x0211)
    assert answer.is_response
    assert not STORE.is_response


def test_a_comment_is_cut_to_64_characters_and_holds_one_value() -> None:
    answer = store_response(STORE, Answer(status=0xC000, comment="a\\b" + "x" * 100))
    assert decode_command(encode_command(answer)).comment == "a/b" + "x" * 61


def test_a_comment_in_another_script_does_not_stop_the_answer() -> None:
    answer = store_response(STORE, Answer(status=0xC000, comment="voll: Größe"))
    assert decode_command(encode_command(answer)).comment == "voll: Gr??e"


@pytest.mark.parametrize(
    "command", [Command(field=65536), Command(field=1, message_id=-1), Command(field=1, sop_class="1.2.é")], ids=repr
)
def test_a_command_that_cannot_be_encoded_is_our_own_fault(command: Command) -> None:
    with pytest.raises(LocalError, match="cannot be encoded"):
        encode_command(command)


def test_order_group_length_padding_and_unknown_elements_do_not_matter() -> None:
    data = b"".join(
        (
            raw.element(0x1000, b"1.2.3\0"),
            raw.element(0x5120, b"retired "),
            raw.element(0x0800, 0x0102),
            raw.element(0x0110, 4),
            raw.element(0x0100, 1),
            raw.element(0x0002, b"1.2 "),
            raw.element(0x0000, b"\xff\xff\xff\xff"),
        )
    )
    assert decode_command(data) == Command(field=1, message_id=4, sop_class="1.2", sop_instance="1.2.3", has_data=True)


def test_missing_uids_are_left_to_the_service() -> None:
    command = decode_command(raw.command_set(raw.element(0x0100, 1), raw.element(0x0110, 4), raw.element(0x0800, 1)))
    assert (command.sop_class, command.sop_instance) == ("", "")


def test_foreign_bytes_are_made_visible() -> None:
    data = raw.command_set(
        raw.element(0x0100, 1), raw.element(0x0110, 4), raw.element(0x0800, 1), raw.element(0x1000, b"\xff\x00\xe9\x41")
    )
    assert decode_command(data).sop_instance == "\\xff\0\\xe9A"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(raw.echo_rq()[:-1], id="cut value"),
        pytest.param(raw.echo_rq() + b"\0", id="cut header"),
        pytest.param(raw.command_set(raw.element(0x0110, 1), raw.element(0x0800, 0x0101)), id="no command field"),
        pytest.param(raw.command_set(raw.element(0x0100, 0x30), raw.element(0x0110, 1)), id="no data set type"),
        pytest.param(raw.command_set(raw.element(0x0100, 0x30), raw.element(0x0800, 0x0101)), id="no message ID"),
        pytest.param(raw.echo_rq() + raw.element(0x0900, b"\0\0\0\0"), id="long status"),
        pytest.param(raw.echo_rq() + raw.element(0x0010, b"12", group=8), id="group 0008"),
        pytest.param(b"\0\0\2\0UI\4\x001.2\0" + raw.echo_rq(), id="explicit VR"),
        pytest.param(b"\0\0\0\1\xff\xff\xff\xff" + raw.echo_rq(), id="length of 4 GiB"),
    ],
)
def test_a_malformed_command_set_is_the_peers_fault(data: bytes) -> None:
    with pytest.raises(PeerError):
        decode_command(data)
