from __future__ import annotations

from pathlib import Path

import pytest

from hilum.errors import LocalError, TemporaryError
from hilum.store.folders import move_folder, put_aside, remove_folder


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_folder_that_cannot_be_moved_is_told(tmp_path: Path) -> None:
    with pytest.raises(TemporaryError, match="could not be moved"):
        move_folder(tmp_path / "missing", tmp_path / "held")


def test_a_folder_is_removed_with_all_that_is_in_it(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    root = tmp_path / "spool"
    (root / "held" / "a" / "deeper").mkdir(parents=True)
    (root / "held" / "a" / "1.dcm").touch()
    (root / "held" / "a" / "link").symlink_to(outside)
    remove_folder(root, "held/a")
    assert names(root / "held") == set()
    assert names(outside) == {"file"}
    remove_folder(root, "held/a")
    remove_folder(root, "never/was")


def test_a_link_in_the_place_of_a_folder_is_not_removed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "a").symlink_to(outside)
    with pytest.raises(TemporaryError, match="could not be removed"):
        remove_folder(tmp_path, "a")
    assert outside.is_dir()


@pytest.mark.parametrize("name", ["", ".", "..", "a/../..", "../spool", "/etc"])
def test_nothing_outside_of_the_spool_is_removed(tmp_path: Path, name: str) -> None:
    root = tmp_path / "spool"
    root.mkdir()
    with pytest.raises(LocalError, match="is no folder below"):
        remove_folder(root, name)
    assert root.is_dir()


def test_a_damaged_file_is_put_aside_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    file = tmp_path / "spool" / "1.dcm"
    file.write_bytes(b"metadata")
    kept = put_aside(file, tmp_path / "quarantine", "a-1.dcm", "truncated")
    assert kept == tmp_path / "quarantine" / "a-1.dcm"
    assert kept.read_bytes() == b"metadata"
    assert (tmp_path / "quarantine" / "a-1.dcm.txt").read_text() == "truncated\n"
    assert names(tmp_path / "spool") == set()
    with pytest.raises(TemporaryError, match="could not be put aside"):
        put_aside(file, tmp_path / "quarantine", "a-1.dcm", "truncated")
