"""DIMSE command sets: the small Implicit VR Little Endian messages that say what is wanted and how it went.

Only the elements that verification and storage need are kept; others are read over.

Source: PS3.7 6.3, 9.1.1, 9.1.5, 9.3, E.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from struct import error as StructError  # noqa: N812, its own name says nothing
from typing import Final

from hilum.errors import LocalError, PeerError
from hilum.model import Answer
from hilum.wire.uids import VERIFICATION

#: Longest command set read, in bytes. A C-STORE-RQ has about 200; nothing legitimate comes near.
MAX_COMMAND_BYTES: Final = 64 * 1024

_RESPONSE_BIT: Final = 0x8000
_NO_DATA_SET: Final = 0x0101
_SOME_DATA_SET: Final = 0x0001


class CommandField(IntEnum):
    """The command fields that are acted on. Source: PS3.7 Table E.1-1, (0000,0100)."""

    C_STORE_RQ = 0x0001
    C_STORE_RSP = 0x8001
    C_ECHO_RQ = 0x0030
    C_ECHO_RSP = 0x8030
    C_CANCEL_RQ = 0x0FFF


class Status(IntEnum):
    """The statuses that are sent or told apart. Source: PS3.4 Table B.2-1; PS3.7 C."""

    SUCCESS = 0x0000
    INVALID_SOP_INSTANCE = 0x0117
    SOP_CLASS_NOT_SUPPORTED = 0x0122
    NOT_AUTHORIZED = 0x0124
    DUPLICATE_INVOCATION = 0x0210
    UNRECOGNIZED_OPERATION = 0x0211
    MISTYPED_ARGUMENT = 0x0212
    OUT_OF_RESOURCES = 0xA700
    DATA_SET_MISMATCH = 0xA900
    COERCION_OF_DATA_ELEMENTS = 0xB000
    ELEMENTS_DISCARDED = 0xB006
    DATA_SET_MISMATCH_WARNING = 0xB007
    CANNOT_UNDERSTAND = 0xC000


class Priority(IntEnum):
    """(0000,0700); any value is taken from peers. Source: PS3.7 Table 9.3-1."""

    MEDIUM = 0x0000
    HIGH = 0x0001
    LOW = 0x0002


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command set. Text is as received, padding removed, unchecked; ``""`` where the element is absent or empty.

    Attributes:
        field: (0000,0100); not always one of ``CommandField``.
        message_id: (0000,0110), 0-65535; 0 in responses, which have none.
        responded_to: (0000,0120); ``None`` in requests.
        sop_class: (0000,0002).
        sop_instance: (0000,1000).
        status: (0000,0900); ``None`` in requests.
        comment: (0000,0902); the first 64 characters are sent.
        priority: (0000,0700).
        has_data: Whether a data set follows on the same presentation context; from (0000,0800).
        move_originator: (0000,1030), the AE that asked a third one to send this by C-MOVE.
        move_originator_id: (0000,1031).

    Source: PS3.7 Tables 9.3-1, 9.3-2, 9.3-12, 9.3-13.
    """

    field: int
    message_id: int = 0
    responded_to: int | None = None
    sop_class: str = ""
    sop_instance: str = ""
    status: int | None = None
    comment: str = ""
    priority: int = Priority.MEDIUM
    has_data: bool = False
    move_originator: str = ""
    move_originator_id: int | None = None

    @property
    def is_response(self) -> bool:
        """Whether this answers a request. Source: PS3.7 E.1."""
        return bool(self.field & _RESPONSE_BIT)


_ELEMENT: Final = Struct("<HHI")
_SHORT_ELEMENT: Final = Struct("<HHIH")
_SHORT: Final = Struct("<H")
_LONG: Final = Struct("<I")

# Element numbers of group 0000. Source: PS3.7 Table E.1-1.
_GROUP_LENGTH: Final = 0x0000
_SOP_CLASS: Final = 0x0002
_FIELD: Final = 0x0100
_MESSAGE_ID: Final = 0x0110
_RESPONDED_TO: Final = 0x0120
_PRIORITY: Final = 0x0700
_DATA_SET_TYPE: Final = 0x0800
_STATUS: Final = 0x0900
_COMMENT: Final = 0x0902
_SOP_INSTANCE: Final = 0x1000
_MOVE_ORIGINATOR: Final = 0x1030
_MOVE_ORIGINATOR_ID: Final = 0x1031


def encode_command(command: Command) -> bytes:
    """The command set in Implicit VR Little Endian, ascending, with its group length.

    Raises:
        LocalError: A value cannot be encoded: a number outside 0-65535, or text that is not ASCII.

    Source: PS3.7 6.3.1.
    """
    try:
        body = b"".join(_elements(command))
    except (ValueError, StructError) as error:
        raise LocalError(f"this command set cannot be encoded: {error}") from error
    return _element(_GROUP_LENGTH, _LONG.pack(len(body))) + body


def _elements(command: Command) -> Iterator[bytes]:
    """In ascending order."""
    if command.sop_class:
        yield _element(_SOP_CLASS, _padded(command.sop_class, b"\0"))
    yield _number(_FIELD, command.field)
    if not command.is_response and command.field != CommandField.C_CANCEL_RQ:
        yield _number(_MESSAGE_ID, command.message_id)
    if command.responded_to is not None:
        yield _number(_RESPONDED_TO, command.responded_to)
    if command.field == CommandField.C_STORE_RQ:
        yield _number(_PRIORITY, command.priority)
    yield _number(_DATA_SET_TYPE, _SOME_DATA_SET if command.has_data else _NO_DATA_SET)
    if command.status is not None:
        yield _number(_STATUS, command.status)
    if command.comment:
        # One value of at most 64 characters, in the default repertoire whatever was written.
        yield _element(_COMMENT, _padded(command.comment[:64].replace("\\", "/"), b" ", errors="replace"))
    if command.sop_instance:
        yield _element(_SOP_INSTANCE, _padded(command.sop_instance, b"\0"))
    if command.move_originator:
        yield _element(_MOVE_ORIGINATOR, _padded(command.move_originator, b" "))
    if command.move_originator_id is not None:
        yield _number(_MOVE_ORIGINATOR_ID, command.move_originator_id)


def _number(number: int, value: int) -> bytes:
    return _SHORT_ELEMENT.pack(0, number, _SHORT.size, value)


def _element(number: int, value: bytes) -> bytes:
    return _ELEMENT.pack(0, number, len(value)) + value


def _padded(text: str, padding: bytes, *, errors: str = "strict") -> bytes:
    value = text.encode("ascii", errors)
    return value + padding if len(value) % 2 else value


def decode_command(data: bytes) -> Command:
    """Read one whole command set.

    Elements may come in any order and the group length may be wrong: neither can be misunderstood.

    Raises:
        PeerError: An element overruns the set, is not of group 0000 or has a wrong length, or one is missing without
            which nobody could answer: command field, data set type, message ID.

    Source: PS3.7 6.3.1, E.1.
    """
    values = _split(data)
    field = _short(values, _FIELD)
    data_set_type = _short(values, _DATA_SET_TYPE)
    if field is None or data_set_type is None:
        raise PeerError("a command set needs Command Field (0000,0100) and Command Data Set Type (0000,0800)")
    message_id = _short(values, _MESSAGE_ID)
    if message_id is None and not field & _RESPONSE_BIT and field != CommandField.C_CANCEL_RQ:
        raise PeerError(f"the request with command field {field:04X}H has no Message ID (0000,0110)")
    priority = _short(values, _PRIORITY)
    return Command(
        field=field,
        message_id=message_id or 0,
        responded_to=_short(values, _RESPONDED_TO),
        sop_class=_text(values, _SOP_CLASS),
        sop_instance=_text(values, _SOP_INSTANCE),
        status=_short(values, _STATUS),
        comment=_text(values, _COMMENT),
        priority=Priority.MEDIUM if priority is None else priority,
        has_data=data_set_type != _NO_DATA_SET,
        move_originator=_text(values, _MOVE_ORIGINATOR),
        move_originator_id=_short(values, _MOVE_ORIGINATOR_ID),
    )


def _split(data: bytes) -> dict[int, bytes]:
    """Values by element number; of an element that comes twice the last."""
    values: dict[int, bytes] = {}
    position, end = 0, len(data)
    while position < end:
        if end - position < _ELEMENT.size:
            raise PeerError(f"the command set ends within an element header, {end - position} bytes before its end")
        group, number, length = _ELEMENT.unpack_from(data, position)
        position += _ELEMENT.size
        if group != 0:
            raise PeerError(f"element ({group:04X},{number:04X}) in a command set; only group 0000 is allowed there")
        if length > end - position:
            raise PeerError(f"element (0000,{number:04X}) says {length} bytes, but only {end - position} follow")
        values[number] = data[position : position + length]
        position += length
    return values


def _short(values: dict[int, bytes], number: int) -> int | None:
    value = values.get(number)
    if not value:
        return None
    if len(value) != _SHORT.size:
        raise PeerError(f"element (0000,{number:04X}) has {len(value)} bytes; a US has 2")
    short: int = _SHORT.unpack(value)[0]
    return short


def _text(values: dict[int, bytes], number: int) -> str:
    return values.get(number, b"").strip(b"\0 ").decode("ascii", "backslashreplace")


def echo_request(message_id: int) -> Command:
    """A C-ECHO-RQ. Source: PS3.7 Table 9.3-12."""
    return Command(field=CommandField.C_ECHO_RQ, message_id=message_id, sop_class=VERIFICATION)


def echo_response(request: Command, status: int = Status.SUCCESS) -> Command:
    """The C-ECHO-RSP to a request. Source: PS3.7 Table 9.3-13."""
    return Command(
        field=CommandField.C_ECHO_RSP, responded_to=request.message_id, sop_class=VERIFICATION, status=status
    )


def store_request(
    message_id: int,
    *,
    sop_class: str,
    sop_instance: str,
    priority: int = Priority.MEDIUM,
    move_originator: str = "",
    move_originator_id: int | None = None,
) -> Command:
    """A C-STORE-RQ; its data set must follow on the same context. Source: PS3.7 Table 9.3-1."""
    return Command(
        field=CommandField.C_STORE_RQ,
        message_id=message_id,
        sop_class=sop_class,
        sop_instance=sop_instance,
        priority=priority,
        has_data=True,
        move_originator=move_originator,
        move_originator_id=move_originator_id,
    )


def store_response(request: Command, answer: Answer) -> Command:
    """The C-STORE-RSP to a request, for the same SOP instance. Source: PS3.7 9.3.1.2, Table 9.3-2."""
    return response(request, answer.status, answer.comment)


def response(request: Command, status: int, comment: str = "") -> Command:
    """A response without data set to any request, e.g. ``Status.UNRECOGNIZED_OPERATION`` to an unknown one.

    Source: PS3.7 C.5.
    """
    return Command(
        field=request.field | _RESPONSE_BIT,
        responded_to=request.message_id,
        sop_class=request.sop_class,
        sop_instance=request.sop_instance,
        status=status,
        comment=comment,
    )
