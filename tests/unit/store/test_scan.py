from __future__ import annotations

import tracemalloc
import zlib
from struct import pack

import pytest

from hilum.model import Header
from hilum.store.scan import MAX_INFLATED_BYTES, HeadScanner, Unreadable, scan_file_head
from hilum.store.walk import CAPTURE_BYTES, MAX_DEPTH
from hilum.wire import uids

CT = "1.2.840.10008.5.1.4.1.1.2"
JPEG = "1.2.840.10008.1.2.4.50"
LONG_VRS = {"OB", "OW", "SQ", "UN", "UT", "ZZ"}
UNDEFINED = 0xFFFFFFFF


def explicit(tag: int, vr: str, value: bytes = b"", *, length: int | None = None, order: str = "<") -> bytes:
    length = len(value) if length is None else length
    head = pack(order + "HH", tag >> 16, tag & 0xFFFF) + vr.encode()
    return head + (pack(order + "HL", 0, length) if vr in LONG_VRS else pack(order + "H", length)) + value


def implicit(tag: int, value: bytes = b"", *, length: int | None = None, order: str = "<") -> bytes:
    return pack(order + "HHL", tag >> 16, tag & 0xFFFF, len(value) if length is None else length) + value


def item(content: bytes, *, order: str = "<") -> bytes:
    return implicit(0xFFFEE000, length=UNDEFINED, order=order) + content + implicit(0xFFFEE00D, order=order)


def sequence(tag: int, *items: bytes, vr: str = "SQ", order: str = "<") -> bytes:
    start = explicit(tag, vr, length=UNDEFINED, order=order)
    return start + b"".join(items) + implicit(0xFFFEE0DD, order=order)


VALUES = {
    0x00080016: ("UI", CT.encode() + b"\0"),
    0x00080018: ("UI", b"1.2.3\0"),
    0x00080060: ("CS", b"CT"),
    0x00100020: ("LO", b"ID 7"),
    0x0020000D: ("UI", b"1.2.4\0"),
    0x0020000E: ("UI", b"1.2.5\0"),
}
HEADER = Header(sop_class=CT, sop_instance="1.2.3", modality="CT", patient_id="ID 7", study="1.2.4", series="1.2.5")
PIXELS = explicit(0x7FE00010, "OW", bytes(64))


def identity(order: str = "<") -> bytes:
    return b"".join(explicit(tag, vr, value, order=order) for tag, (vr, value) in VALUES.items())


def implicit_identity(order: str = "<") -> bytes:
    return b"".join(implicit(tag, value, order=order) for tag, (_, value) in VALUES.items())


def scan(data: bytes, transfer_syntax: str = uids.EXPLICIT_LE) -> Header | Unreadable:
    """The verdict, which must be the same when every byte comes alone."""
    found = scan_file_head(data, transfer_syntax)
    scanner = HeadScanner(transfer_syntax)
    view = memoryview(data)
    for pos in range(len(data)):
        scanner.feed(view[pos : pos + 1])
    assert scanner.finish() == found
    if isinstance(found, Unreadable):
        assert 0 < len(found.why) <= 64
        assert found.why.isascii()
    return found


def why(data: bytes, transfer_syntax: str = uids.EXPLICIT_LE) -> str:
    found = scan(data, transfer_syntax)
    assert isinstance(found, Unreadable), found
    return found.why


@pytest.mark.parametrize(
    ("transfer_syntax", "data"),
    [
        (uids.EXPLICIT_LE, identity() + PIXELS),
        (uids.IMPLICIT_LE, implicit_identity() + implicit(0x7FE00010, bytes(64))),
        (uids.EXPLICIT_BE, identity(">") + explicit(0x7FE00010, "OW", bytes(64), order=">")),
        ("1.2.840.113619.5.2", implicit_identity() + implicit(0x7FE00010, bytes(64))),
        ("1.2.840.10008.1.20", implicit_identity()),
        ("1.3.46.670589.33.1.4.1", identity() + PIXELS),
        (JPEG, identity() + explicit(0x7FE00010, "OB", bytes(8))),
    ],
    ids=["explicit", "implicit", "big endian", "GE private", "Papyrus", "any private", "JPEG"],
)
def test_the_wanted_attributes_are_found_in_every_transfer_syntax(transfer_syntax: str, data: bytes) -> None:
    assert scan(data, transfer_syntax) == HEADER


@pytest.mark.parametrize(
    ("transfer_syntax", "data"),
    [
        (uids.EXPLICIT_LE, implicit_identity()),
        (uids.IMPLICIT_LE, identity()),
        (uids.EXPLICIT_BE, implicit_identity(">")),
        (JPEG, implicit_identity()),
    ],
)
def test_a_data_set_with_the_other_kind_of_vr_is_read_as_what_it_is(transfer_syntax: str, data: bytes) -> None:
    assert scan(data, transfer_syntax) == HEADER


def test_absent_and_empty_attributes_are_both_empty() -> None:
    found = scan(explicit(0x00080016, "UI") + explicit(0x00080060, "CS", b"  ") + PIXELS)
    assert found == Header(sop_class="", sop_instance="", modality="", patient_id="", study="", series="")


def test_text_of_any_character_set_is_kept_apart() -> None:
    texts = set()
    for value in (b"M\xfcller", b"M\xf6ller", "Müller".encode(), "山田".encode(), b"\x1b$B;3ED\x1b(B"):
        found = scan(explicit(0x00100020, "LO", value))
        assert isinstance(found, Header)
        texts.add(found.patient_id)
    assert texts == {r"M\xfcller", r"M\xf6ller", "Müller", "山田", "\x1b$B;3ED\x1b(B"}


def test_of_a_long_value_the_beginning_is_kept() -> None:
    found = scan(explicit(0x00100020, "LO", b"x" * 64_000) + explicit(0x0020000D, "UI", b"1.2.4\0"))
    assert isinstance(found, Header)
    assert found.patient_id == "x" * CAPTURE_BYTES
    assert found.study == "1.2.4"


def test_of_an_attribute_that_stands_twice_the_first_counts() -> None:
    found = scan(explicit(0x00100020, "LO", b"first") + explicit(0x00100020, "LO", b"second"))
    assert isinstance(found, Header)
    assert found.patient_id == "first"


def test_tags_in_descending_order_are_read() -> None:
    data = b"".join(explicit(tag, vr, value) for tag, (vr, value) in reversed(VALUES.items()))
    assert scan(PIXELS + data) == HEADER


def test_odd_lengths_are_read() -> None:
    assert scan(explicit(0x00080005, "CS", b"odd") + identity() + explicit(0x7FE00010, "OB", b"odd")) == HEADER


def test_attributes_inside_of_sequences_are_not_taken_for_those_of_the_instance() -> None:
    foreign = explicit(0x00080018, "UI", b"9.9.9\0") + explicit(0x00100020, "LO", b"other")
    defined = explicit(0x00081140, "SQ", implicit(0xFFFEE000, foreign))
    assert scan(sequence(0x00081110, item(foreign)) + defined + identity()) == HEADER


# What is not whole


@pytest.mark.parametrize("data", [b"", b"\0", bytes(7)])
@pytest.mark.parametrize("transfer_syntax", [uids.EXPLICIT_LE, uids.IMPLICIT_LE, uids.EXPLICIT_BE])
def test_a_data_set_without_elements_is_unreadable(data: bytes, transfer_syntax: str) -> None:
    assert why(data, transfer_syntax) == "the data set is empty"


def test_an_empty_deflated_data_set_is_unreadable() -> None:
    assert why(b"", uids.DEFLATED_LE) == "the data set is empty"
    assert why(deflate(b""), uids.DEFLATED_LE) == "the data set is empty"


def test_a_value_that_is_longer_than_the_rest_is_found() -> None:
    data = implicit_identity() + implicit(0x7FE00010, bytes(10), length=0xFFFFFFF0)
    assert why(data, uids.IMPLICIT_LE) == "truncated: 4294967270 bytes are missing in (7FE0,0010)"


def test_a_wanted_value_that_is_cut_off_is_found() -> None:
    assert why(identity()[:-1]) == "truncated: the last element is not whole"


def test_a_header_that_is_cut_off_is_found() -> None:
    assert why(identity() + PIXELS[:11]) == "truncated: the last element is not whole"
    assert why(identity() + PIXELS[:3]) == "truncated: the last element is not whole"


@pytest.mark.parametrize("missing", [8, 16, 20])
def test_a_sequence_without_its_end_is_found(missing: int) -> None:
    data = identity() + sequence(0x00400275, item(explicit(0x00400007, "LO", b"text")))
    assert why(data[:-missing]).startswith("truncated: ")


def test_up_to_seven_zero_bytes_may_follow() -> None:
    for count in range(8):
        assert scan(identity() + bytes(count)) == HEADER
    assert why(identity() + bytes(8)).startswith("(0000,0000)")


def test_what_follows_may_be_nothing_but_zero() -> None:
    assert why(identity() + b"\0\0\1") == "truncated: the last element is not whole"


# What does not belong


@pytest.mark.parametrize(
    "stray",
    [
        explicit(0x00000002, "UI", CT.encode() + b"\0"),
        explicit(0x00020010, "UI", b"1.2.840.10008.1.2.1\0"),
        explicit(0x00020102, "SQ", length=UNDEFINED) + implicit(0xFFFEE0DD),
    ],
)
def test_commands_and_file_meta_information_in_a_data_set_are_refused(stray: bytes) -> None:
    assert why(identity() + stray + PIXELS).endswith("does not belong in a data set")
    assert why(implicit_identity() + implicit(0x00020010, b"1.2"), uids.IMPLICIT_LE).startswith("(0002,0010)")


def test_items_outside_of_a_sequence_are_refused() -> None:
    for stray in (implicit(0xFFFEE000), implicit(0xFFFEE00D), implicit(0xFFFEE0DD)):
        assert why(identity() + stray + PIXELS).endswith("outside of a sequence")
        assert why(implicit_identity() + stray, uids.IMPLICIT_LE).endswith("outside of a sequence")


def test_an_element_without_vr_in_the_middle_is_refused() -> None:
    assert why(identity() + implicit(0x00280010, b"ab") + PIXELS) == "(0028,0010) without a value representation"


def test_something_else_in_the_place_of_an_item_is_refused() -> None:
    data = identity() + explicit(0x00400275, "SQ", length=UNDEFINED) + explicit(0x00400007, "LO", b"text")
    assert why(data) == "(0040,0275) has something else where an item is due"


def test_something_else_in_the_place_of_a_nested_element_is_refused() -> None:
    broken = explicit(0x00400007, "LO", b"text") + implicit(0x00400008, b"ab")
    assert why(identity() + sequence(0x00400275, item(broken))) == (
        "(0040,0275) has something else where an element is due"
    )


# What real devices write


def test_an_unknown_vr_has_a_long_length_and_question_marks_a_short_one() -> None:
    odd = explicit(0x00090010, "ZZ", b"future") + explicit(0x00091001, "??", b"old")
    assert scan(odd + identity()) == HEADER


def test_reserved_bytes_of_a_long_vr_are_not_looked_at() -> None:
    data = pack("<HH2sHL", 0x0009, 0x1001, b"OB", 0xABCD, 2) + b"ab"
    assert scan(data + identity()) == HEADER


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_sequence_written_as_un_holds_implicit_little_endian(order: str) -> None:
    content = implicit(0x00400007, b"implicit") + implicit(0x00400275, item(implicit(0x1)), length=UNDEFINED)
    content += implicit(0xFFFEE0DD)
    data = explicit(0x00091001, "UN", length=UNDEFINED, order=order) + item(content) + implicit(0xFFFEE0DD)
    transfer_syntax = uids.EXPLICIT_LE if order == "<" else uids.EXPLICIT_BE
    assert scan(data + identity(order), transfer_syntax) == HEADER


def test_a_sequence_written_as_un_may_hold_explicit_vr_too() -> None:
    inner = explicit(0x00400007, "LO", b"text") + explicit(0x00400008, "OB", b"12345678")
    assert scan(sequence(0x00091001, item(inner), vr="UN") + identity()) == HEADER


def test_a_big_endian_sequence_is_read() -> None:
    inner = item(explicit(0x00400007, "LO", b"text", order=">"), order=">")
    data = sequence(0x00081110, inner, item(b"", order=">"), order=">") + identity(">")
    assert scan(data, uids.EXPLICIT_BE) == HEADER


def test_a_length_that_looks_like_a_vr_does_not_mislead_inside_of_a_sequence() -> None:
    blob = implicit(0x00091001, bytes(0x424F))  # the bytes of its length are those of "OB"
    nested = implicit(0x00081110, item(blob) + implicit(0xFFFEE0DD), length=UNDEFINED)
    assert scan(nested + implicit_identity(), uids.IMPLICIT_LE) == HEADER


def test_items_of_defined_and_undefined_length_may_be_mixed() -> None:
    inner = explicit(0x00400007, "LO", b"text")
    mixed = sequence(0x00081110, item(inner), implicit(0xFFFEE000, inner), implicit(0xFFFEE000), item(b""))
    assert scan(mixed + identity()) == HEADER


def test_encapsulated_pixel_data_may_contain_what_looks_like_its_end() -> None:
    fragment = implicit(0xFFFEE000, implicit(0xFFFEE0DD) + bytes(5))
    pixels = sequence(0x7FE00010, implicit(0xFFFEE000), fragment, vr="OB")
    assert scan(identity() + pixels + explicit(0xFFFCFFFC, "OB", bytes(4)), JPEG) == HEADER
    assert why(identity() + pixels[:-8], JPEG) == "truncated: sequence (7FE0,0010) has no end"


# Depth


def nested(depth: int) -> bytes:
    """So many sequences of undefined length, one in the other, none of them ended."""
    return (explicit(0x00400275, "SQ", length=UNDEFINED) + implicit(0xFFFEE000, length=UNDEFINED)) * depth


def test_sequences_may_be_nested_as_deep_as_the_limit() -> None:
    end = (implicit(0xFFFEE00D) + implicit(0xFFFEE0DD)) * MAX_DEPTH
    assert scan(nested(MAX_DEPTH) + end + identity()) == HEADER
    assert why(nested(MAX_DEPTH + 1) + identity()) == f"sequences are nested deeper than {MAX_DEPTH}"


def test_behind_the_identifiers_deeper_nesting_is_not_looked_at() -> None:
    assert scan(identity() + nested(MAX_DEPTH + 1)) == HEADER
    without_modality = scan(explicit(0x00080018, "UI", b"1.2.3\0") + nested(300))
    assert isinstance(without_modality, Header)
    assert without_modality.sop_instance == "1.2.3"


def test_deep_nesting_before_the_last_identifier_is_refused() -> None:
    flood = nested(300).replace(pack("<HH", 0x0040, 0x0275), pack("<HH", 0x0008, 0x1110))
    assert why(explicit(0x00080018, "UI", b"1.2.3\0") + flood) == "sequences are nested deeper than 64"


def test_a_million_sequences_harm_nobody() -> None:
    flood = nested(1_000_000)
    assert scan_file_head(flood, uids.EXPLICIT_LE) == Unreadable(why="sequences are nested deeper than 64")
    assert scan_file_head(identity() + flood, uids.EXPLICIT_LE) == HEADER


# Deflated


def deflate(data: bytes, *, wbits: int = -15) -> bytes:
    stream = zlib.compressobj(9, zlib.DEFLATED, wbits)
    return stream.compress(data) + stream.flush()


@pytest.mark.parametrize("wbits", [-15, -9, 15, 9], ids=["raw", "raw, small", "zlib", "zlib, small"])
def test_a_deflated_data_set_is_read_raw_or_with_a_zlib_header(wbits: int) -> None:
    assert scan(deflate(identity() + PIXELS, wbits=wbits), uids.DEFLATED_LE) == HEADER


@pytest.mark.parametrize("transfer_syntax", ["1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"])
def test_referenced_pixel_data_may_come_deflated_too(transfer_syntax: str) -> None:
    assert scan(deflate(identity()), transfer_syntax) == HEADER


def test_a_deflated_data_set_may_be_padded() -> None:
    assert scan(deflate(identity()) + b"\0", uids.DEFLATED_LE) == HEADER


def test_a_deflated_data_set_that_is_cut_off_is_found() -> None:
    data = deflate(identity() + PIXELS)
    for size in range(1, len(data)):
        assert why(data[:size], uids.DEFLATED_LE) == "truncated: the deflated stream has no end"


def test_a_truncated_data_set_in_a_whole_deflated_stream_is_found() -> None:
    assert why(deflate(identity() + PIXELS[:-1]), uids.DEFLATED_LE).startswith("truncated: 1 bytes")


def test_a_damaged_deflated_stream_is_found() -> None:
    assert why(b"\xff" * 40, uids.DEFLATED_LE) == "the deflated stream is damaged"


def bomb(head: bytes) -> bytes:
    """A deflated data set whose pixel data are 64 MiB of zeros."""
    size = 64 << 20
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    parts = [stream.compress(head + explicit(0x7FE00010, "OW", length=size))]
    block = bytes(1 << 20)
    parts += [stream.compress(block) for _ in range(size >> 20)]
    return b"".join(parts) + stream.flush()


def test_a_deflated_bomb_is_left_unexploded() -> None:
    data = memoryview(bomb(identity()))
    tracemalloc.start()
    try:
        assert scan_file_head(data, uids.DEFLATED_LE) == HEADER
        assert tracemalloc.get_traced_memory()[1] < MAX_INFLATED_BYTES
    finally:
        tracemalloc.stop()


def test_identifiers_that_hide_behind_much_inflated_data_are_not_sought() -> None:
    data = explicit(0x00090010, "OB", bytes(MAX_INFLATED_BYTES)) + identity()
    found = scan_file_head(deflate(data), uids.DEFLATED_LE)
    assert found == Unreadable(why="no identifiers in the first MiB of the inflated data set")


# Skipping


def test_what_is_not_needed_can_be_passed_over() -> None:
    scanner = HeadScanner(uids.EXPLICIT_LE)
    scanner.feed(identity() + PIXELS[:12])
    assert scanner.unneeded == 64
    scanner.pass_over(60)
    assert scanner.unneeded == 4
    scanner.feed(bytes(4) + explicit(0xFFFCFFFC, "OB", b"ab"))
    assert scanner.unneeded == 0
    assert scanner.finish() == HEADER


def test_of_a_deflated_data_set_everything_is_needed() -> None:
    scanner = HeadScanner(uids.DEFLATED_LE)
    data = deflate(identity() + PIXELS)
    scanner.feed(data[:-1])
    assert scanner.unneeded == 0
