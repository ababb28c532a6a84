"""PDUs as bytes, and what is heard of the peer's. Says whatever it is told to, right or wrong.

Source: PS3.8 9.3.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from hilum.battery.verdict import MalformedError

RQ, AC, RJ, DATA, RELEASE_RQ, RELEASE_RP, ABORT = range(1, 8)
COMMAND, LAST = 1, 2

VERIFICATION: Final = "1.2.840.10008.1.1"
CT: Final = "1.2.840.10008.5.1.4.1.1.2"
MR: Final = "1.2.840.10008.5.1.4.1.1.4"

IMPLICIT: Final = "1.2.840.10008.1.2"
EXPLICIT: Final = "1.2.840.10008.1.2.1"
DEFLATED: Final = "1.2.840.10008.1.2.1.99"
BIG_ENDIAN: Final = "1.2.840.10008.1.2.2"
JPEG: Final = "1.2.840.10008.1.2.4.50"
JPEG_LS: Final = "1.2.840.10008.1.2.4.80"
JPEG_2000: Final = "1.2.840.10008.1.2.4.90"
RLE: Final = "1.2.840.10008.1.2.5"


def pdu(kind: int, body: bytes, *, reserved: int = 0) -> bytes:
    """A PDU of any kind."""
    return struct.pack(">BBI", kind, reserved, len(body)) + body


def item(kind: int, *parts: bytes, reserved: int = 0) -> bytes:
    """An item or a sub-item."""
    value = b"".join(parts)
    return struct.pack(">BBH", kind, reserved, len(value)) + value


def pdv(context: int, control: int, fragment: bytes = b"") -> bytes:
    """A presentation data value."""
    return struct.pack(">IBB", len(fragment) + 2, context, control) + fragment


def p_data(context: int, control: int, fragment: bytes = b"", *, reserved: int = 0) -> bytes:
    """A P-DATA-TF with one fragment."""
    return pdu(DATA, pdv(context, control, fragment), reserved=reserved)


def fragments(context: int, kind: int, content: bytes, size: int) -> bytes:
    """A command or data set in fragments of ``size`` bytes, each in a PDU of its own."""
    starts = range(0, max(1, len(content)), size)
    return b"".join(
        p_data(context, kind | (LAST if start == starts[-1] else 0), content[start : start + size]) for start in starts
    )


RELEASE: Final = pdu(RELEASE_RQ, bytes(4))
RELEASED: Final = pdu(RELEASE_RP, bytes(4))
USER_ABORT: Final = pdu(ABORT, bytes(4))
A_REJECTION: Final = pdu(RJ, bytes((0, 1, 1, 1)))


class Nothing(StrEnum):
    """What is heard when no PDU is."""

    SILENT = "silent"
    HALF = "half a PDU"
    FIN = "FIN"
    RST = "RST"


@dataclass(frozen=True, slots=True)
class Pdu:
    """A PDU that came; its text is what tables show: ``AC``, ``RJ 1/1/7``, ``ABT 2/2``, ``RELRP``.

    Attributes:
        raw: All of it.
    """

    raw: bytes

    @property
    def kind(self) -> int:
        """Its type."""
        return self.raw[0]

    @property
    def body(self) -> bytes:
        """What follows its header."""
        return self.raw[6:]

    def __str__(self) -> str:
        """In as few characters as possible."""
        body = self.body
        match self.kind:
            case 3 if len(body) == 4:
                return f"RJ {body[1]}/{body[2]}/{body[3]}"
            case 7 if len(body) == 4:
                return f"ABT {body[2]}/{body[3]}"
            case kind:
                return _NAMES.get(kind, f"PDU {kind:02X}H")

    def pdvs(self) -> Iterator[tuple[int, int, bytes]]:
        """Context ID, message control header and fragment of each presentation data value.

        Raises:
            MalformedError: One does not fit.
        """
        rest = self.body
        while rest:
            if len(rest) < 6:
                raise MalformedError("a PDV header is cut off")
            length, context, control = struct.unpack_from(">IBB", rest)
            if not 2 <= length <= len(rest) - 4:
                raise MalformedError(f"a PDV says {length} bytes")
            yield context, control, rest[6 : 4 + length]
            rest = rest[4 + length :]


_NAMES: Final = {RQ: "RQ", AC: "AC", RJ: "RJ", DATA: "P-DATA", RELEASE_RQ: "RELRQ", RELEASE_RP: "RELRP", ABORT: "ABT"}

Heard = Pdu | Nothing
