from __future__ import annotations

import json
from pathlib import Path

import pytest

from hilum.errors import PermanentError, TemporaryError
from hilum.store.leftovers import Leftover, leftovers, read_association
from hilum.store.spool import AssociationFolder, Durability
from unit.store.test_spool import INFO, META, store


def test_what_a_crash_left_is_found_in_order(tmp_path: Path) -> None:
    folder = AssociationFolder(tmp_path, INFO, Durability.INSTANCE)
    for _ in range(11):
        store(folder)
    folder.new_instance(META).write([b"half"])
    (folder.path / "99.dcm").symlink_to("/etc/passwd")
    (folder.path / "note.txt").touch()
    (folder.path / "07.dcm").touch()
    [found] = leftovers(tmp_path)
    assert found.folder == folder.path
    assert found.info == INFO
    assert [path.name for path in found.complete] == [f"{number}.dcm" for number in range(1, 12)]
    assert [path.name for path in found.unfinished] == ["12.part"]


def test_what_is_no_association_is_passed_over(tmp_path: Path) -> None:
    for name in ("held", "quarantine", "lost+found", "photos", "2026"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.part").touch()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "held")
    assert leftovers(tmp_path) == ()
    assert leftovers(tmp_path / "missing") == ()


def test_a_spool_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TemporaryError, match="cannot be read"):
        leftovers(tmp_path / "file")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("", "is damaged"),
        ("{", "is damaged"),
        ("[]", "is damaged"),
        ("{}", "is damaged"),
        ('"text"', "is damaged"),
        (json.dumps({"id": INFO.id, "calling": "", "called": "B", "host": "", "port": 1}), "is damaged"),
    ],
)
def test_a_damaged_record_is_told(tmp_path: Path, damage: str, message: str) -> None:
    folder = AssociationFolder(tmp_path, INFO, Durability.INSTANCE)
    (folder.path / "association.json").write_text(damage)
    with pytest.raises(PermanentError, match=message):
        read_association(folder.path)
    [found] = leftovers(tmp_path)
    assert found.info is None


def test_a_missing_record_is_told(tmp_path: Path) -> None:
    folder = tmp_path / INFO.id
    folder.mkdir()
    with pytest.raises(PermanentError, match="is missing"):
        read_association(folder)
    [found] = leftovers(tmp_path)
    assert found == Leftover(folder=folder, info=None, unfinished=(), complete=())


def test_the_record_of_another_association_is_not_believed(tmp_path: Path) -> None:
    folder = AssociationFolder(tmp_path, INFO, Durability.INSTANCE)
    copied = folder.path.rename(tmp_path / "copied by hand")
    with pytest.raises(PermanentError, match="not of this folder"):
        read_association(copied)
