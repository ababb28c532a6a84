"""Data sets made byte by byte, explicit VR little endian unless said otherwise, as wrong as a test wants them."""

from __future__ import annotations

import itertools
import struct

from harness.raw_peer import CT

_numbers = itertools.count(1)


def fresh_uid() -> str:
    return f"1.2.826.0.1.3680043.10.1.{next(_numbers)}"


def element(tag: int, vr: bytes, value: bytes) -> bytes:
    value += (b"\0" if vr == b"UI" else b" ") * (len(value) % 2)
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr)
    if vr in {b"OB", b"OW", b"SQ", b"UN", b"UT"}:
        return head + struct.pack("<HI", 0, len(value)) + value
    return head + struct.pack("<H", len(value)) + value


def identifiers(
    uid: str | bytes,
    *,
    patient: bytes = b"P1",
    study: bytes = b"1.2.3",
    series: bytes = b"1.2.3.4",
    sop_class: str = CT,
) -> bytes:
    """The identifying elements, in order."""
    return b"".join(
        (
            element(0x00080016, b"UI", sop_class.encode()),
            element(0x00080018, b"UI", uid if isinstance(uid, bytes) else uid.encode()),
            element(0x00080060, b"CS", b"CT"),
            element(0x00100020, b"LO", patient),
            element(0x0020000D, b"UI", study),
            element(0x0020000E, b"UI", series),
        )
    )


def pixels(content: bytes) -> bytes:
    return element(0x7FE00010, b"OW", content)


def nested(tag: int, depth: int) -> bytes:
    """Sequences of undefined length in each other; whole, each with its end."""
    opened = struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, b"SQ", 0, 0xFFFFFFFF)
    opened += struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    closed = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
    return opened * depth + closed * depth
