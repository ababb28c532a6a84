"""Laws of the PROXY protocol's reader."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from hypothesis import given
from hypothesis import strategies as st

from harness.proxy import LOCAL, SIGNATURE, tlv, v1, v2, v2_from, with_checksum
from hilum.association.admission import parse_address
from hilum.association.proxy_header import Malformed, ProxyHeader, read_header

ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))
PORTS = st.integers(0, 0xFFFF)
EXTENSIONS = st.lists(
    st.builds(tlv, st.integers(0, 255).filter(lambda kind: kind != 3), st.binary(max_size=40)), max_size=4
).map(b"".join)
WHOLE = st.one_of(
    st.builds(v1, ADDRESSES.map(str), PORTS),
    st.builds(lambda host, port, more: v2_from(host, port, extensions=more), ADDRESSES.map(str), PORTS, EXTENSIONS),
    st.builds(lambda host, more: with_checksum(host, behind=more), ADDRESSES.map(str), EXTENSIONS),
    st.builds(lambda block, family: v2(block, family, command=LOCAL), st.binary(max_size=300), st.integers(0, 255)),
    st.just(b"PROXY UNKNOWN\r\n"),
)
BEGINNINGS = st.one_of(
    st.binary(max_size=200),
    st.binary(max_size=200).map(lambda rest: SIGNATURE + rest),
    st.binary(max_size=200).map(lambda rest: b"PROXY TCP4 " + rest),
    st.builds(
        lambda header, at, byte: header[:at] + byte + header[at + 1 :],
        WHOLE,
        st.integers(0, 80),
        st.binary(min_size=1, max_size=1),
    ),
)


@given(st.one_of(WHOLE, BEGINNINGS), st.binary(max_size=40))
def test_what_was_read_once_stays_the_same_whatever_follows(header: bytes, rest: bytes) -> None:
    data = header + rest
    whole = read_header(data)
    for end in range(len(data) + 1):
        found = read_header(data[:end])
        if found is None:
            continue
        if isinstance(found, ProxyHeader):
            assert found == whole
            assert end >= found.length
        else:
            assert isinstance(whole, Malformed)
            assert found.why.isprintable()


@given(ADDRESSES, PORTS, EXTENSIONS, st.binary(max_size=40))
def test_both_versions_tell_the_same_source(
    address: IPv4Address | IPv6Address, port: int, extensions: bytes, rest: bytes
) -> None:
    source = (str(parse_address(str(address))), port)
    for header in (v1(str(address), port), v2_from(str(address), port, extensions=extensions)):
        assert read_header(header + rest) == ProxyHeader(length=len(header), source=source)


@given(WHOLE)
def test_a_whole_header_is_read_with_its_last_byte_and_not_before(header: bytes) -> None:
    assert read_header(header[:-1]) is None
    found = read_header(header)
    assert isinstance(found, ProxyHeader)
    assert found.length == len(header)
