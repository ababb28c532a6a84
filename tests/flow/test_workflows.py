"""What a closed group becomes: one job per workflow, or what a processor of somebody's own makes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from flow.workflows import one_workflow, workflow
from harness.clock import Hands
from harness.data import make_series
from harness.pacs import Pacs
from harness.sending import send
from harness.site import Site, data_set_digest
from harness.waiting import eventually
from hilum.ledger.tables import groups
from hilum.ledger.transition import apply
from hilum.states import GroupEvent

MakeSite = Callable[..., Site]


def test_each_workflow_of_an_ae_gets_a_job_on_one_copy_of_the_input(
    make_site: MakeSite, pacs: Pacs, tmp_path: Path
) -> None:
    files = make_series(tmp_path / "ct", 3)
    keys = {
        "dicom": {
            "scp": {"ae-titles": [{"ae-title": "HILUM"}, {"ae-title": "OTHER"}]},
            "scu": {"destinations": [pacs.destination]},
        },
        "workflows": [
            workflow("lung", to=[pacs]),
            workflow("bone"),
            workflow("heart"),
            workflow("not-mine", ae="OTHER"),
        ],
    }
    with make_site(keys) as site:
        send(site.port, *files)
        jobs = site.wait_for_jobs(3)
        assert sorted(job.workflow for job in jobs) == ["wf-bone", "wf-heart", "wf-lung"]
        for one, two, three in zip(*map(site.inputs, jobs), strict=True):
            assert one.name == two.name == three.name
            assert one.stat().st_ino == two.stat().st_ino == three.stat().st_ino
        assert [len(site.inputs(job)) for job in jobs] == [3, 3, 3]
        # Only one of them has a destination.
        assert sorted(one.digest for one in pacs.accepted) == sorted(map(data_set_digest, files))


def test_a_processor_of_somebodys_own_decides_which_jobs_there_are(make_site: MakeSite, tmp_path: Path) -> None:
    scout, thin, thick = (make_series(tmp_path / name, count) for name, count in (("a", 1), ("b", 4), ("c", 2)))
    keys = one_workflow()
    keys["dicom"] = {
        "scp": {"ae-titles": [{"ae-title": "HILUM", "processors": ["flow.series_processor:JobPerSeries"]}]}
    }
    with make_site(keys) as site:
        send(site.port, *scout, *thin, *thick)
        jobs = site.wait_for_jobs(2)
        inputs = sorted(sorted(path.stem for path in site.inputs(job)) for job in jobs)
        assert inputs == sorted([sorted(path.stem for path in thin), sorted(path.stem for path in thick)])


def test_a_processor_that_wants_no_job_leaves_the_group_stored_and_shown(make_site: MakeSite, tmp_path: Path) -> None:
    keys = one_workflow()
    keys["dicom"] = {
        "scp": {"ae-titles": [{"ae-title": "HILUM", "processors": ["flow.series_processor:JobPerSeries"]}]}
    }
    [scout] = make_series(tmp_path / "a", 1)
    with make_site(keys) as site:
        send(site.port, scout)
        eventually(lambda: site.rows("groups", state="stored only"), what="a group that is stored only")
        assert site.rows("jobs") == []
        [stored] = site.spool.rglob("1.dcm")
        assert data_set_digest(stored) == data_set_digest(scout)


def test_a_processor_that_breaks_parks_the_group_until_it_is_mended(make_site: MakeSite, tmp_path: Path) -> None:
    clock = Hands()
    files = make_series(tmp_path / "a", 2)
    keys = one_workflow()
    keys["dicom"] = {"scp": {"ae-titles": [{"ae-title": "HILUM", "processors": ["flow.series_processor:Broken"]}]}}
    with make_site(keys, clock=clock) as site:
        send(site.port, *files)

        def parked() -> bool:
            clock.move(10)  # the second and the third attempt have waits before them
            return bool(site.rows("groups", state="parked"))

        eventually(parked, what="a parked group")
        [group] = site.rows("groups")
        assert "no tea" in group.why
        site.configure(one_workflow())
        eventually(lambda: site.history(machine="config", event="reloaded"), what="the mended configuration")
        with site.database.write() as connection:
            apply(connection, groups, group.id, GroupEvent.RETRY_ASKED, now=clock(), values={"attempts": 0})
        [job] = site.wait_for_jobs(1)
        assert [path.stem for path in site.inputs(job)] == sorted(path.stem for path in files)
