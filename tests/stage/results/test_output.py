"""What may lie in a job's output folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.data import CT_IMAGE_STORAGE, make_instance
from hilum.results import output
from hilum.results.output import Contents, OutputChangedError, snapshot

MAX_BYTES = 1_000_000
NOBODY = 65534


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "output").mkdir()
    return tmp_path / "output"


def read(folder: Path) -> Contents:
    return output.read(folder, max_bytes=MAX_BYTES)


def put(folder: Path, path: str = "good.dcm", sop_instance: str = "1.2.3") -> bytes:
    """A sound result at that path; its bytes."""
    made = make_instance(folder / ".." / "made", sop_instance=sop_instance, study="1.2.9")
    content = made.read_bytes()
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_bytes(content)
    return content


def not_sent(folder: Path) -> dict[str, str]:
    """Everything that is not sent, with the reason; a good file beside it must be collected all the same."""
    put(folder, "zz-good.dcm", "1.2.99")
    contents = read(folder)
    assert [result.path for result in contents.results] == ["zz-good.dcm"]
    return {one.path: one.why for one in contents.not_sent}


def test_a_dicom_file_is_a_result_with_all_that_sending_needs(folder: Path) -> None:
    content = put(folder)
    (result,) = read(folder).results
    assert (result.path, result.sop_class, result.sop_instance) == ("good.dcm", CT_IMAGE_STORAGE, "1.2.3")
    assert (result.transfer_syntax, result.study) == ("1.2.840.10008.1.2.1", "1.2.9")
    assert result.size == len(content)
    assert result.sha256 == hashlib.sha256(content).hexdigest()
    assert content[result.offset :].startswith(b"\x08\x00\x16\x00UI")  # the data set begins here
    assert read(folder).not_sent == ()


def test_sub_folders_are_searched_and_paths_come_in_order(folder: Path) -> None:
    for path in ("b.dcm", "seg/deep/er/x", "a.DCM", "x.dcm/inside.dcm", "with space.dcm", "größe.dcm"):
        put(folder, path)
    assert [result.path for result in read(folder).results] == [
        "a.DCM",
        "b.dcm",
        "größe.dcm",
        "with space.dcm",
        "seg/deep/er/x",
        "x.dcm/inside.dcm",
    ]


def test_a_result_needs_no_suffix(folder: Path) -> None:
    put(folder, "IM000001")
    assert [result.path for result in read(folder).results] == ["IM000001"]


def test_job_done_and_job_error_are_neither_results_nor_worth_a_line(folder: Path) -> None:
    (folder / "job.done").write_text("")
    (folder / "job.error").write_text("why")
    assert read(folder) == Contents(results=(), not_sent=())


def test_job_done_in_a_sub_folder_is_a_file_like_others(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "job.done").write_text("finished")
    assert list(not_sent(folder)) == ["sub/job.done"]


def test_job_done_that_is_a_link_is_not_followed(folder: Path) -> None:
    (folder / "job.done").symlink_to("/etc/shadow")
    assert not_sent(folder) == {}


def test_an_output_folder_that_is_not_there_has_no_results(folder: Path) -> None:
    folder.rmdir()
    assert read(folder) == Contents(results=(), not_sent=())
    assert snapshot(folder) == {}


def test_an_output_folder_that_is_a_link_is_not_followed(folder: Path, tmp_path: Path) -> None:
    put(folder)
    (tmp_path / "link").symlink_to(folder)
    assert read(tmp_path / "link") == Contents(results=(), not_sent=())


def test_links_are_listed_and_not_followed(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    put(secret, "patient.dcm")
    (folder / "file.dcm").symlink_to(secret / "patient.dcm")
    (folder / "folder.dcm").symlink_to(secret)
    (folder / "dangling.dcm").symlink_to(tmp_path / "nowhere")
    (folder / "itself.dcm").symlink_to(folder / "itself.dcm")
    found = not_sent(folder)
    assert sorted(found) == ["dangling.dcm", "file.dcm", "folder.dcm", "itself.dcm"]
    assert set(found.values()) == {"it is a symbolic link, not a regular file"}


def test_pipes_and_sockets_are_listed_and_block_nobody(folder: Path) -> None:
    os.mkfifo(folder / "pipe.dcm")
    with tempfile.TemporaryDirectory() as short, socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{short}/socket.dcm")  # a path of a socket has 108 bytes at most
        shutil.move(f"{short}/socket.dcm", folder / "socket.dcm")
        assert not_sent(folder) == {
            "pipe.dcm": "it is a pipe, not a regular file",
            "socket.dcm": "it is a socket, not a regular file",
        }


def test_devices_are_listed(folder: Path) -> None:
    if os.geteuid() == 0:
        os.mknod(folder / "null.dcm", 0o20666, os.makedev(1, 3))
        assert not_sent(folder) == {"null.dcm": "it is a device, not a regular file"}
    else:  # who may not make a device has one all the same, beside what else is there
        assert {why for path, why in not_sent(Path("/dev")).items() if path in {"null", "zero"}} == {
            "it is a device, not a regular file"
        }


def test_an_empty_file_is_listed(folder: Path) -> None:
    (folder / "empty.dcm").touch()
    assert not_sent(folder) == {"empty.dcm": "it is empty"}


def test_files_that_are_not_dicom_are_listed_with_a_hint_where_nobody_thought_they_were(folder: Path) -> None:
    (folder / "report.json").write_text('{"lungs": 2}')
    (folder / "broken.dcm").write_text("this is no DICOM file")
    found = not_sent(folder)
    assert found["report.json"].endswith("(only DICOM files are sent)")
    assert found["broken.dcm"].startswith("it cannot be sent as DICOM: ")
    assert "only DICOM files" not in found["broken.dcm"]


def test_a_folder_with_the_name_of_a_result_is_only_a_folder(folder: Path) -> None:
    (folder / "x.dcm").mkdir()
    assert not_sent(folder) == {}


def test_a_file_beyond_the_limit_is_listed_without_being_read(folder: Path) -> None:
    with (folder / "huge.dcm").open("wb") as file:
        file.truncate(2**40)  # a terabyte of nothing; reading it would take longer than any test
    assert not_sent(folder) == {
        "huge.dcm": f"it has {2**40} bytes, more than dicom.scp.limits.object-gb allows ({MAX_BYTES})"
    }


def test_a_file_at_the_limit_is_a_result(folder: Path) -> None:
    size = len(put(folder))
    assert len(output.read(folder, max_bytes=size).results) == 1
    assert len(output.read(folder, max_bytes=size - 1).results) == 0


@pytest.mark.parametrize("name", [b"line\nbreak.dcm", b"bell\x07.dcm", b"\xff\xfe.dcm", b"tab\t.dcm", b"\x1b[31m.dcm"])
def test_names_that_are_no_plain_text_are_listed_harmlessly(folder: Path, name: bytes) -> None:
    content = put(folder)
    os.rename(folder / "good.dcm", os.path.join(os.fsencode(folder), name))
    assert len(content) > 0
    ((path, why),) = not_sent(folder).items()
    assert why == "its name is not UTF-8 text without control characters"
    assert path.isprintable()
    assert path.encode("utf-8")
    assert path.endswith(".dcm")


def test_a_name_of_255_bytes_is_a_name(folder: Path) -> None:
    put(folder, "x" * 251 + ".dcm")
    assert len(read(folder).results) == 1


def test_a_truncated_file_is_listed(folder: Path) -> None:
    content = put(folder)
    for end in (140, 200, 400, len(content) - 1):
        (folder / "good.dcm").write_bytes(content[:end])
        assert list(not_sent(folder)) == ["good.dcm"], end


def test_a_file_without_preamble_and_meta_information_is_still_a_result(folder: Path) -> None:
    """Some tools write the bare data set."""
    content = put(folder)
    offset = read(folder).results[0].offset
    (folder / "good.dcm").write_bytes(content[offset:])
    (result,) = read(folder).results
    assert (result.offset, result.sop_instance, result.transfer_syntax) == (0, "1.2.3", "1.2.840.10008.1.2.1")


@pytest.mark.parametrize(
    ("tag", "name"), [(b"\x08\x00\x16\x00UI", "SOP Class UID"), (b"\x08\x00\x18\x00UI", "SOP Instance UID")]
)
def test_a_data_set_without_the_uids_that_sending_needs_is_listed(folder: Path, tag: bytes, name: str) -> None:
    content = put(folder)
    at = content.index(tag)
    length = int.from_bytes(content[at + 6 : at + 8], "little")
    (folder / "good.dcm").write_bytes(content[:at] + content[at + 8 + length :])
    assert name in not_sent(folder)["good.dcm"]


def test_a_data_set_whose_uid_is_no_uid_is_listed(folder: Path) -> None:
    content = put(folder, sop_instance="1.2.33333")
    (folder / "good.dcm").write_bytes(content.replace(b"1.2.33333", b"../../etc"))
    assert "SOP Instance UID" in not_sent(folder)["good.dcm"]


def test_what_the_data_set_says_counts_and_not_its_label(folder: Path) -> None:
    content = put(folder, sop_instance="1.2.33333")
    first = content.index(b"1.2.33333")
    (folder / "good.dcm").write_bytes(content[:first] + b"1.2.44444" + content[first + 9 :])
    (result,) = read(folder).results
    assert result.sop_instance == "1.2.33333"


@pytest.fixture
def as_nobody(folder: Path) -> Iterator[None]:
    """Root may read everything: for these tests somebody else looks, who can reach the folder."""
    if os.geteuid() != 0:
        yield
        return
    closed = [path for path in folder.parents if path.is_relative_to(tempfile.gettempdir())][:-1]
    modes = {path: path.stat().st_mode for path in closed}
    for path, mode in modes.items():
        path.chmod(mode | 0o055)
    os.seteuid(NOBODY)
    yield
    os.seteuid(0)
    for path, mode in modes.items():
        path.chmod(mode)


def test_a_file_that_may_not_be_read_is_listed(folder: Path, request: pytest.FixtureRequest) -> None:
    put(folder, "closed.dcm")
    (folder / "closed.dcm").chmod(0)
    put(folder, "open.dcm")
    request.getfixturevalue("as_nobody")
    contents = read(folder)
    assert [result.path for result in contents.results] == ["open.dcm"]
    assert [(one.path, one.why) for one in contents.not_sent] == [
        ("closed.dcm", "it cannot be read: permission denied")
    ]


def test_a_folder_that_may_not_be_entered_is_listed_and_not_passed_over_in_silence(
    folder: Path, request: pytest.FixtureRequest
) -> None:
    put(folder, "closed/x.dcm")
    (folder / "closed").chmod(0)
    put(folder, "open.dcm")
    request.getfixturevalue("as_nobody")
    contents = read(folder)
    assert [result.path for result in contents.results] == ["open.dcm"]
    assert [(one.path, one.why) for one in contents.not_sent] == [
        ("closed", "it is a folder that may not be entered, not a regular file")
    ]
    assert sorted(snapshot(folder)) == ["closed", "open.dcm"]


def test_an_output_folder_that_may_not_be_entered_is_an_error_and_not_empty(
    folder: Path, request: pytest.FixtureRequest
) -> None:
    put(folder)
    folder.chmod(0)
    request.getfixturevalue("as_nobody")
    with pytest.raises(PermissionError):
        read(folder)


@pytest.mark.parametrize("change", ["grow", "shrink", "touch"])
def test_a_file_that_changes_while_it_is_read_is_looked_at_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """As if by a workflow that wrote job.done too early: the change comes between the first look and the last."""
    content = put(folder)
    examine = output.examine

    def meanwhile(descriptor: int) -> object:
        path = folder / "good.dcm"
        match change:
            case "grow":
                path.write_bytes(content + b"more")
            case "shrink":
                path.write_bytes(content[:200])  # not even DICOM any more
            case "touch":
                os.utime(path, ns=(1, 1))
        return examine(descriptor)

    monkeypatch.setattr(output, "examine", meanwhile)
    with pytest.raises(OutputChangedError, match=r"good\.dcm"):
        read(folder)


def test_a_snapshot_tells_every_change(folder: Path) -> None:
    put(folder, "a.dcm")
    (folder / "link").symlink_to("nowhere")
    before = snapshot(folder)
    assert sorted(before) == ["a.dcm", "link"]
    assert snapshot(folder) == before
    with (folder / "a.dcm").open("ab") as file:
        file.write(b"x")
    grown = snapshot(folder)
    assert grown != before
    (folder / "sub").mkdir()
    (folder / "sub" / "b").touch()
    assert snapshot(folder) != grown


def test_many_files_in_many_folders_are_all_found(folder: Path) -> None:
    content = put(folder)
    for number in range(300):
        path = folder / f"{number % 17}" / f"{number}.dcm"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    assert len(read(folder).results) == 301


def test_large_files_keep_their_order_among_small_ones_and_none_stays_open(folder: Path) -> None:
    expected = {}
    for number in range(20):
        content = put(folder, f"{number:02}.dcm", f"1.2.{number}")
        if number % 3 == 0:
            content = make_instance(folder / ".." / "made", sop_instance=f"1.2.{number}", size=200_000).read_bytes()
            (folder / f"{number:02}.dcm").write_bytes(content)
        if number % 5 == 0:
            (folder / f"{number:02}.txt").write_text("a note")
        expected[f"{number:02}.dcm"] = hashlib.sha256(content).hexdigest()
    before = len(os.listdir("/proc/self/fd"))
    contents = read(folder)
    assert [(one.path, one.sha256) for one in contents.results] == list(expected.items())
    assert [one.path for one in contents.not_sent] == ["00.txt", "05.txt", "10.txt", "15.txt"]
    assert len(os.listdir("/proc/self/fd")) == before
