"""PDUs and command sets made by hand from the standard's tables, so that no encoder of ours judges itself."""

from __future__ import annotations

import struct

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
ECHO = "1.2.840.10008.1.1"
FIND = "1.2.840.10008.5.1.4.1.2.2.1"
IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
JPEG2000 = "1.2.840.10008.1.2.4.90"
APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"

RELEASE_RQ = bytes.fromhex("05 00 00000004 00000000")
RELEASE_RP = bytes.fromhex("06 00 00000004 00000000")
#: Called and calling AE title and 32 reserved bytes that are not zero.
TITLES = b"HILUM           " + b"MODALITY        " + bytes(range(32))

COMMAND, LAST = 1, 2


def pdu(kind: int, *parts: bytes, reserved: int = 0) -> bytes:
    body = b"".join(parts)
    return struct.pack(">BBI", kind, reserved, len(body)) + body


def abort(source: int, reason: int) -> bytes:
    return pdu(7, bytes((0, 0, source, reason)))


def reject(result: int, source: int, reason: int) -> bytes:
    return pdu(3, bytes((0, result, source, reason)))


def item(kind: int, *parts: bytes | str, reserved: int = 0) -> bytes:
    value = b"".join(part.encode() if isinstance(part, str) else part for part in parts)
    return struct.pack(">BBH", kind, reserved, len(value)) + value


def context(number: int, abstract: str, *transfer: str) -> bytes:
    syntaxes = (item(0x40, syntax) for syntax in transfer)
    return item(0x20, bytes((number, 0, 0, 0)), item(0x30, abstract), *syntaxes)


def result(number: int, reply: int, transfer: str = IMPLICIT) -> bytes:
    return item(0x21, bytes((number, 0, reply, 0)), item(0x40, transfer))


def maximum(length: int) -> bytes:
    return item(0x51, struct.pack(">I", length))


def user(*sub_items: bytes) -> bytes:
    return item(0x50, *sub_items)


APPLICATION = item(0x10, APPLICATION_CONTEXT)
USER = user(maximum(16384), item(0x52, "1.2.3.4"), item(0x55, "RAW"))
CONTEXTS = (context(1, ECHO, IMPLICIT), context(3, CT, JPEG2000, EXPLICIT))


def associate_rq(*items: bytes, version: int = 1, titles: bytes = TITLES, reserved: int = 0) -> bytes:
    """With an echo and a CT context and 16384 bytes at most, unless other items are given."""
    items = items or (APPLICATION, *CONTEXTS, USER)
    return pdu(1, struct.pack(">HBB", version, reserved, reserved), titles, *items, reserved=reserved)


def associate_ac(*items: bytes) -> bytes:
    items = items or (APPLICATION, result(1, 0), result(3, 0, JPEG2000), USER)
    return pdu(2, b"\0\1\0\0", TITLES, *items)


def pdv(number: int, control: int, data: bytes = b"") -> bytes:
    return struct.pack(">IBB", len(data) + 2, number, control) + data


def p_data(*pdvs: bytes) -> bytes:
    return pdu(4, *pdvs)


def element(number: int, value: int | str | bytes, group: int = 0) -> bytes:
    if isinstance(value, int):
        value = struct.pack("<H", value)
    elif isinstance(value, str):
        value = value.encode()
        value += b"\0" * (len(value) % 2)
    return struct.pack("<HHI", group, number, len(value)) + value


def command_set(*elements: bytes) -> bytes:
    body = b"".join(elements)
    return element(0, struct.pack("<I", len(body))) + body


def echo_rq(message_id: int = 7) -> bytes:
    return command_set(
        element(0x0002, ECHO), element(0x0100, 0x0030), element(0x0110, message_id), element(0x0800, 0x0101)
    )


def store_rq(message_id: int = 9, sop_class: str = CT, sop_instance: str = "1.2.3.4.5") -> bytes:
    return command_set(
        element(0x0002, sop_class),
        element(0x0100, 0x0001),
        element(0x0110, message_id),
        element(0x0700, 0),
        element(0x0800, 0x0001),
        element(0x1000, sop_instance),
    )
