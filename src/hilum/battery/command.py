"""Command sets as bytes, right or wrong, and the peer's, read strictly.

Source: PS3.7 6.3.1, E.1.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from hilum.battery.octets import CT, VERIFICATION, Pdu
from hilum.battery.verdict import MalformedError

C_STORE_RQ, C_STORE_RSP, C_ECHO_RQ, C_ECHO_RSP = 0x0001, 0x8001, 0x0030, 0x8030

SOP_CLASS, FIELD, MESSAGE_ID, RESPONDED_TO, PRIORITY = 0x0002, 0x0100, 0x0110, 0x0120, 0x0700
DATA_SET_TYPE, STATUS, OFFENDING, COMMENT, SOP_INSTANCE = 0x0800, 0x0900, 0x0901, 0x0902, 0x1000
MOVE_ORIGINATOR, MOVE_ORIGINATOR_ID = 0x1030, 0x1031

NO_DATA_SET: Final = 0x0101

Value = int | str | bytes


def command_set(elements: Mapping[int, Value]) -> bytes:
    """Elements of group 0000 by number: numbers become US, text is padded to an even length with NUL."""
    body = b""
    for number, value in sorted(elements.items()):
        if isinstance(value, int):
            data = struct.pack("<H", value)
        else:
            data = value.encode() if isinstance(value, str) else value
            data += b"\0" * (len(data) % 2)
        body += struct.pack("<HHI", 0, number, len(data)) + data
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


def echo_request(message: int = 1) -> dict[int, Value]:
    """A C-ECHO-RQ. Source: PS3.7 Table 9.3-12."""
    return {SOP_CLASS: VERIFICATION, FIELD: C_ECHO_RQ, MESSAGE_ID: message, DATA_SET_TYPE: NO_DATA_SET}


def store_request(sop_instance: str, message: int = 1, *, sop_class: str = CT) -> dict[int, Value]:
    """A C-STORE-RQ whose data set follows. Source: PS3.7 Table 9.3-1."""
    return {
        SOP_CLASS: sop_class,
        FIELD: C_STORE_RQ,
        MESSAGE_ID: message,
        PRIORITY: 0,
        DATA_SET_TYPE: 1,
        SOP_INSTANCE: sop_instance,
    }


@dataclass(frozen=True, slots=True)
class Message:
    """A command set that came; its text is its status: ``0000``, ``A900``.

    Attributes:
        context: ID of the presentation context it came on.
        elements: Values by number.
        faults: How it breaks the rules of command sets.
        controls: Message control header of each fragment.
        pdus: The P-DATA-TFs that brought it.
    """

    context: int
    elements: Mapping[int, bytes]
    faults: tuple[str, ...]
    controls: tuple[int, ...]
    pdus: tuple[Pdu, ...]

    @classmethod
    def read(cls, context: int, data: bytes, controls: tuple[int, ...], pdus: tuple[Pdu, ...]) -> Message:
        """Take a whole command set apart.

        Raises:
            MalformedError: It cannot be read.
        """
        elements: dict[int, bytes] = {}
        faults: list[str] = []
        if data[:8] != struct.pack("<HHI", 0, 0, 4):
            faults.append("it does not begin with its group length")
        elif int.from_bytes(data[8:12], "little") != len(data) - 12:
            faults.append("its group length is wrong")
        position, before = 0, -1
        while position < len(data):
            if len(data) - position < 8:
                raise MalformedError("an element of a command set is cut off")
            group, number, length = struct.unpack_from("<HHI", data, position)
            position += 8
            if group or length > len(data) - position:
                raise MalformedError("a command set that is not Implicit VR Little Endian")
            if number <= before:
                faults.append("its elements are not in ascending order")
            if length % 2:
                faults.append("it has a value of odd length")
            elements[number] = data[position : position + length]
            position, before = position + length, number
        return cls(context, elements, tuple(faults), controls, pdus)

    def number(self, element: int) -> int | None:
        """A value that is a US; ``None`` if there is none."""
        value = self.elements.get(element)
        return int.from_bytes(value, "little") if value is not None and len(value) == 2 else None

    def text(self, element: int) -> str | None:
        """A value that is text, padding removed; ``None`` if there is none."""
        value = self.elements.get(element)
        return None if value is None else value.decode("ascii", "backslashreplace").strip(" \0")

    def __str__(self) -> str:
        """The status, or that there is none."""
        status = self.number(STATUS)
        return "no status" if status is None else f"{status:04X}"
