from __future__ import annotations

import os
from pathlib import Path

import pytest

from hilum.engine import attempt as on_disk


def test_a_written_file_replaces_the_one_before_and_leaves_nothing_else(tmp_path: Path) -> None:
    on_disk.write_file(str(tmp_path), "a", "one")
    on_disk.write_file(str(tmp_path), "a", "two")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "two")]


def test_marking_a_job_done_keeps_what_the_command_wrote_there(tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "job.done").write_text("by the command")
    on_disk.mark_done(str(tmp_path))
    assert (tmp_path / "output" / "job.done").read_text() == "by the command"


def test_marking_a_job_done_makes_an_output_folder_that_the_command_removed(tmp_path: Path) -> None:
    on_disk.mark_done(str(tmp_path))
    assert (tmp_path / "output" / "job.done").is_file()


def test_marking_a_job_done_does_not_bring_back_a_folder_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        on_disk.mark_done(str(tmp_path / "gone"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["link", "dangling link", "folder", "fifo"])
def test_only_a_plain_file_marks_a_job_done(tmp_path: Path, kind: str) -> None:
    output = tmp_path / "output"
    output.mkdir()
    match kind:
        case "link":
            (tmp_path / "target").touch()
            (output / "job.done").symlink_to(tmp_path / "target")
        case "dangling link":
            (output / "job.done").symlink_to(tmp_path / "nowhere")
        case "folder":
            (output / "job.done").mkdir()
        case "fifo":
            os.mkfifo(output / "job.done")
    with pytest.raises(OSError, match=r"job\.done|links|directory|device|plain"):
        on_disk.mark_done(str(tmp_path))
    assert not (tmp_path / "nowhere").exists()


def test_syncing_a_tree_passes_by_what_would_block_or_lead_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "file").write_bytes(b"x")
    (tmp_path / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "deep" / "fifo")
    on_disk.sync_tree(str(tmp_path))
    on_disk.sync_tree(str(tmp_path / "absent"))


def test_a_process_is_known_by_its_parent_and_session() -> None:
    seen = on_disk.process_stat(os.getpid())
    assert seen is not None
    assert seen[:2] == (os.getppid(), os.getsid(0))
    assert seen[2] > 0


def test_a_process_that_ended_is_gone_even_before_it_is_waited_for() -> None:
    child = os.posix_spawn("/bin/true", ["true"], {})
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert on_disk.process_stat(child) is None
    os.waitpid(child, 0)
    assert on_disk.process_stat(child) is None
    assert on_disk.kill(child) is False
