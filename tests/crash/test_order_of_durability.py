"""In which order what was received, made and sent gets to the disk, read from the system calls of a real gateway.

ext4 forgives a folder that was never synced: here the calls themselves are looked at, not what a power cut leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from crash.trace import Call, calls, releases, stored, traced
from harness.data import make_series
from harness.pacs import Pacs
from harness.sending import send
from harness.site import Site
from harness.waiting import eventually

pytestmark = pytest.mark.sqlite

MakeSite = Callable[..., Site]


class Order:
    """The calls of one life, and where in it things happened.

    "On disk" is the line where the first sync that was begun after the last write had ended was over.
    """

    def __init__(self, found: Sequence[Call]) -> None:
        self.calls = found

    def one(self, what: str, wanted: Callable[[Call], bool], *, after: int = -1) -> Call:
        for call in self.calls:
            if call.begun > after and wanted(call):
                return call
        raise AssertionError(f"{what} is nowhere after line {after} of the trace")

    def synced(self, path: Path, *, after: int) -> Call:
        return self.one(f"a sync of {path}", lambda call: call.syncs and call.path == str(path), after=after)

    def named(self, target: Path) -> Call:
        return self.one(f"the rename to {target}", lambda call: call.target == str(target))

    def written(self, path: Path, *, before: int) -> int:
        """The end of the last write into a file that was over before a line."""
        ends = [call.ended for call in self.calls if call.writes and call.path == str(path) and call.ended < before]
        assert ends, f"nothing was written into {path}"
        return max(ends)

    @property
    def spool(self) -> Path:
        """The folder of the association."""
        (folder,) = {Path(call.target).parent for call in self.calls if call.target.endswith("/1.dcm")}
        return folder

    def sent(self, what: str, wanted: Callable[[Call], bool]) -> Call:
        return self.one(what, lambda call: call.name.startswith("send") and wanted(call))

    def whole(self, folder: Path, name: str) -> int:
        """When a file that was written aside, synced and renamed was on disk under its name, each step in its turn."""
        rename = self.named(folder / name)
        sync = self.synced(Path(rename.path), after=self.written(Path(rename.path), before=rename.begun))
        assert sync.ended < rename.begun, f"{name} got its name before its content was on disk"
        return self.synced(folder, after=rename.ended).ended


@contextmanager
def life(site: Site, pacs: Pacs, files: Sequence[Path]) -> Iterator[Order]:
    """One association, its job, and its results at the PACS."""
    with traced(site) as gateway:
        assert [answer.status for answer in send(gateway.port, *files)] == [0] * len(files)
        eventually(lambda: len(pacs.accepted) == len(files), what="the results at the PACS")
        (job,) = site.payloads.glob("hilum-*")
        eventually((job / "receipt.json").exists, what="the receipt")
    yield Order(calls(site.folder / "trace"))


def configured(make_site: MakeSite, pacs: Pacs, **scp: str) -> Site:
    keys = {"name": "copy", "clara-ae-title": "HILUM", "engine": "copy", "destination-name": "PACS"}
    dicom = {"scu": {"destinations": [pacs.destination]}, "scp": scp}
    return make_site({"dicom": dicom, "workflows": [keys]})


def check_reception(order: Order, site: Site, files: Sequence[Path], durability: str) -> None:
    """Who sent it, content, names and ledger are on disk before anything that promises them is said."""
    ledger = site.folder / "hilum.db-wal"
    release = order.sent("A-RELEASE-RP", releases)
    spool = order.spool
    on_disk = []
    for number, file in enumerate(files, 1):
        success = order.sent(f"success for {file.stem}", lambda call, uid=file.stem: stored(call) == uid)
        rename = order.named(spool / f"{number}.dcm")
        written = order.written(Path(rename.path), before=success.begun)
        # With durability "association" another thread syncs, under whichever of its two names the file has then.
        own = (spool / f"{number}.part", spool / f"{number}.dcm")
        content = order.one(
            f"a sync of {number}", lambda call, own=own: call.syncs and Path(call.path) in own, after=written
        )
        on_disk.append(max(content.ended, order.synced(spool, after=rename.ended).ended))
        if durability == "instance":
            assert content.ended < rename.begun, f"{file.stem} got its name before its content was on disk"
            assert on_disk[-1] < success.begun, f"{file.stem} was answered before it was on disk"
    assert max(on_disk) < release.begun, "the release was answered before all instances were on disk"

    named = order.named(spool)
    making = Path(named.path)
    who = making / "association.json"
    association = order.synced(who, after=order.written(who, before=named.begun))
    folder = order.synced(making, after=association.ended)
    assert folder.ended < named.begun, "the folder got its name before who sent it was on disk"
    assert order.synced(site.spool, after=named.ended).ended < min(on_disk), "who sent it was not on disk first"

    recorded = order.synced(ledger, after=order.written(ledger, before=release.begun))
    assert recorded.ended < release.begun, "the release was answered before the ledger had it on disk"


@pytest.mark.parametrize("durability", ["instance", "association"])
def test_nothing_is_said_before_it_is_true(make_site: MakeSite, pacs: Pacs, tmp_path: Path, durability: str) -> None:
    files = make_series(tmp_path / "sent", 3)
    site = configured(make_site, pacs, durability=durability)
    with life(site, pacs, files) as order:
        check_reception(order, site, files, durability)
        making = Path(order.named(order.spool).path).name
        for place in ("2.part", "2.dcm", "association.json", making, "spool", "hilum.db-wal", order.spool.name):
            lying = Order([call for call in order.calls if not (call.syncs and Path(call.path).name == place)])
            if len(lying.calls) < len(order.calls):  # the sync of a file happens under one of its two names
                with pytest.raises(AssertionError):
                    check_reception(lying, site, files, durability)


def test_a_job_is_on_disk_before_the_ledger_says_that_it_is_there(
    make_site: MakeSite, pacs: Pacs, tmp_path: Path
) -> None:
    site = configured(make_site, pacs)
    with life(site, pacs, make_series(tmp_path / "sent", 2)) as order:
        (job,) = site.payloads.glob("hilum-*")
        final = order.named(job)
        building = Path(final.path)
        for name in ("job.meta", "job.json"):
            file = order.synced(building / name, after=order.written(building / name, before=final.begun))
            assert file.ended < final.begun, f"{name} was not on disk when the folder got its name"
        for folder in (building / "input", building / "output", building):
            assert order.synced(folder, after=-1).ended < final.begun, f"{folder.name} was not on disk with its entries"
        named = order.synced(site.payloads, after=final.ended)
        started = order.named(job / "run" / "1" / "started.json")
        ledger = site.folder / "hilum.db-wal"
        recorded = order.synced(ledger, after=named.ended)
        assert recorded.ended < started.begun, "the engine had the job before the ledger had it on disk"
        # What starts nothing twice is on disk before anything starts, how it ended before anybody acts on it.
        assert order.whole(job / "run" / "1", "started.json") < order.whole(job / "run" / "1", "exit.json")
        assert order.synced(job / "output" / "job.done", after=started.ended).ended > started.ended
        order.whole(job, "receipt.json")
