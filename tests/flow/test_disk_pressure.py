"""A disk that gets full: nothing new is taken, what was taken goes on, and receiving resumes by itself."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from flow.gate import Gate
from flow.workflows import one_workflow
from harness.data import make_instance
from harness.pacs import Pacs
from harness.sending import association, send, store
from harness.site import Site
from harness.waiting import eventually
from hilum.association.peer import AssociationRejectedError
from hilum.fsck import Inspection
from hilum.wire import Reject

MakeSite = Callable[..., Site]
#: Transient, presentation-provider, temporary congestion. Source: PS3.8 Table 9-21.
CONGESTED = Reject(2, 3, 1)
MEGABYTE = 1_000_000
SIZE = 32 * MEGABYTE


class SmallDisk:
    """A file system of its own that a test fills and frees."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ballast = path / "ballast"

    def fill(self, *, leave: int = 2 * MEGABYTE) -> None:
        """Until so many bytes are free."""
        found = os.statvfs(self.path)
        with self._ballast.open("ab") as file:
            try:
                file.write(bytes(max(0, found.f_bavail * found.f_frsize - leave)))
            except OSError as error:
                assert error.errno == errno.ENOSPC  # noqa: PT017

    def free(self) -> None:
        self._ballast.unlink()


@pytest.fixture
def make_disk(tmp_path: Path) -> Iterator[Callable[[Path], SmallDisk]]:
    """Mounts small disks; all are unmounted at the end."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    mounted: list[Path] = []

    def mount(path: Path) -> SmallDisk:
        path.mkdir(parents=True)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "hilum-test", str(path)], capture_output=True, check=False
        )
        if done.returncode:
            pytest.skip(f"no file system can be mounted here: {done.stderr.decode().strip()}")
        mounted.append(path)
        return SmallDisk(path)

    yield mount
    for path in mounted:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def rejection(port: int, files: Sequence[Path]) -> Reject | None:
    """How an association is rejected; ``None`` when it is accepted."""
    try:
        with association(port, files):
            return None
    except AssociationRejectedError as error:
        return error.reject


def wait_for_rejection(site: Site, files: Sequence[Path]) -> None:
    eventually(lambda: rejection(site.port, files) == CONGESTED, what="a transient reject")


def wait_for_room(site: Site, files: Sequence[Path]) -> None:
    eventually(lambda: rejection(site.port, files) is None, what="an association that is accepted again")


def keys(percent: int, gate: Gate | None = None, pacs: Pacs | None = None, **more: Any) -> dict[str, Any]:
    made = one_workflow(gate.engine() if gate else None, to=[pacs] if pacs else [])
    return made | {"storage": {"watermark-percent": percent}} | more


def test_above_the_watermark_nothing_new_is_taken_and_what_was_taken_goes_on(
    make_site: MakeSite, make_disk: Callable[[Path], SmallDisk], gate: Gate, pacs: Pacs, tmp_path: Path
) -> None:
    site = make_site(keys(60, gate, pacs))
    disk = make_disk(site.spool)
    files = [make_instance(tmp_path / "ct", size=100_000) for _ in range(4)]
    with site:
        send(site.port, files[0])
        gate.wait_for(1)
        with association(site.port, files) as running:
            assert store(running, files[1]).status == 0x0000
            disk.fill()
            wait_for_rejection(site, files)
            refused = store(running, files[2])
            assert (refused.status, "no room" in refused.comment) == (0xA700, True)
            # What was accepted before is worked on and delivered meanwhile.
            gate.open()
            site.wait_for_jobs(1)
            assert len(pacs.accepted) == 1
            assert rejection(site.port, files) == CONGESTED

            disk.free()
            wait_for_room(site, files)
            assert store(running, files[2]).status == 0x0000
        send(site.port, files[3])
        jobs = site.wait_for_jobs(3)
        assert sorted(job.instances for job in jobs) == [1, 1, 2]
        rejected = site.history(machine="association", event="rejected")
        assert rejected
        assert all("% used" in line.why and line.remedy for line in rejected)
        in_order(site)


def test_a_disk_that_is_full_to_the_last_byte_costs_an_instance_and_no_association(
    make_site: MakeSite, make_disk: Callable[[Path], SmallDisk], tmp_path: Path
) -> None:
    site = make_site(keys(100))
    disk = make_disk(site.spool)
    small = [make_instance(tmp_path / "small", size=10_000) for _ in range(2)]
    large = make_instance(tmp_path / "large", size=4 * MEGABYTE)
    with site:
        with association(site.port, [*small, large]) as running:
            assert store(running, small[0]).status == 0x0000
            disk.fill(leave=MEGABYTE)
            answer = store(running, large)
            assert (answer.status, answer.comment) == (0xA700, "instance not written to disk: No space left on device")
            assert store(running, small[1]).status == 0x0000  # for this one there is room
            disk.free()
            assert store(running, large).status == 0x0000
        [job] = site.wait_for_jobs(1)
        assert job.instances == 3
        in_order(site)


def test_the_disk_of_the_ledger_is_watched_too(
    make_site: MakeSite, make_disk: Callable[[Path], SmallDisk], tmp_path: Path
) -> None:
    site = make_site(keys(60, ledger={"url": "sqlite:///books/hilum.db"}))
    disk = make_disk(site.folder / "books")
    files = [make_instance(tmp_path / "ct")]
    with site:
        send(site.port, *files)
        site.wait_for_jobs(1)
        disk.fill()
        wait_for_rejection(site, files)
        # Written down after the answer has gone.
        lines = eventually(lambda: site.history(machine="association", event="rejected"), what="a line of history")
        assert str(site.folder / "books") in lines[-1].why
        disk.free()
        wait_for_room(site, files)
        send(site.port, *files)
        site.wait_for_jobs(2)


def in_order(site: Site) -> None:
    """Ledger and files agree."""
    inspection = Inspection(
        database=site.database, spool=site.spool, roots=(site.payloads, site.settings.storage.output)
    )
    assert list(inspection.look(site.clock(), deep=True, running=True)) == []
