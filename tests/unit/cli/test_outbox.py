from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.data import make_instance, read, real_file
from hilum.cli.exit import UsageError
from hilum.cli.outbox import Outgoing, Skipped, examine, files_in


def skipped(path: Path) -> Skipped:
    found = examine(str(path))
    assert isinstance(found, Skipped)
    return found


def test_folders_are_searched_to_the_bottom_in_the_order_of_names(tmp_path: Path) -> None:
    for name in ("b/2.dcm", "b/1.dcm", "a/deep/3.dcm", "c.dcm"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [os.path.relpath(path, tmp_path) for path in files_in([str(tmp_path)])] == [
        "c.dcm",
        "a/deep/3.dcm",
        "b/1.dcm",
        "b/2.dcm",
    ]


def test_files_stay_in_the_order_they_were_named(tmp_path: Path) -> None:
    paths = [str(tmp_path / "z"), str(tmp_path / "a")]
    for path in paths:
        Path(path).touch()
    assert list(files_in(paths)) == paths


def test_a_path_that_is_not_there_is_a_mistake_of_the_command_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file or folder"):
        list(files_in([str(tmp_path / "none")]))


@pytest.mark.parametrize(
    "name", ["CT_small.dcm", "JPEG2000.dcm", "MR_small_bigendian.dcm", "image_dfl.dcm", "rtplan.dcm"]
)
def test_a_dicom_file_is_found_whatever_its_transfer_syntax(name: str) -> None:
    path = real_file(name)
    found = examine(str(path))
    assert isinstance(found, Outgoing)
    expected = read(path)
    assert found.sop_class == expected.SOPClassUID
    assert found.sop_instance == expected.SOPInstanceUID
    assert found.transfer_syntax == expected.file_meta.TransferSyntaxUID
    assert found.offset + found.length == path.stat().st_size


def test_the_data_set_decides_which_instance_it_is_not_the_head_of_the_file(tmp_path: Path) -> None:
    path = make_instance(tmp_path, sop_instance="1.2.3")
    head, _, rest = path.read_bytes().partition(b"1.2.3")
    path.write_bytes(head + b"9.9.9" + rest)
    found = examine(str(path))
    assert isinstance(found, Outgoing)
    assert found.sop_instance == "1.2.3"


def test_other_files_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not DICOM" * 100)
    (tmp_path / "empty").touch()
    os.mkfifo(tmp_path / "fifo")
    assert "not DICOM" in skipped(tmp_path / "notes.txt").why
    assert skipped(tmp_path / "empty").why == "empty"
    assert skipped(tmp_path / "fifo").why == "not a regular file"
    assert not any(skipped(path).damaged for path in tmp_path.iterdir())


def test_a_directory_of_media_is_nothing_to_store() -> None:
    found = skipped(real_file("DICOMDIR"))
    assert "nothing to store" in found.why
    assert not found.damaged


def test_a_damaged_dicom_file_is_a_failure(tmp_path: Path) -> None:
    whole = make_instance(tmp_path)
    cut = tmp_path / "cut.dcm"
    cut.write_bytes(whole.read_bytes()[:-100])
    assert skipped(cut).damaged
    assert "100 bytes are missing" in skipped(cut).why
    assert skipped(tmp_path / "gone.dcm").damaged


def test_the_content_of_a_small_file_is_kept_as_long_as_there_is_room(tmp_path: Path) -> None:
    small, large = make_instance(tmp_path), make_instance(tmp_path, size=100_000)
    size = small.stat().st_size

    def content(path: Path, keep: int) -> bytes | None:
        found = examine(str(path), keep=keep)
        assert isinstance(found, Outgoing)
        return found.content

    assert content(small, size) == small.read_bytes()
    assert content(small, size - 1) is None
    assert content(large, 1_000_000) is None
