from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from hilum.job.adoption import AdoptionSettings, AdoptStep
from hilum.ledger.database import Database
from stage.job.planning import LEASE, Planning, Workflow
from stage.ledger.clock import MovableClock
from stage.ledger.reception_desk import Reception

EVERY = timedelta(seconds=5)


class Adopting:
    """The step, and people who make job folders by hand."""

    def __init__(self, database: Database, clock: MovableClock, root: Path) -> None:
        self.payloads, self.output = root / "payloads", root / "output"
        self.payloads.mkdir()
        self.output.mkdir()
        self.roots = [self.payloads, self.output]
        self.workflows = [
            Workflow(name="lung", workflow="id-of-lung", engine="gpu", destinations=("PACS",)),
            Workflow(name="bone", workflow="id-of-bone", destinations=()),
        ]
        self.clock = clock
        self.step = AdoptStep(database=database, settings=self.settings)

    def settings(self) -> AdoptionSettings:
        return AdoptionSettings(roots=self.roots, workflows=self.workflows, every=EVERY)

    def folder(self, name: str, meta: str | None = "id-of-lung", *, root: Path | None = None) -> Path:
        folder = (root or self.payloads) / name
        (folder / "output").mkdir(parents=True)
        if meta is not None:
            (folder / "job.meta").write_text(meta)
        (folder / "output" / "job.done").touch()
        return folder

    def look(self, limit: int = 10) -> list[Path]:
        """One turn of the loop, after the next look is due; the folders it worked on."""
        self.clock.forward(5)
        works = list(self.step.claim(self.clock(), self.clock() + LEASE, limit))
        for folder in works:
            self.step.record(folder, self.step.act(folder), self.clock())
        return works


@pytest.fixture
def adopting(database: Database, clock: MovableClock, tmp_path: Path) -> Adopting:
    return Adopting(database, clock, tmp_path)


@pytest.mark.parametrize("root", ["payloads", "output"])
@pytest.mark.parametrize("meta", ["id-of-lung", "lung", "lung\n", "  lung \r\n", "\ufefflung\n"])
def test_a_folder_with_job_meta_and_job_done_becomes_a_finished_job(
    adopting: Adopting, desk: Reception, clock: MovableClock, root: str, meta: str
) -> None:
    folder = adopting.folder("by-hand", meta, root=getattr(adopting, root))
    assert adopting.look() == [folder]
    job = desk.row("jobs")
    assert (job.state, job.name, job.group_id, job.folder) == ("finished", "by-hand", None, str(folder))
    assert (job.workflow_name, job.workflow, job.ae) == ("lung", "id-of-lung", "SCP")
    assert (job.destinations, job.finished_at, job.not_before) == (["PACS"], clock(), clock())
    assert [(line.machine, line.event, line.to_state) for line in desk.history()] == [("job", "made", "finished")]
    assert not (folder / "output" / "job.error").exists()


def test_what_was_made_by_hand_is_looked_at_as_something_that_may_still_be_written(
    adopting: Adopting, desk: Reception
) -> None:
    """The workflow's own engine, ``gpu``, had no part in it; of the folder engine's jobs the files must settle."""
    adopting.folder("by-hand", "lung")
    adopting.look()
    assert desk.row("jobs").engine == "folder"


def test_a_folder_is_adopted_once(adopting: Adopting, desk: Reception) -> None:
    adopting.folder("by-hand")
    assert len(adopting.look()) == 1
    assert adopting.look() == []
    again = AdoptStep(database=desk.database, settings=adopting.settings)  # after a restart
    assert list(again.claim(desk.clock(), desk.clock() + LEASE, 10)) == []
    assert len(desk.rows("jobs")) == 1


def test_folders_of_hilums_own_jobs_are_not_adopted(adopting: Adopting, desk: Reception, planning: Planning) -> None:
    planning.workflows = [Workflow(name="lung", workflow="id-of-lung")]
    desk.send("1.1")
    planning.run()
    (folder,) = planning.folders()
    assert folder.parent == adopting.payloads
    (folder / "output" / "job.done").touch()
    assert adopting.look() == []


def test_a_folder_of_hilums_own_that_is_finished_before_its_job_is_recorded_is_not_adopted(
    adopting: Adopting, desk: Reception, planning: Planning, clock: MovableClock
) -> None:
    planning.workflows = [Workflow(name="lung", workflow="id-of-lung")]
    desk.send("1.1")
    (claimed,) = planning.step.claim(clock(), clock() + LEASE, 10)
    made = planning.step.act(claimed)
    (folder,) = planning.folders()
    (folder / "output" / "job.done").touch()  # by somebody who waited for the folder
    by_hand = adopting.folder("by-hand", root=adopting.output)
    assert adopting.look() == [by_hand]
    planning.step.record(claimed, made, clock())
    assert adopting.look() == []
    assert sorted(job.name for job in desk.rows("jobs")) == sorted([by_hand.name, folder.name])


def test_an_id_counts_before_a_name(adopting: Adopting, desk: Reception) -> None:
    adopting.workflows = [Workflow(name="bone", workflow="1"), Workflow(name="lung", workflow="bone")]
    adopting.folder("by-hand", "bone")
    adopting.look()
    assert desk.row("jobs").workflow_name == "lung"


def test_a_workflow_with_several_entries_sends_to_all_their_destinations(adopting: Adopting, desk: Reception) -> None:
    adopting.workflows = [
        Workflow(name="one", workflow="same", destinations=("A", "B")),
        Workflow(name="two", workflow="same", destinations=("B", "C")),
    ]
    adopting.folder("by-hand", "same")
    adopting.look()
    assert desk.row("jobs").destinations == ["A", "B", "C"]


@pytest.mark.parametrize(
    ("meta", "why"),
    [
        ("brain", "job.meta names the workflow 'brain', which no entry of workflows has"),
        ("lun", "job.meta names the workflow 'lun'"),
        ("LUNG", "job.meta names the workflow 'LUNG'"),
        (None, "there is no job.meta in the job folder"),
        ("", "job.meta is not one line of text"),
        ("\n\n", "job.meta is not one line of text"),
        ("lung\nbone\n", "job.meta is not one line of text"),
        ("x" * 5000, "job.meta is not one line of text"),
    ],
)
def test_a_folder_that_matches_no_workflow_says_so_in_history_and_beside_its_results(
    adopting: Adopting, desk: Reception, meta: str | None, why: str
) -> None:
    folder = adopting.folder("by-hand", meta)
    assert adopting.look() == [folder]
    assert desk.rows("jobs") == []
    (line,) = desk.history()
    assert (line.machine, line.event, line.subject) == ("folder", "not adopted", str(folder))
    assert line.why.startswith(why)
    text = (folder / "output" / "job.error").read_text()
    assert text == f"{line.why}\n{line.remedy}\n"
    assert "job.error" in line.remedy


def test_a_folder_with_job_error_is_left_alone_until_it_is_removed(adopting: Adopting, desk: Reception) -> None:
    folder = adopting.folder("by-hand", "brain")
    adopting.look()
    assert adopting.look() == []
    assert len(desk.history()) == 1
    (folder / "job.meta").write_text("bone")
    assert adopting.look() == []
    (folder / "output" / "job.error").unlink()
    assert adopting.look() == [folder]
    assert desk.row("jobs").workflow_name == "bone"


def test_a_folder_that_still_matches_nothing_says_so_again_each_time_it_is_asked(
    adopting: Adopting, desk: Reception
) -> None:
    folder = adopting.folder("by-hand", "brain")
    for times in (1, 2):
        assert adopting.look() == [folder]
        assert len(desk.history()) == times
        (folder / "output" / "job.error").unlink()


def test_a_folder_in_which_nothing_can_be_written_says_so_once(adopting: Adopting, desk: Reception) -> None:
    folder = adopting.folder("by-hand", "brain")
    (folder / "output" / ".job.error.part").mkdir()  # in the way
    for _ in range(3):
        with pytest.raises(OSError, match=r"job\.error"):
            adopting.look()
    assert len(desk.history()) == 1
    (folder / "output" / ".job.error.part").rmdir()
    adopting.look()
    assert (folder / "output" / "job.error").is_file()
    assert len(desk.history()) == 1


def test_job_meta_of_another_encoding_is_no_crash(adopting: Adopting) -> None:
    folder = adopting.folder("by-hand", None)
    (folder / "job.meta").write_bytes(b"\xff\xfel\x00u\x00n\x00g\x00")
    adopting.look()
    assert (folder / "output" / "job.error").is_file()


@pytest.mark.parametrize("kind", ["link", "folder", "dangling"])
def test_job_done_that_is_no_plain_file_is_ignored(adopting: Adopting, tmp_path: Path, kind: str) -> None:
    done = adopting.folder("by-hand") / "output" / "job.done"
    done.unlink()
    (tmp_path / "elsewhere").touch()
    if kind == "folder":
        done.mkdir()
    else:
        done.symlink_to(tmp_path / ("elsewhere" if kind == "link" else "nowhere"))
    assert adopting.look() == []


def test_job_meta_that_is_a_link_is_not_read(adopting: Adopting, tmp_path: Path, desk: Reception) -> None:
    folder = adopting.folder("by-hand", None)
    (tmp_path / "meta").write_text("lung")
    (folder / "job.meta").symlink_to(tmp_path / "meta")
    adopting.look()
    assert desk.rows("jobs") == []
    assert "there is no job.meta" in (folder / "output" / "job.error").read_text()


def test_folders_that_are_not_ready_or_no_job_folders_are_ignored(adopting: Adopting, tmp_path: Path) -> None:
    (adopting.payloads / "file").write_text("")
    (adopting.payloads / "empty").mkdir()
    (adopting.folder("running") / "output" / "job.done").unlink()
    adopting.folder(".building-scp-lung")
    adopting.folder(".hidden")
    real = adopting.folder("real", root=tmp_path)
    (adopting.payloads / "link").symlink_to(real)
    assert adopting.look() == []


def test_roots_that_are_not_there_are_no_error(adopting: Adopting) -> None:
    adopting.roots.insert(0, adopting.payloads / "not" / "there")
    folder = adopting.folder("by-hand")
    assert adopting.look() == [folder]


def test_a_look_is_taken_at_intervals_only(adopting: Adopting, clock: MovableClock) -> None:
    assert adopting.look() == []
    assert adopting.step.next_due(clock()) == clock() + EVERY
    adopting.folder("by-hand")
    clock.forward(4.9)
    assert list(adopting.step.claim(clock(), clock() + LEASE, 10)) == []
    clock.forward(0.1)
    assert len(adopting.step.claim(clock(), clock() + LEASE, 10)) == 1


def test_all_folders_of_one_look_are_adopted_without_waiting_for_the_next(
    adopting: Adopting, desk: Reception, clock: MovableClock
) -> None:
    for number in range(4):
        adopting.folder(f"by-hand-{number}")
    for _ in range(4):
        assert adopting.step.next_due(clock()) is not None
        works = list(adopting.step.claim(clock(), clock() + LEASE, 1))
        assert len(works) == 1
        adopting.step.record(works[0], adopting.step.act(works[0]), clock())
    assert list(adopting.step.claim(clock(), clock() + LEASE, 1)) == []
    assert [row.name for row in sorted(desk.rows("jobs"), key=lambda row: row.name)] == [
        f"by-hand-{number}" for number in range(4)
    ]


def test_what_is_left_of_a_look_is_due_at_once(adopting: Adopting, clock: MovableClock) -> None:
    adopting.folder("one")
    adopting.folder("two")
    adopting.step.claim(clock(), clock() + LEASE, 1)
    assert adopting.step.next_due(clock()) == clock()


def test_a_folder_that_vanishes_before_it_is_looked_into_fails_and_is_forgotten(adopting: Adopting) -> None:
    folder = adopting.folder("by-hand")
    works = list(adopting.step.claim(adopting.clock(), adopting.clock() + LEASE, 1))
    (folder / "output" / "job.done").unlink()
    (folder / "output").rmdir()
    (folder / "job.meta").unlink()
    folder.rmdir()
    with pytest.raises(OSError, match="by-hand"):
        adopting.step.record(works[0], adopting.step.act(works[0]), adopting.clock())
    adopting.step.failed(works[0], OSError(), adopting.clock())
    assert adopting.look() == []
