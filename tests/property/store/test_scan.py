"""Any data set that pydicom can write, and any bytes at all, in any pieces."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from io import BytesIO
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset

from hilum.model import Header
from hilum.store.scan import HeadScanner, Unreadable, scan_file_head
from hilum.wire import uids

TAGS = {
    "sop_class": 0x00080016,
    "sop_instance": 0x00080018,
    "modality": 0x00080060,
    "patient_id": 0x00100020,
    "study": 0x0020000D,
    "series": 0x0020000E,
}
#: Implicit VR, little endian.
CODINGS = {
    uids.IMPLICIT_LE: (True, True),
    uids.EXPLICIT_LE: (False, True),
    uids.EXPLICIT_BE: (False, False),
    "1.2.840.10008.1.2.4.90": (False, True),
}

uid = st.lists(st.integers(0, 10**9), min_size=1, max_size=6).map(lambda parts: ".".join(map(str, parts)))
text = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters="\\"), max_size=16)
other_bytes = st.binary(max_size=40)

#: Tags and VRs to choose from; private ones, and some whose group is within or beside the wanted ones.
ELEMENTS: Sequence[tuple[int, str, st.SearchStrategy[Any]]] = [
    (0x00080016, "UI", uid),
    (0x00080018, "UI", uid),
    (0x00080060, "CS", st.sampled_from(["CT", "MR", ""])),
    (0x00100020, "LO", text),
    (0x0020000D, "UI", uid),
    (0x0020000E, "UI", uid),
    (0x00080070, "LO", text),
    (0x00090010, "LO", text),
    (0x00091001, "UN", other_bytes),
    (0x00091016, "OB", other_bytes),
    (0x00100010, "PN", text),
    (0x00180016, "SH", text),
    (0x00200013, "IS", st.integers(0, 99)),
    (0x00280010, "US", st.integers(0, 65535)),
    (0x00400275, "UT", text),
    (0x7FE00010, "OW", other_bytes.map(lambda value: value[: len(value) // 2 * 2])),
]
SEQUENCES = [0x00081110, 0x00091020, 0x00400260, 0x52009230]


@st.composite
def data_sets(draw: st.DrawFn, depth: int = 3) -> Dataset:
    made = Dataset()
    for tag, vr, values in draw(st.lists(st.sampled_from(ELEMENTS), max_size=8)):
        made.add(DataElement(tag, vr, draw(values)))
    if depth:
        for tag in draw(st.lists(st.sampled_from(SEQUENCES), max_size=2)):
            items = draw(st.lists(data_sets(depth=depth - 1), max_size=2))
            for item in items:
                item.is_undefined_length_sequence_item = draw(st.booleans())
            made.add(DataElement(tag, "SQ", items))
            made[tag].is_undefined_length = draw(st.booleans())
    return made


codings = st.sampled_from(sorted(CODINGS))


def coded(data_set: Dataset, transfer_syntax: str) -> bytes:
    implicit, little = CODINGS[transfer_syntax]
    file = DicomBytesIO()
    file.is_implicit_VR, file.is_little_endian = implicit, little
    write_dataset(file, data_set)
    return file.getvalue()


def as_pydicom_reads(data: bytes, transfer_syntax: str) -> Header:
    implicit, little = CODINGS[transfer_syntax]
    found = read_dataset(BytesIO(data), implicit, little)
    texts = {}
    for name, tag in TAGS.items():
        value = (found.get_item(tag).value or b"") if tag in found else b""
        texts[name] = value.decode("utf-8", "backslashreplace").strip(" \0")
    return Header(**texts)


def split(data: bytes, cuts: Sequence[int]) -> list[memoryview]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [memoryview(data)[start:end] for start, end in pairwise(places)]


def scanned(pieces: Sequence[memoryview | bytes], transfer_syntax: str) -> Header | Unreadable:
    scanner = HeadScanner(transfer_syntax)
    for piece in pieces:
        scanner.feed(piece)
    return scanner.finish()


cuts = st.lists(st.integers(0, 1 << 20), max_size=12)


@settings(max_examples=200, deadline=None)
@given(data_set=data_sets(), transfer_syntax=codings, cuts=cuts)
def test_the_scanner_agrees_with_pydicom_however_the_bytes_come(
    data_set: Dataset, transfer_syntax: str, cuts: list[int]
) -> None:
    data = coded(data_set, transfer_syntax)
    found = scanned(split(data, cuts), transfer_syntax)
    if data:
        assert found == as_pydicom_reads(data, transfer_syntax)
    else:
        assert isinstance(found, Unreadable)


@settings(max_examples=50, deadline=None)
@given(data_set=data_sets(), cuts=cuts, wbits=st.sampled_from([-15, 15]))
def test_deflating_changes_nothing(data_set: Dataset, cuts: list[int], wbits: int) -> None:
    data = coded(data_set, uids.EXPLICIT_LE)
    stream = zlib.compressobj(6, zlib.DEFLATED, wbits)
    deflated = stream.compress(data) + stream.flush()
    assert scanned(split(deflated, cuts), uids.DEFLATED_LE) == scan_file_head(data, uids.EXPLICIT_LE)


def boundaries(data_set: Dataset, transfer_syntax: str) -> set[int]:
    """Where the elements of the top level begin, and where the last one ends."""
    places, position = {0}, 0
    for tag in sorted(data_set.keys()):
        one = Dataset()
        one.add(data_set[tag])
        position += len(coded(one, transfer_syntax))
        places.add(position)
    return places


@settings(max_examples=50, deadline=None)
@given(data_set=data_sets(), transfer_syntax=codings)
def test_a_data_set_that_ends_within_an_element_is_unreadable(data_set: Dataset, transfer_syntax: str) -> None:
    data = coded(data_set, transfer_syntax)
    places = boundaries(data_set, transfer_syntax)
    assert len(data) in places
    for size in range(1, len(data)):
        found = scan_file_head(memoryview(data)[:size], transfer_syntax)
        rest = data[max(place for place in places if place <= size) : size]
        if not rest:
            assert isinstance(found, Header), size
        elif any(rest):  # a rest of zeros only is the padding that is let pass
            assert isinstance(found, Unreadable), size


@settings(max_examples=300, deadline=None)
@given(
    data=st.binary(max_size=200),
    cuts=cuts,
    transfer_syntax=st.sampled_from([*sorted(CODINGS), "", "1.2.840.113619.5.2"]),
)
def test_any_bytes_give_the_same_verdict_however_they_come(data: bytes, cuts: list[int], transfer_syntax: str) -> None:
    found = scanned(split(data, cuts), transfer_syntax)
    assert found == scan_file_head(data, transfer_syntax)
    if isinstance(found, Unreadable):
        assert 0 < len(found.why) <= 64
        assert found.why.isascii()


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=200), cuts=cuts)
def test_any_bytes_may_come_as_deflated_ones(data: bytes, cuts: list[int]) -> None:
    assert isinstance(scanned(split(data, cuts), uids.DEFLATED_LE), Header | Unreadable)


@settings(max_examples=200, deadline=None)
@given(
    data_set=data_sets(),
    transfer_syntax=codings,
    cuts=cuts,
    damage=st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_a_damaged_data_set_gives_the_same_verdict_however_it_comes(
    data_set: Dataset, transfer_syntax: str, cuts: list[int], damage: list[tuple[int, int]]
) -> None:
    data = bytearray(coded(data_set, transfer_syntax) or b"\0")
    for place, value in damage:
        data[place % len(data)] = value
    damaged = bytes(data)
    assert scanned(split(damaged, cuts), transfer_syntax) == scan_file_head(damaged, transfer_syntax)
