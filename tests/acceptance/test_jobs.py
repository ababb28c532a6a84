"""Black-box cases of an endpoint with jobs: what was sent must come out as jobs, once, whole, in time."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from harness.clock import Hands
from harness.data import make_instance, make_series
from harness.process import GatewayProcess
from harness.sending import association, send, store
from harness.site import Site, data_set_digest
from harness.waiting import eventually
from hilum.errors import TemporaryError
from hilum.ledger.rows import AnyRow

MakeSite = Callable[..., Site]


def ae(**keys: Any) -> dict[str, Any]:
    """The configuration of one AE title HILUM with one workflow that copies its input."""
    return {
        "dicom": {"scp": {"ae-titles": [{"ae-title": "HILUM"} | {k.replace("_", "-"): v for k, v in keys.items()}]}},
        "workflows": [{"name": "one", "clara-ae-title": "HILUM", "workflow": "wf-1", "engine": "copy"}],
    }


def uids(paths: Sequence[Path]) -> list[str]:
    return sorted(path.stem for path in paths)


def inputs(site: Site, jobs: Sequence[AnyRow]) -> list[list[str]]:
    """The SOP Instance UIDs of each job's input, the largest job first."""
    return sorted((sorted(path.stem for path in site.inputs(job)) for job in jobs), key=len, reverse=True)


def test_b1_without_a_timeout_one_association_is_one_job_at_its_release(make_site: MakeSite, tmp_path: Path) -> None:
    files = make_series(tmp_path / "a", 4)
    with make_site(ae()) as site:
        with association(site.port, files) as open_one:
            for path in files:
                assert store(open_one, path).status == 0
            assert site.rows("jobs") == []
        jobs = site.wait_for_jobs(1)
        assert inputs(site, jobs) == [uids(files)]


@pytest.mark.parametrize("retention", [0, 86400])
def test_b2_an_abort_starts_no_job_and_what_was_stored_is_held_or_removed(
    make_site: MakeSite, tmp_path: Path, retention: int
) -> None:
    files = make_series(tmp_path / "a", 2)
    keys = ae() | {}
    keys["dicom"]["scp"]["aborted-retention"] = retention
    with make_site(keys) as site:
        with association(site.port, files) as open_one:
            for path in files:
                assert store(open_one, path).status == 0
            open_one.abort()
        wanted = "held" if retention else "removed"
        eventually(
            lambda: [row.state for row in site.rows("associations")] == [wanted], what=f"an association {wanted}"
        )
        assert site.rows("groups") == []
        assert site.rows("jobs") == []
        held = list((site.spool / "held").rglob("*.dcm"))
        assert len(held) == (2 if retention else 0)


def test_b3_associations_within_the_window_are_one_job_and_beyond_it_are_several(
    make_site: MakeSite, tmp_path: Path
) -> None:
    clock = Hands()
    near, far = make_series(tmp_path / "near", 3), make_series(tmp_path / "far", 3)
    with make_site(ae(timeout=60), clock=clock) as site:
        for path in near:
            send(site.port, path)
            clock.move(40)
        clock.move(30)
        assert inputs(site, site.wait_for_jobs(1)) == [uids(near)]
        for number, path in enumerate(far, 2):
            send(site.port, path)
            clock.move(70)
            site.wait_for_jobs(number)
        assert [len(names) for names in inputs(site, site.rows("jobs"))] == [3, 1, 1, 1]


def test_b4_patients_that_arrive_interleaved_have_windows_of_their_own(make_site: MakeSite, tmp_path: Path) -> None:
    clock = Hands()
    ann = make_series(tmp_path / "a", 2, patient="ANN")
    bob = make_series(tmp_path / "b", 2, patient="BOB")
    with make_site(ae(timeout=60, timeout_group="Patient"), clock=clock) as site:
        send(site.port, ann[0], bob[0])
        clock.move(40)
        send(site.port, bob[1])
        clock.move(30)
        [first] = site.wait_for_jobs(1)
        assert inputs(site, [first]) == [uids(ann[:1])]
        send(site.port, ann[1])
        clock.move(70)
        assert sorted(inputs(site, site.wait_for_jobs(3))) == sorted([uids(ann[:1]), uids(ann[1:]), uids(bob)])


def test_b5_eight_associations_at_once_with_200_instances_each_are_eight_jobs(
    make_site: MakeSite, tmp_path: Path
) -> None:
    series = [make_series(tmp_path / str(number), 200, patient=f"P{number}") for number in range(8)]
    keys = ae()
    keys["dicom"]["scp"]["max-associations"] = 8
    with make_site(keys) as site, ThreadPoolExecutor(8) as senders:
        answers = list(senders.map(lambda files: send(site.port, *files), series))
        assert all(answer.status == 0 for one in answers for answer in one)
        jobs = site.wait_for_jobs(8, seconds=60)
        assert sorted(inputs(site, jobs)) == sorted(uids(files) for files in series)


def test_b6_one_study_over_five_associations_at_once_is_one_job_with_all_of_it(
    make_site: MakeSite, tmp_path: Path
) -> None:
    clock = Hands()
    files = make_series(tmp_path / "a", 500)
    with make_site(ae(timeout=60, timeout_group="Study"), clock=clock) as site, ThreadPoolExecutor(5) as senders:
        list(senders.map(lambda part: send(site.port, *part), [files[first::5] for first in range(5)]))
        clock.move(70)
        jobs = site.wait_for_jobs(1, seconds=60)
        assert inputs(site, jobs) == [uids(files)]


def test_b7_an_instance_that_comes_while_its_groups_job_is_made_gets_the_next_job(
    make_site: MakeSite, tmp_path: Path
) -> None:
    clock = Hands()
    files = make_series(tmp_path / "a", 40)
    with make_site(ae(timeout=60, timeout_group="Patient"), clock=clock) as site:
        for number, path in enumerate(files):
            assert send(site.port, path)[0].status == 0
            if number % 10 == 9:
                clock.move(61)  # the window ends at about the moment the next one arrives
        clock.move(61)
        eventually(
            lambda: sum(job.instances for job in site.rows("jobs", state="complete")) == 40, what="all 40 in jobs"
        )
        jobs = site.rows("jobs")
        assert sorted(name for names in inputs(site, jobs) for name in names) == uids(files)


def test_b8_the_same_study_sent_to_two_ae_titles_is_two_jobs(make_site: MakeSite, tmp_path: Path) -> None:
    files = make_series(tmp_path / "a", 3)
    keys = {
        "dicom": {"scp": {"ae-titles": [{"ae-title": "ONE"}, {"ae-title": "TWO"}]}},
        "workflows": [
            {"name": "first", "clara-ae-title": "ONE", "workflow": "wf-1", "engine": "copy"},
            {"name": "second", "clara-ae-title": "TWO", "workflow": "wf-2", "engine": "copy"},
        ],
    }
    with make_site(keys) as site:
        send(site.port, *files, called="ONE")
        send(site.port, *files, called="TWO")
        jobs = site.wait_for_jobs(2)
        assert {(job.ae, job.workflow) for job in jobs} == {("ONE", "wf-1"), ("TWO", "wf-2")}
        assert inputs(site, jobs) == [uids(files)] * 2


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("associations", [1, 2])
def test_b9_of_one_uid_the_first_or_the_last_instance_counts_and_once(
    make_site: MakeSite, tmp_path: Path, *, overwrite: bool, associations: int
) -> None:
    clock = Hands()
    first = make_instance(tmp_path / "first", fill=1)
    uid = first.stem
    last = make_instance(tmp_path / "last", fill=2, sop_instance=uid, size=4096)
    with make_site(ae(timeout=60, overwrite_same_instance=overwrite), clock=clock) as site:
        batches = [[first, last]] if associations == 1 else [[first], [last]]
        answers = [answer for batch in batches for answer in send(site.port, *batch)]
        assert [answer.status for answer in answers] == [0, 0]
        clock.move(70)
        [job] = site.wait_for_jobs(1)
        assert job.instances == 1
        [path] = site.inputs(job)
        assert data_set_digest(path) == data_set_digest(last if overwrite else first)
        assert site.history(machine="instance", subject=uid), "a line of history says which one was dropped"


def test_b10_an_instance_without_the_grouping_attribute_gets_a_job_of_its_own(
    make_site: MakeSite, tmp_path: Path
) -> None:
    clock = Hands()
    known = make_instance(tmp_path / "a", patient="ANN")
    unknown = [make_instance(tmp_path / "b", patient=None), make_instance(tmp_path / "b", patient="")]
    with make_site(ae(timeout=60, timeout_group="Patient"), clock=clock) as site:
        for path in (known, *unknown):
            assert send(site.port, path)[0].status == 0
        clock.move(70)
        jobs = site.wait_for_jobs(3)
        assert sorted(inputs(site, jobs)) == sorted([uids([known]), uids(unknown[:1]), uids(unknown[1:])])
        assert len(site.history(event="without key")) == 2


def test_b11_what_was_released_before_a_kill_is_in_a_job_after_the_restart(tmp_path: Path, make_site: MakeSite) -> None:
    files = make_series(tmp_path / "a", 5)
    held = make_series(tmp_path / "b", 2)
    site = make_site(ae(timeout=3))
    with GatewayProcess(site) as gateway:
        send(gateway.port, *files)
        with pytest.raises(TemporaryError), association(gateway.port, held) as open_one:  # noqa: PT012
            store(open_one, held[0])
            gateway.kill()
            store(open_one, held[1])
    with site:
        jobs = site.wait_for_jobs(1)
        assert inputs(site, jobs) == [uids(files)]
        assert [row.state for row in site.rows("associations")] == ["released", "held"]


def test_b12_a_job_that_its_engine_cannot_take_now_runs_once_when_it_can(make_site: MakeSite, tmp_path: Path) -> None:
    files = make_series(tmp_path / "a", 1)
    program = tmp_path / "bin" / "model"
    keys = ae()
    keys["engines"] = {"copy": {"type": "process", "command": [str(program)], "attempts": 5}}
    runs = tmp_path / "runs"
    clock = Hands()
    with make_site(keys, clock=clock) as site:
        send(site.port, *files)
        eventually(lambda: site.rows("jobs") and site.rows("jobs")[0].why, what="the engine's reason")
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\necho run >> {runs}\n")
        program.chmod(0o755)
        clock.move(60)
        site.wait_for_jobs(1)
        assert runs.read_text() == "run\n"


def test_b13_two_groups_of_one_second_have_names_of_their_own_without_personal_data(
    make_site: MakeSite, tmp_path: Path
) -> None:
    files = [make_instance(tmp_path / "a", patient=f"SECRET{number}") for number in range(2)]
    keys = ae(timeout_group="Patient")
    keys["workflows"][0]["name"] = "A very long name of a workflow, with 'signs' & spaces, that nobody would type"
    with make_site(keys) as site:
        send(site.port, *files)
        jobs = site.wait_for_jobs(2)
        names = [job.name for job in jobs]
        assert len(set(names)) == 2
        for name in names:
            assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name)
            assert "secret" not in name.lower()


def test_b14_a_window_does_not_end_while_a_slow_sender_still_sends(make_site: MakeSite, tmp_path: Path) -> None:
    clock = Hands()
    files = make_series(tmp_path / "a", 4)
    with make_site(ae(timeout=60, timeout_group="Patient"), clock=clock) as site:
        send(site.port, files[0])
        with association(site.port, files[1:]) as slow:
            store(slow, files[1])
            for path in files[2:]:
                clock.move(90)
                store(slow, path)
                assert [group.state for group in site.rows("groups")] == ["open"]
        clock.move(70)
        assert inputs(site, site.wait_for_jobs(1)) == [uids(files)]
