"""PROXY protocol headers, made by hand from the specification, for tests that know nothing of the code under test.

Source: The PROXY protocol, versions 1 & 2, sections 2.1, 2.2.
"""

from __future__ import annotations

import socket
import struct

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL, PROXY = 0x20, 0x21


def v1(source: str, port: int = 1234, *, destination: str = "192.0.2.9") -> bytes:
    family = "TCP6" if ":" in source else "TCP4"
    other = "2001:db8::9" if ":" in source else destination
    return f"PROXY {family} {source} {other} {port} 104\r\n".encode()


def addresses(source: str, port: int = 1234) -> bytes:
    kind, other = (socket.AF_INET6, "2001:db8::9") if ":" in source else (socket.AF_INET, "192.0.2.9")
    return socket.inet_pton(kind, source) + socket.inet_pton(kind, other) + struct.pack(">HH", port, 104)


def tlv(kind: int, value: bytes) -> bytes:
    return struct.pack(">BH", kind, len(value)) + value


def v2(block: bytes, family: int, *, command: int = PROXY) -> bytes:
    return SIGNATURE + struct.pack(">BBH", command, family, len(block)) + block


def v2_from(source: str, port: int = 1234, *, extensions: bytes = b"") -> bytes:
    return v2(addresses(source, port) + extensions, 0x21 if ":" in source else 0x11)


def bitwise_crc32c(data: bytes) -> int:
    """The slow way of RFC 3720, appendix B.4."""
    value = 0xFFFFFFFF
    for byte in data:
        for bit in range(8):
            mixed = (value ^ (byte >> bit)) & 1
            value = (value >> 1) ^ (0x82F63B78 * mixed)
    return value ^ 0xFFFFFFFF


def with_checksum(source: str, *, before: bytes = b"", behind: bytes = b"") -> bytes:
    blank = v2_from(source, extensions=before + tlv(3, bytes(4)) + behind)
    at = len(v2_from(source)) + len(before) + 3
    return blank[:at] + struct.pack(">I", bitwise_crc32c(blank)) + blank[at + 4 :]
