"""Job folders as a workflow's author sees them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pydicom

from harness.site import Site
from harness.waiting import eventually


@dataclass(frozen=True)
class JobFolder:
    """One folder below ``storage.payloads`` or ``storage.output``."""

    path: Path

    @classmethod
    def by_hand(cls, root: Path, meta: str, *results: Path, name: str = "by-hand") -> JobFolder:
        """Make one as somebody without Hilum would, finished."""
        folder = cls.begun(root, meta, name=name)
        folder.finish(*results)
        return folder

    @classmethod
    def begun(cls, root: Path, meta: str, *, name: str) -> JobFolder:
        """The same without results."""
        folder = cls(root / name)
        folder.output.mkdir(parents=True)
        (folder.path / "job.meta").write_text(meta)
        return folder

    @property
    def meta(self) -> str:
        return (self.path / "job.meta").read_text().strip()

    @property
    def output(self) -> Path:
        return self.path / "output"

    @property
    def inputs(self) -> list[Path]:
        return sorted((self.path / "input").iterdir())

    @property
    def instances(self) -> set[str]:
        """SOP Instance UIDs of the input."""
        return {path.stem for path in self.inputs}

    def finish(self, *results: Path) -> None:
        """Write the results, then ``job.done``."""
        for path in results:
            shutil.copy(path, self.output)
        (self.output / "job.done").touch()


def jobs_of(site: Site) -> list[JobFolder]:
    """The job folders below ``storage.payloads``; what begins with a dot is still being made."""
    return [JobFolder(path) for path in sorted(site.payloads.iterdir()) if not path.name.startswith(".")]


def wait_for_jobs(site: Site, count: int) -> list[JobFolder]:
    """The job folders, once there are so many; fails if there are more."""
    found = eventually(lambda: len(jobs_of(site)) >= count and jobs_of(site), what=f"{count} job folders")
    assert len(found) == count, found
    return found


def batches(jobs: list[JobFolder]) -> list[set[str]]:
    """The SOP Instance UIDs of each job, in an order of their own."""
    return sorted((job.instances for job in jobs), key=sorted)


def uids(*paths: Path) -> set[str]:
    """SOP Instance UIDs of files."""
    return {str(pydicom.dcmread(path, specific_tags=["SOPInstanceUID"]).SOPInstanceUID) for path in paths}
