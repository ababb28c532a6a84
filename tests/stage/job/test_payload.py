from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hilum.errors import PermanentError, TemporaryError
from hilum.job import payload
from hilum.job.payload import Input, build

NAME = "scp-lung-20261122081500-9f3c21ab"
UIDS = ["1.2.3", "1.2.4"]


@pytest.fixture
def payloads(tmp_path: Path) -> Path:
    (tmp_path / "payloads").mkdir()
    return tmp_path / "payloads"


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    (tmp_path / "spool").mkdir()
    return tmp_path / "spool"


@pytest.fixture
def elsewhere(payloads: Path) -> Iterator[Path]:
    """A folder on another file system."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == payloads.stat().st_dev:
        pytest.skip("there is no second file system here")
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


def inputs(folder: Path) -> list[Input]:
    made = []
    for number, uid in enumerate(UIDS, 1):
        (folder / f"{number}.dcm").write_text(f"the bytes of {uid}")
        made.append(Input(spool=folder / f"{number}.dcm", sop_instance=uid))
    return made


def make(payloads: Path, files: list[Input]) -> tuple[Path, int]:
    return build(payloads, NAME, workflow="0fcdcdea-89c6", description={"job": "7", "ort": "Köln"}, inputs=files)


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_payload_has_the_structure_of_the_specification(payloads: Path, spool: Path) -> None:
    folder, size = make(payloads, inputs(spool))
    assert folder == payloads / NAME
    assert size == 2 * len("the bytes of 1.2.3")
    assert contents(folder) == {
        "job.meta": "0fcdcdea-89c6\n",
        "job.json": json.dumps({"job": "7", "ort": "Köln"}, indent=2, ensure_ascii=False) + "\n",
        "input/1.2.3.dcm": "the bytes of 1.2.3",
        "input/1.2.4.dcm": "the bytes of 1.2.4",
    }
    assert (folder / "output").is_dir()
    assert list(payloads.iterdir()) == [folder]


def test_inputs_are_hard_links_to_the_one_copy_in_the_spool(payloads: Path, spool: Path) -> None:
    folder, _ = make(payloads, inputs(spool))
    other, _ = build(payloads, "another-job", workflow="w", description={}, inputs=inputs(spool))
    for number, uid in enumerate(UIDS, 1):
        kept = (spool / f"{number}.dcm").stat().st_ino
        assert (folder / "input" / f"{uid}.dcm").stat().st_ino == kept
        assert (other / "input" / f"{uid}.dcm").stat().st_ino == kept


def test_across_file_systems_inputs_are_copies(payloads: Path, elsewhere: Path) -> None:
    folder, size = make(payloads, inputs(elsewhere))
    assert (folder / "input" / "1.2.3.dcm").read_text() == "the bytes of 1.2.3"
    assert (folder / "input" / "1.2.3.dcm").stat().st_nlink == 1
    assert size == 2 * len("the bytes of 1.2.3")
    assert (elsewhere / "1.dcm").exists()


def test_building_again_finds_what_was_built(payloads: Path, spool: Path) -> None:
    first = make(payloads, inputs(spool))
    (first[0] / "output" / "result.dcm").write_text("of the workflow")
    before = contents(first[0])
    for path in spool.iterdir():
        path.unlink()  # swept meanwhile
    assert make(payloads, [Input(spool=spool / "1.dcm", sop_instance="1.2.3")]) == first
    assert contents(first[0]) == before


def test_what_an_attempt_that_was_cut_off_left_behind_is_replaced(payloads: Path, spool: Path) -> None:
    cut_off = payloads / f".building-{NAME}"
    (cut_off / "input").mkdir(parents=True)
    (cut_off / "input" / "9.9.9.dcm").write_text("half")
    (cut_off / "job.meta").write_text("half")
    folder, _ = make(payloads, inputs(spool))
    assert sorted(contents(folder)) == ["input/1.2.3.dcm", "input/1.2.4.dcm", "job.json", "job.meta"]
    assert list(payloads.iterdir()) == [folder]


def test_nobody_sees_a_payload_before_it_is_whole(payloads: Path, spool: Path) -> None:
    files = inputs(spool)
    seen: list[list[str]] = []

    class Looking(list[Input]):
        def __iter__(self) -> Iterator[Input]:
            for one in files:
                yield one
                seen.append([path.name for path in payloads.iterdir()])

    make(payloads, Looking())
    assert seen == [[f".building-{NAME}"]] * 2


def test_a_spool_file_that_is_gone_is_for_the_operator_and_nothing_is_left(payloads: Path, spool: Path) -> None:
    files = inputs(spool)
    files[1].spool.unlink()
    with pytest.raises(PermanentError, match=r"2\.dcm is gone from the spool; it was received, but is not there"):
        make(payloads, files)
    assert list(payloads.iterdir()) == []


def test_a_spool_file_that_is_gone_is_told_across_file_systems_too(payloads: Path, elsewhere: Path) -> None:
    files = inputs(elsewhere)
    files[1].spool.unlink()
    with pytest.raises(PermanentError, match=r"2\.dcm is gone from the spool"):
        make(payloads, files)
    assert list(payloads.iterdir()) == []


def test_payloads_that_are_not_there_just_now_are_waited_for(tmp_path: Path, spool: Path) -> None:
    """A network share that is not mounted."""
    (tmp_path / "file").write_text("")
    with pytest.raises(TemporaryError, match="cannot be made"):
        make(tmp_path / "file", inputs(spool))


def test_a_full_disk_is_waited_for_and_nothing_is_left(
    payloads: Path, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(payload, "write_file", full)
    with pytest.raises(TemporaryError, match="No space left on device"):
        make(payloads, inputs(spool))
    assert list(payloads.iterdir()) == []
    monkeypatch.undo()
    assert make(payloads, inputs(spool))[0].is_dir()


def test_the_same_instance_twice_is_no_job(payloads: Path, spool: Path) -> None:
    twice = inputs(spool)[:1] * 2
    with pytest.raises(TemporaryError, match="File exists"):
        make(payloads, twice)
    assert list(payloads.iterdir()) == []


def test_a_payload_is_removed_with_everything_in_it(payloads: Path, spool: Path) -> None:
    folder, _ = make(payloads, inputs(spool))
    (folder / "output" / "deep" / "er").mkdir(parents=True)
    payload.remove(payloads, folder)
    assert list(payloads.iterdir()) == []
    assert (spool / "1.dcm").read_text() == "the bytes of 1.2.3"
    payload.remove(payloads, folder)  # again: there is nothing, and that is fine


def test_links_in_a_payload_are_removed_and_not_followed(payloads: Path, spool: Path, tmp_path: Path) -> None:
    folder, _ = make(payloads, inputs(spool))
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("precious")
    (folder / "output" / "link").symlink_to(tmp_path / "precious")
    payload.remove(payloads, folder)
    assert (tmp_path / "precious" / "file").read_text() == "precious"
    assert not folder.exists()


@pytest.mark.parametrize("place", ["..", "../spool", ".", "job/input", "/"])
def test_only_folders_directly_below_payloads_are_removed(payloads: Path, spool: Path, place: str) -> None:
    inputs(spool)
    (payloads / "job" / "input").mkdir(parents=True)
    with pytest.raises(PermanentError, match="is not a job folder"):
        payload.remove(payloads, payloads / place)
    assert (spool / "1.dcm").exists()
    assert (payloads / "job" / "input").is_dir()


def test_a_link_in_the_place_of_a_payload_is_not_removed(payloads: Path, spool: Path) -> None:
    inputs(spool)
    (payloads / NAME).symlink_to(spool)
    with pytest.raises(PermanentError, match="it is left alone"):
        payload.remove(payloads, payloads / NAME)
    assert (spool / "1.dcm").exists()
