"""The PROXY protocol, sentence by sentence."""

from __future__ import annotations

import pytest

from harness.proxy import LOCAL, SIGNATURE, addresses, tlv, v1, v2, v2_from, with_checksum
from hilum.association.proxy_header import Malformed, ProxyHeader, crc32c, read_header

DICOM = b"\x01\0\0\0\0\xcd"


@pytest.mark.parametrize(
    ("header", "source"),
    [
        (v1("198.51.100.7"), ("198.51.100.7", 1234)),
        (v1("2001:db8::7", 0), ("2001:db8::7", 0)),
        (b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", ("255.255.255.255", 65535)),
        (
            b"PROXY TCP6 " + b"ffff:" * 7 + b"ffff " + b"FFFF:" * 7 + b"FFFF 65535 65535\r\n",
            (("ffff:" * 8)[:-1], 65535),
        ),
        (b"PROXY TCP6 ::ffff:198.51.100.7 ::1 9 104\r\n", ("198.51.100.7", 9)),
        (b"PROXY UNKNOWN\r\n", None),
        (b"PROXY UNKNOWN whatever 1 2 3\r\n", None),
        (v2_from("198.51.100.7"), ("198.51.100.7", 1234)),
        (v2_from("2001:db8::7", 65535), ("2001:db8::7", 65535)),
        (v2_from("::ffff:198.51.100.7"), ("198.51.100.7", 1234)),
        (v2(b"", 0x00, command=LOCAL), None),
        (v2(b"\xff" * 300, 0xFF, command=LOCAL), None),
        (v2(b"", 0x00), None),
        (v2(b"\x01" * 7, 0x01), None),
        (v2(bytes(216), 0x31), None),
        (v2(addresses("198.51.100.7"), 0x12), None),
        (
            v2_from("198.51.100.7", extensions=tlv(1, b"h2") + tlv(0x20, bytes(400)) + tlv(0xEF, b"")),
            ("198.51.100.7", 1234),
        ),
        (with_checksum("198.51.100.7", before=tlv(4, b"\0"), behind=tlv(5, b"id")), ("198.51.100.7", 1234)),
    ],
)
def test_a_header_tells_the_source_and_where_it_ends(header: bytes, source: tuple[str, int] | None) -> None:
    assert read_header(header + DICOM) == ProxyHeader(length=len(header), source=source)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (DICOM, "began with the bytes 01 00"),
        (b"HELO a mail server that greets", "began with 'HELO a mail server that '…"),
        (b"PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n", "is not as version 1"),
        (b"PROXYTCP4 1.2.3.4 1.2.3.4 1 2\r\n", "is not as version 1"),
        (b"PROXYUNKNOWN\r\n", "is not as version 1"),
        (b"PROXY UNKNOWNS\r\n", "is not as version 1"),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n", "is not as version 1"),
        (b"PROXY TCP4 1.2.3.04 1.2.3.4 1 2\r\n", "is not as version 1"),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", "is not as version 1"),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n", "is not as version 1"),
        (b"PROXY TCP4 ::1 ::1 1 2\r\n", "is not as version 1"),
        (b"PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n", "is not as version 1"),
        (b"PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n", "is not as version 1"),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n\r\n", "is not as version 1"),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 \xb2\r\n", "is not as version 1"),
        (b"PROXY UNKNOWN " + b"x" * 93, "did not end within 107 bytes"),
        (v2(b"", 0x00, command=0x11), "version 1 and command 1"),
        (v2(b"", 0x00, command=0x22), "version 2 and command 2"),
        (v2(bytes(216), 0x41), "family 4 and protocol 1"),
        (v2(bytes(216), 0x13), "family 1 and protocol 3"),
        (v2(bytes(11), 0x11), "11 bytes of addresses; its family needs 12"),
        (v2(bytes(35), 0x21), "35 bytes of addresses; its family needs 36"),
        (v2(bytes(215), 0x32), "215 bytes of addresses; its family needs 216"),
        (v2_from("198.51.100.7", extensions=b"\x04\0"), "is cut off"),
        (v2_from("198.51.100.7", extensions=b"\x04\0\x05abcd"), "is 5 bytes long, and 4 are there"),
        (v2_from("198.51.100.7", extensions=tlv(3, bytes(4))), "does not fit what it says"),
        (v2_from("198.51.100.7", extensions=tlv(3, bytes(3))), "has 3 bytes instead of 4"),
    ],
)
def test_what_is_not_as_specified_is_malformed(data: bytes, why: str) -> None:
    found = read_header(data)
    assert isinstance(found, Malformed)
    assert why in found.why
    assert found.why.isprintable()


def test_a_changed_byte_does_not_fit_the_checksum() -> None:
    header = with_checksum("198.51.100.7")
    assert isinstance(read_header(header), ProxyHeader)
    assert isinstance(read_header(header[:16] + b"\xc7" + header[17:]), Malformed)


@pytest.mark.parametrize(
    "data", [b"", b"P", b"PROX", b"PROXY TCP4 1.2.3.4", SIGNATURE[:5], SIGNATURE, v2_from("::1")[:-1]]
)
def test_a_beginning_asks_for_more(data: bytes) -> None:
    assert read_header(data) is None


def test_the_longest_line_may_end_with_its_last_byte() -> None:
    line = b"PROXY UNKNOWN " + b"x" * 91 + b"\r\n"
    assert len(line) == 107
    assert read_header(line) == ProxyHeader(length=107, source=None)


def test_the_checksum_is_that_of_the_standard() -> None:
    """Source: RFC 3720, appendix B.4."""
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA
