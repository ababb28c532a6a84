from __future__ import annotations

from io import BytesIO
from struct import pack

import pydicom
import pytest

from hilum.store.part10 import MetaInfo, NotDicom, file_meta, read_meta
from hilum.wire import uids

CT = "1.2.840.10008.5.1.4.1.1.2"
JPEG = "1.2.840.10008.1.2.4.50"
EXPLICIT_DATA = pack("<HH2sH", 0x0008, 0x0005, b"CS", 10) + b"ISO_IR 100"
IMPLICIT_DATA = pack("<HHL", 0x0008, 0x0005, 10) + b"ISO_IR 100"
BIG_ENDIAN_DATA = pack(">HH2sH", 0x0008, 0x0005, b"CS", 10) + b"ISO_IR 100"


def meta(*, called: str = "", transfer_syntax: str = uids.EXPLICIT_LE, calling: str = "CT99") -> bytes:
    return file_meta(
        sop_class=CT,
        sop_instance="1.2.3.4",
        transfer_syntax=transfer_syntax,
        calling=calling,
        called=called,
        implementation_class_uid=uids.IMPLEMENTATION_CLASS_UID,
        implementation_version_name=uids.IMPLEMENTATION_VERSION_NAME,
    )


def group(*elements: bytes, prefix: bytes = bytes(128) + b"DICM") -> bytes:
    return prefix + b"".join(elements)


def element(number: int, vr: bytes, value: bytes) -> bytes:
    return pack("<HH2sH", 0x0002, number, vr, len(value)) + value


TRANSFER_SYNTAX = element(0x0010, b"UI", JPEG.encode())


# Written


def test_pydicom_reads_what_is_written() -> None:
    data = meta(called="HILUM")
    assert data[:132] == bytes(128) + b"DICM"
    read = pydicom.dcmread(BytesIO(data + EXPLICIT_DATA), force=False).file_meta
    assert [element.tag.elem for element in read] == [0, 1, 2, 3, 0x10, 0x12, 0x13, 0x16, 0x17, 0x18]
    assert read.FileMetaInformationGroupLength == len(data) - 144
    assert read.FileMetaInformationVersion == b"\0\1"
    assert read.MediaStorageSOPClassUID == CT
    assert read.MediaStorageSOPInstanceUID == "1.2.3.4"
    assert read.TransferSyntaxUID == uids.EXPLICIT_LE
    assert read.ImplementationClassUID == uids.IMPLEMENTATION_CLASS_UID
    assert read.ImplementationVersionName == uids.IMPLEMENTATION_VERSION_NAME
    assert read.SourceApplicationEntityTitle == read.SendingApplicationEntityTitle == "CT99"
    assert read.ReceivingApplicationEntityTitle == "HILUM"


def test_without_a_called_title_the_ends_of_the_transfer_are_not_written() -> None:
    read = pydicom.dcmread(BytesIO(meta() + EXPLICIT_DATA)).file_meta
    assert read.SourceApplicationEntityTitle == "CT99"
    assert "SendingApplicationEntityTitle" not in read
    assert "ReceivingApplicationEntityTitle" not in read


@pytest.mark.parametrize("calling", ["A", "AB", "A" * 16])
def test_every_value_is_padded_to_even_length_as_its_vr_wants(calling: str) -> None:
    data = meta(calling=calling, transfer_syntax=uids.EXPLICIT_LE)
    assert len(data) % 2 == 0
    assert b"1.2.840.10008.5.1.4.1.1.2\0" in data
    assert b"HILUM_0_1 " in data
    assert data.endswith(calling.encode() + b" " * (len(calling) % 2))


# Read


def test_what_is_written_is_read_again() -> None:
    data = meta(called="HILUM", transfer_syntax=JPEG)
    expected = MetaInfo(
        transfer_syntax=JPEG, sop_class=CT, sop_instance="1.2.3.4", data_set_offset=len(data), guessed=False
    )
    assert read_meta(data + EXPLICIT_DATA) == expected
    assert read_meta(data) == expected


@pytest.mark.parametrize("length", [0, 7, 0xFFFFFFFF])
def test_a_wrong_group_length_does_not_mislead(length: int) -> None:
    head = group(element(0, b"UL", pack("<L", length)), TRANSFER_SYNTAX)
    found = read_meta(head + EXPLICIT_DATA)
    assert isinstance(found, MetaInfo)
    assert (found.transfer_syntax, found.data_set_offset) == (JPEG, len(head))


def test_group_length_preamble_and_prefix_may_be_missing() -> None:
    found = read_meta(group(TRANSFER_SYNTAX, prefix=b"") + EXPLICIT_DATA)
    assert isinstance(found, MetaInfo)
    assert (found.transfer_syntax, found.data_set_offset) == (JPEG, len(TRANSFER_SYNTAX))


def test_private_information_with_a_long_length_is_walked_over() -> None:
    private = pack("<HH2sHL", 0x0002, 0x0102, b"OB", 0, 1000) + bytes(1000)
    head = group(private, TRANSFER_SYNTAX)
    found = read_meta(head + EXPLICIT_DATA)
    assert isinstance(found, MetaInfo)
    assert found.data_set_offset == len(head)


def test_a_group_coded_with_implicit_vr_is_read() -> None:
    head = group(pack("<HHL", 0x0002, 0x0010, 18) + b"1.2.840.10008.1.2\0")
    found = read_meta(head + IMPLICIT_DATA)
    assert isinstance(found, MetaInfo)
    assert (found.transfer_syntax, found.guessed) == (uids.IMPLICIT_LE, False)


@pytest.mark.parametrize("prefix", [b"", bytes(128) + b"DICM"], ids=["bare", "prefixed"])
@pytest.mark.parametrize(
    ("data", "transfer_syntax"),
    [
        (EXPLICIT_DATA, uids.EXPLICIT_LE),
        (IMPLICIT_DATA, uids.IMPLICIT_LE),
        (BIG_ENDIAN_DATA, uids.EXPLICIT_BE),
    ],
)
def test_a_missing_transfer_syntax_is_told_from_the_data_set(prefix: bytes, data: bytes, transfer_syntax: str) -> None:
    found = read_meta(prefix + data)
    assert found == MetaInfo(
        transfer_syntax=transfer_syntax, sop_class="", sop_instance="", data_set_offset=len(prefix), guessed=True
    )


def test_behind_a_prefix_a_data_set_may_begin_with_any_group() -> None:
    found = read_meta(group(element(0x0002, b"UI", CT.encode() + b"\0")) + pack("<HHL", 0x0010, 0x0020, 0))
    assert isinstance(found, MetaInfo)
    assert (found.sop_class, found.transfer_syntax, found.guessed) == (CT, uids.IMPLICIT_LE, True)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x08",
        b'{"PatientID": "x"}' * 20,
        b"\x89PNG\r\n\x1a\n" + bytes(200),
        b"PK\x03\x04" + bytes(200),
        b"\x02\0\0\0" + bytes(200),
        b"\x02\0" * 100,
        bytes(200),
        b"\x08\0\x05\0" + b"\xff" * 200,
        pack("<HHL", 0x0010, 0x0020, 4) + b"name",
    ],
)
def test_other_files_are_not_taken_for_dicom(data: bytes) -> None:
    assert read_meta(data) == NotDicom(why="no DICM at byte 128, and it does not begin with a data set")


def test_a_head_that_does_not_end_is_told() -> None:
    data = meta()
    for size in range(140, len(data)):
        found = read_meta(data[:size])
        if isinstance(found, MetaInfo):  # it ends between two elements, after the transfer syntax
            assert found.transfer_syntax == uids.EXPLICIT_LE
        else:
            assert found.why in {
                f"group 0002 does not end within the first {size} bytes",
                "no transfer syntax in group 0002, no data set to tell it from",
            }


def test_a_transfer_syntax_that_is_no_uid_is_told() -> None:
    found = read_meta(group(element(0x0010, b"UI", b"../../etc ")) + EXPLICIT_DATA)
    assert found == NotDicom(why="the transfer syntax in group 0002 is not a UID")
