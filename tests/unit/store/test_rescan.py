from __future__ import annotations

import os
from pathlib import Path
from struct import pack

import pytest

from hilum.errors import TemporaryError
from hilum.store.part10 import file_meta
from hilum.store.rescan import Scanned, examine, rescan
from hilum.store.scan import Unreadable
from hilum.wire import uids

SOP_INSTANCE = pack("<HH2sH", 0x0008, 0x0018, b"UI", 6) + b"1.2.3\0"
META = file_meta(
    sop_class="1.2.840.10008.5.1.4.1.1.2",
    sop_instance="1.2.3",
    transfer_syntax=uids.EXPLICIT_LE,
    calling="CT99",
    implementation_class_uid=uids.IMPLEMENTATION_CLASS_UID,
    implementation_version_name=uids.IMPLEMENTATION_VERSION_NAME,
)


def pixels(size: int) -> bytes:
    return pack("<HH2sHL", 0x7FE0, 0x0010, b"OW", 0, size)


def bytes_read() -> int:
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["rchar"])


def test_a_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "1.dcm"
    path.write_bytes(META + SOP_INSTANCE + pixels(8) + bytes(8))
    found = rescan(path)
    assert isinstance(found, Scanned)
    assert found.meta.sop_instance == found.header.sop_instance == "1.2.3"
    assert found.size == path.stat().st_size


def test_pixel_data_is_not_read(tmp_path: Path) -> None:
    size = 3 << 30  # a hole: it takes no room
    path = tmp_path / "1.dcm"
    head = META + SOP_INSTANCE + pixels(size)
    path.write_bytes(head)
    os.truncate(path, len(head) + size)
    with path.open("ab") as file:
        file.write(pack("<HH2sHL", 0xFFFC, 0xFFFC, b"OB", 0, 2) + b"ab")
    before = bytes_read()
    found = rescan(path)
    assert isinstance(found, Scanned)
    assert found.size == len(head) + size + 14
    assert bytes_read() - before < 1 << 20


def test_many_elements_are_read_through(tmp_path: Path) -> None:
    private = b"".join(pack("<HH2sH", 0x0009, 0x1000, b"LO", 998) + bytes(998) for _ in range(500))
    path = tmp_path / "1.dcm"
    path.write_bytes(META + private + SOP_INSTANCE + pixels(4) + bytes(4))
    found = rescan(path)
    assert isinstance(found, Scanned)
    assert found.header.sop_instance == "1.2.3"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no DICM at byte 128, and it does not begin with a data set"),
        (bytes(4096), "no DICM at byte 128, and it does not begin with a data set"),
        (META, "the data set is empty"),
        (META + SOP_INSTANCE + pixels(1 << 20) + bytes(70_000), "truncated: 978576 bytes are missing in (7FE0,0010)"),
    ],
)
def test_a_damaged_file_is_told(tmp_path: Path, data: bytes, why: str) -> None:
    path = tmp_path / "1.dcm"
    path.write_bytes(data)
    assert rescan(path) == Unreadable(why=why)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(META + SOP_INSTANCE)
    (tmp_path / "1.dcm").symlink_to(tmp_path / "real")
    with pytest.raises(TemporaryError, match="cannot be read"):
        rescan(tmp_path / "1.dcm")


def test_a_pipe_does_not_stop_the_reader(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "1.dcm")
    with pytest.raises(TemporaryError, match="cannot be read"):
        rescan(tmp_path / "1.dcm")


def test_an_open_file_can_be_examined(tmp_path: Path) -> None:
    path = tmp_path / "result"
    path.write_bytes(META + SOP_INSTANCE)
    with path.open("rb") as file:
        assert isinstance(examine(file.fileno()), Scanned)
