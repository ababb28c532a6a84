from __future__ import annotations

from pathlib import Path

import pytest

from hilum.store.durable import make_folders, write_whole


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "receipt.json"
    write_whole(path, "one")
    write_whole(path, "two")
    assert path.read_text() == "two"
    assert [entry.name for entry in tmp_path.iterdir()] == ["receipt.json"]


def test_what_cannot_be_written_leaves_the_old_one_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "receipt.json"
    path.mkdir()  # which no file replaces
    with pytest.raises(OSError, match="receipt"):
        write_whole(path, "text")
    assert [entry.name for entry in tmp_path.iterdir()] == ["receipt.json"]
    with pytest.raises(OSError, match="No such file"):
        write_whole(tmp_path / "gone" / "receipt.json", "text")


def test_missing_folders_are_made_and_those_that_are_there_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir(mode=0o700)
    make_folders(tmp_path / "a" / "b" / "c")
    make_folders(tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c").is_dir()
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        make_folders(tmp_path / "file" / "b")
