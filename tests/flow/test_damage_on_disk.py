"""A file that changed on disk after it was received reaches no workflow, and somebody is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.clock import Hands
from harness.data import make_series
from harness.pacs import Pacs
from harness.sending import send
from harness.site import Site
from harness.waiting import eventually
from hilum.ledger import grouping, planning
from hilum.ledger.rows import AnyRow
from hilum.model import GroupId
from hilum.states import GroupEvent

MakeSite = Callable[..., Site]
WORKFLOW = {"name": "copy", "clara-ae-title": "HILUM", "engine": "copy", "destination-name": "PACS"}


def flip(path: Path) -> None:
    """One bit in the middle of the pixels."""
    content = bytearray(path.read_bytes())
    content[-500] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2])


def overwrite_head(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


@pytest.fixture
def site(make_site: MakeSite, pacs: Pacs) -> Site:
    """Instances lie in the spool for as long as the window is open."""
    return make_site(
        {
            "dicom": {
                "scp": {"ae-titles": [{"ae-title": "HILUM", "timeout": 3600, "timeout-group": "Study"}]},
                "scu": {"destinations": [pacs.destination]},
            },
            "workflows": [WORKFLOW],
        },
        clock=Hands(),
    )


def close(site: Site) -> None:
    (group,) = site.rows("groups", state="open")
    with site.database.write() as connection:
        grouping.close(connection, GroupId(group.id), GroupEvent.CLOSE_ASKED, now=site.clock())


def parked(site: Site) -> AnyRow:
    (group,) = eventually(lambda: site.rows("groups", state="parked"), what="the parked group")
    return group


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (flip, "the data set has the digest"),
        (cut, "were received"),
        (overwrite_head, "DICM"),
    ],
)
def test_a_damaged_instance_is_set_aside_and_the_group_waits_for_an_operator(
    site: Site, pacs: Pacs, tmp_path: Path, damage: Callable[[Path], None], why: str
) -> None:
    files = make_series(tmp_path / "sent", 3)
    with site:
        assert [answer.status for answer in send(site.port, *files)] == [0, 0, 0]
        second = site.rows("instances")[1]
        damage(site.spool / second.association_id / "2.dcm")
        close(site)

        group = parked(site)
        assert group.why == "1 of its 3 instances were damaged on disk: in quarantine"
        assert (group.instances, site.rows("jobs"), pacs.arrived) == (2, [], [])
        kept = site.spool / "quarantine" / f"{second.association_id}-2.dcm"
        assert kept.is_file()
        assert why in kept.with_name(f"{kept.name}.txt").read_text()
        (line,) = site.history(machine="instance", event="quarantined")
        assert line.subject == files[1].stem
        assert why in line.why
        assert str(kept) in line.remedy

        with site.database.write() as connection:
            planning.ask_group_retry(connection, GroupId(group.id), now=site.clock())
        (job,) = site.wait_for_jobs(1)
        assert {path.stem for path in site.inputs(job)} == {files[0].stem, files[2].stem}
        assert {one.request.sop_instance for one in pacs.accepted} == {files[0].stem, files[2].stem}


def test_a_group_of_which_nothing_is_left_is_kept_and_shown(site: Site, tmp_path: Path) -> None:
    with site:
        send(site.port, *make_series(tmp_path / "sent", 1))
        flip(site.spool / site.rows("instances")[0].association_id / "1.dcm")
        close(site)
        group = parked(site)
        with site.database.write() as connection:
            planning.ask_group_retry(connection, GroupId(group.id), now=site.clock())
        (after,) = eventually(lambda: site.rows("groups", state="stored only"), what="the group without a job")
        assert after.why == "none of its instances is left: their files were damaged"


def test_an_instance_whose_digest_nobody_knows_is_taken_as_it_is(site: Site, tmp_path: Path) -> None:
    """Those that came before there were digests."""
    with site:
        send(site.port, *make_series(tmp_path / "sent", 1))
        with site.database.write() as connection:
            connection.exec_driver_sql("UPDATE instances SET digest = ''")
        flip(site.spool / site.rows("instances")[0].association_id / "1.dcm")
        close(site)
        (job,) = site.wait_for_jobs(1)
        assert len(site.inputs(job)) == 1


def test_a_file_that_is_gone_parks_the_group_with_all_that_is_left(site: Site, tmp_path: Path) -> None:
    """Nothing is written off: perhaps its disk is not mounted."""
    with site:
        send(site.port, *make_series(tmp_path / "sent", 2))
        first = site.rows("instances")[0]
        gone = site.spool / first.association_id / "1.dcm"
        hidden = gone.rename(tmp_path / "hidden")
        close(site)

        def look() -> object:
            site.clock.move(60)  # type: ignore[attr-defined]
            return site.rows("groups", state="parked")

        eventually(look, what="the parked group")
        group = parked(site)
        assert "is gone from the spool" in group.why
        assert [one.fate for one in site.rows("instances")] == ["grouped", "grouped"]
        hidden.rename(gone)
        with site.database.write() as connection:
            planning.ask_group_retry(connection, GroupId(group.id), now=site.clock())
        (job,) = site.wait_for_jobs(1)
        assert len(site.inputs(job)) == 2


def test_recovered_instances_have_a_digest_too(site: Site, tmp_path: Path) -> None:
    files = make_series(tmp_path / "sent", 1)
    with site:
        send(site.port, *files)
        digests = [one.digest for one in site.rows("instances")]
        assert len(digests[0]) == 32
