"""What a load balancer says before a connection's first byte: for whom it opened it. The PROXY protocol, 1 and 2.

Bytes in, a value out: no socket and no clock here.

Source: The PROXY protocol, versions 1 & 2 (doc/proxy-protocol.txt of HAProxy), sections 2.1, 2.2.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final

from hilum.association.admission import parse_address

_V1: Final = b"PROXY"
_V2: Final = b"\r\n\r\n\0\r\nQUIT\n"
#: The longest line of version 1, with its end. Source: section 2.1.
_LONGEST_LINE: Final = 107
#: The part of version 2 whose length is always the same.
_FIXED: Final = struct.Struct(">12sBBH")
_TLV: Final = struct.Struct(">BH")

_PORT: Final = r"(0|[1-9][0-9]{0,4})"
_LINE: Final = re.compile(rf"(TCP4|TCP6) ([0-9A-Fa-f:.]+) ([0-9A-Fa-f:.]+) {_PORT} {_PORT}")
_UNKNOWN: Final = "UNKNOWN"

_LOCAL, _PROXY = 0, 1
_UNSPEC, _INET, _INET6, _UNIX = range(4)
_STREAM, _DATAGRAM = 1, 2
#: Bytes of both addresses and ports by family. Source: section 2.2.
_ADDRESS_BYTES: Final = {_INET: 12, _INET6: 36, _UNIX: 216}

_CRC32C: Final = 0x03
_CRC_BYTES: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyHeader:
    """A whole header.

    Attributes:
        length: Its bytes; what follows them is the connection's own.
        source: Numeric address and port of who connected to the balancer; ``None``: the balancer speaks for itself, as
            its health checks do, or does not know.
    """

    length: int
    source: tuple[str, int] | None


@dataclass(frozen=True, slots=True)
class Malformed:
    """No header, or a broken one: the connection must be dropped.

    Attributes:
        why: What was found and what was expected, as one clause without control characters.
    """

    why: str


def read_header(data: bytes | bytearray) -> ProxyHeader | Malformed | None:
    """Read what a connection begins with; ``None``: the header goes on beyond ``data``.

    What was read once stays the same whatever follows. A header is at most 65,551 bytes long.

    Source: Section 2.2: "Identifying the protocol version is easy".
    """
    if data.startswith(_V2):
        return _read_v2(data)
    if data.startswith(_V1):
        return _read_v1(data)
    if _V2.startswith(data) or _V1.startswith(data):
        return None
    return Malformed(f"it began with {_shown(data)} instead of a PROXY protocol header")


def _read_v1(data: bytes | bytearray) -> ProxyHeader | Malformed | None:
    """Source: Section 2.1."""
    end = data.find(b"\r\n", 0, _LONGEST_LINE)
    if end < 0:
        if len(data) < _LONGEST_LINE:
            return None
        return Malformed(f"the PROXY line did not end within {_LONGEST_LINE} bytes")
    line = bytes(data[len(_V1) : end]).decode("latin-1")
    length = end + 2
    said = line.removeprefix(" ")
    if said != line and (said == _UNKNOWN or said.startswith(f"{_UNKNOWN} ")):
        return ProxyHeader(length=length, source=None)
    found = _LINE.fullmatch(said) if said != line else None
    source = None if found is None else _source(*found.groups())
    if source is None:
        return Malformed(f"the PROXY line {_shown(data[:end])} is not as version 1 of the protocol has it")
    return ProxyHeader(length=length, source=source)


def _source(family: str, source: str, destination: str, port: str, other_port: str) -> tuple[str, int] | None:
    """Address and port of the source if all of the line is right."""
    kind = IPv4Address if family == "TCP4" else IPv6Address
    try:
        address, _ = kind(source), kind(destination)
    except AddressValueError:
        return None
    if max(int(port), int(other_port)) > 0xFFFF:
        return None
    return _normal(address), int(port)


def _read_v2(data: bytes | bytearray) -> ProxyHeader | Malformed | None:
    """Source: Section 2.2."""
    if len(data) < _FIXED.size:
        return None
    _, version_command, family_protocol, rest = _FIXED.unpack_from(data)
    version, command = divmod(version_command, 16)
    family, protocol = divmod(family_protocol, 16)
    if version != 2 or command not in {_LOCAL, _PROXY}:
        return Malformed(
            f"the PROXY protocol header has version {version} and command {command}; known are version 2, commands 0, 1"
        )
    if command == _PROXY and (family > _UNIX or protocol > _DATAGRAM):
        return Malformed(
            f"the PROXY protocol header has family {family} and protocol {protocol}; known are 0 to 3, and 0 to 2"
        )
    length = _FIXED.size + rest
    if len(data) < length:
        return None
    if command == _LOCAL or family == _UNSPEC or protocol == 0:
        # What the block holds is to be ignored, so nobody can say where its extensions would begin.
        return ProxyHeader(length=length, source=None)
    if rest < _ADDRESS_BYTES[family]:
        return Malformed(
            f"the PROXY protocol header has {rest} bytes of addresses; its family needs {_ADDRESS_BYTES[family]}"
        )
    header = bytes(data[:length])
    wrong = _wrong_extension(header, _FIXED.size + _ADDRESS_BYTES[family])
    if wrong is not None:
        return Malformed(wrong)
    # A datagram cannot have come over this connection, and a local socket has no address: as if it were unspecified.
    if protocol != _STREAM or family == _UNIX:
        return ProxyHeader(length=length, source=None)
    return ProxyHeader(length=length, source=_binary_source(header, family))


def _binary_source(header: bytes, family: int) -> tuple[str, int]:
    size, kind = (4, IPv4Address) if family == _INET else (16, IPv6Address)
    start = _FIXED.size
    port = int.from_bytes(header[start + 2 * size : start + 2 * size + 2])
    return _normal(kind(header[start : start + size])), port


def _wrong_extension(header: bytes, at: int) -> str | None:
    """What is wrong with the extensions behind the addresses; those that mean nothing to us are skipped.

    Source: Section 2.2, "Type-Length-Value"; 2.2.3.
    """
    while at < len(header):
        if len(header) - at < _TLV.size:
            return "the last extension of the PROXY protocol header is cut off"
        kind, size = _TLV.unpack_from(header, at)
        at += _TLV.size
        if size > len(header) - at:
            return f"an extension of the PROXY protocol header is {size} bytes long, and {len(header) - at} are there"
        if kind == _CRC32C:
            if size != _CRC_BYTES:
                return f"the checksum of the PROXY protocol header has {size} bytes instead of {_CRC_BYTES}"
            blank = header[:at] + bytes(_CRC_BYTES) + header[at + _CRC_BYTES :]
            if crc32c(blank) != int.from_bytes(header[at : at + _CRC_BYTES]):
                return "the checksum of the PROXY protocol header does not fit what it says"
        at += size
    return None


def _table() -> tuple[int, ...]:
    entries = []
    for entry in range(256):
        value = entry
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        entries.append(value)
    return tuple(entries)


_TABLE: Final = _table()


def crc32c(data: bytes) -> int:
    """The checksum with the Castagnoli polynomial.

    Source: RFC 4960, appendix B.
    """
    value = 0xFFFFFFFF
    for byte in data:
        value = (value >> 8) ^ _TABLE[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF


def _normal(address: IPv4Address | IPv6Address) -> str:
    return str(parse_address(str(address)))


def _shown(data: bytes | bytearray) -> str:
    """The beginning of foreign bytes, as text if it is."""
    some = bytes(data[:24])
    more = "…" if len(data) > len(some) else ""
    if all(0x20 <= byte < 0x7F for byte in some):
        return repr(some.decode("ascii")) + more
    return f"the bytes {some.hex(' ')}{more}"
