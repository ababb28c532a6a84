"""Every DICOM file of the installed packages that bring some, read by us and by pydicom."""

from __future__ import annotations

import gzip
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import pydicom
import pytest

from hilum.model import Header
from hilum.store.part10 import MetaInfo, NotDicom, read_meta
from hilum.store.scan import HeadScanner, Unreadable, scan_file_head
from hilum.wire import uids

PACKAGES = ("pydicom", "data_store", "nibabel", "pynetdicom")
TAGS = {
    "sop_class": 0x00080016,
    "sop_instance": 0x00080018,
    "modality": 0x00080060,
    "patient_id": 0x00100020,
    "study": 0x0020000D,
    "series": 0x0020000E,
}
#: Broken on purpose by those who made them, each as its name says.
UNREADABLE = {
    "MR_truncated.dcm": "truncated: 62 bytes are missing in (7FE0,0010)",
    "rtplan_truncated.dcm": "truncated: 265 bytes are missing in (300A,00B0)",
    "emri_small_jpeg_2k_lossless_too_short.dcm": "truncated: sequence (7FE0,0010) has no end",
}
NOT_DICOM = {
    "no_meta.dcm": "no DICM at byte 128, and it does not begin with a data set",  # a stray byte comes first
}


def content(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


def real_files() -> list[Path]:
    found = []
    for package in PACKAGES:
        spec = find_spec(package)
        assert spec is not None
        assert spec.origin is not None
        for path in sorted(Path(spec.origin).parent.rglob("*")):
            if path.is_file() and path.suffix not in {".py", ".pyc", ".so", ".json", ".txt"}:
                named = ".dcm" in path.suffixes
                if named or (path.suffix != ".gz" and path.read_bytes()[128:132] == b"DICM"):
                    found.append(path)
    return found


FILES = real_files()


def raw_text(data_set: pydicom.Dataset, tag: int) -> str:
    """The value as bytes show it, before any character set is applied."""
    if tag not in data_set:
        return ""
    value = data_set.get_item(tag).value or b""
    assert isinstance(value, bytes)
    return value.decode("utf-8", "backslashreplace").strip(" \0")


def test_there_are_as_many_files_as_there_should_be() -> None:
    assert len(FILES) > 270
    assert {*UNREADABLE, *NOT_DICOM} <= {path.name for path in FILES}


@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom has much to say about these files
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_real_file_is_read_as_pydicom_reads_it(path: Path) -> None:
    data = content(path)
    meta = read_meta(data[:65536])
    if path.name in NOT_DICOM:
        assert meta == NotDicom(why=NOT_DICOM[path.name])
        return
    assert isinstance(meta, MetaInfo)
    theirs = pydicom.dcmread(BytesIO(data), force=True, stop_before_pixels=True)

    assert meta.sop_class == theirs.file_meta.get("MediaStorageSOPClassUID", "")
    assert meta.sop_instance == theirs.file_meta.get("MediaStorageSOPInstanceUID", "")
    if meta.guessed:
        assert "TransferSyntaxUID" not in theirs.file_meta
        kinds = {(True, True): uids.IMPLICIT_LE, (False, True): uids.EXPLICIT_LE, (False, False): uids.EXPLICIT_BE}
        assert meta.transfer_syntax == kinds[theirs.original_encoding]
    else:
        assert meta.transfer_syntax == theirs.file_meta.TransferSyntaxUID

    found = scan_file_head(memoryview(data)[meta.data_set_offset :], meta.transfer_syntax)
    if path.name in UNREADABLE:
        assert found == Unreadable(why=UNREADABLE[path.name])
        return
    assert found == Header(**{name: raw_text(theirs, tag) for name, tag in TAGS.items()})


@pytest.mark.parametrize("size", [1, 7, 333, 4096])
def test_the_size_of_the_pieces_changes_nothing(size: int) -> None:
    for path in FILES:
        data = memoryview(content(path))
        meta = read_meta(bytes(data[:65536]))
        if isinstance(meta, NotDicom) or len(data) > 20_000 * size:
            continue
        data_set = data[meta.data_set_offset :]
        scanner = HeadScanner(meta.transfer_syntax)
        for start in range(0, len(data_set), size):
            scanner.feed(data_set[start : start + size])
        assert scanner.finish() == scan_file_head(data_set, meta.transfer_syntax), path.name
