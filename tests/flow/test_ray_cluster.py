"""Jobs on a real Ray cluster: one head, started as its users start it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from flow.workflows import one_workflow
from harness.data import make_instance
from harness.pacs import Pacs
from harness.ray import RayHead
from harness.sending import send
from harness.site import Site
from harness.waiting import eventually
from hilum.engine.port import Healthy, Phase, Run, Status, Unhealthy
from hilum.engine.ray import Cluster, Limits, RayEngine, Wanted
from hilum.exchange import Answer
from hilum.model import JobId

MakeSite = Callable[..., Site]

# Seconds of a machine that has other things to do.
pytestmark = pytest.mark.timeout(900)
LONG = 240.0


@pytest.fixture(scope="module")
def head() -> Iterator[RayHead]:
    with RayHead() as started, started.inside():
        yield started


@pytest.fixture
def run(tmp_path: Path) -> Run:
    folder = tmp_path / "scp-ct-1"
    (folder / "input").mkdir(parents=True)
    (folder / "output").mkdir()
    (folder / "input" / "a.dcm").write_text("instance")
    number = abs(hash(tmp_path)) % 10**12
    return Run(
        job_id=JobId(f"{number:032x}"),
        job_name="scp-ct-1",
        folder=folder,
        workflow="w-1",
        workflow_name="ct",
        attempt=1,
    )


def engine_of(head: RayHead, script: str, **more: Any) -> RayEngine:
    settings: dict[str, Any] = {
        "cluster": Cluster(name="gpu", server=head.server),
        "command": ("sh", "-c", script, "sh", "{input}", "{output}"),
        "wanted": Wanted(cpus=0.5),
        "limits": Limits(pending=timedelta(seconds=LONG), run=timedelta(seconds=LONG)),
    }
    return RayEngine(**settings | more)


def state(engine: RayEngine, run: Run) -> Status:
    return engine.status([run])[run.job_id]


def end_of(engine: RayEngine, run: Run) -> Status:
    def ended() -> Status | None:
        found = state(engine, run)
        return None if found.phase in {Phase.PENDING, Phase.RUNNING} else found

    found = eventually(ended, seconds=LONG, what="the end of the job", pause=0.2)
    assert found is not None
    return found


def start_of(run: Run) -> None:
    started = run.folder / "run" / str(run.attempt) / "output" / "started"
    eventually(started.exists, seconds=LONG, what="the start of the command", pause=0.1)


SLEEP = 'touch "$HILUM_OUTPUT/started"; exec sleep 600'


def test_a_job_runs_once_and_its_results_are_the_job_s(head: RayHead, run: Run) -> None:
    script = 'cp "$1"/* "$2"/; pwd; echo "$HILUM_WORKFLOW $A"; echo x >> runs'
    engine = engine_of(head, script, environment={"A": "it's"}, wanted=Wanted(cpus=0.5, labels={"room": "a"}))
    submission = engine.submit(run)
    # Ray answers a second submission as a failure; whoever made it first, the job is there.
    request = {"submission_id": submission, "entrypoint": "false"}
    answer = head.server.ask("POST", "/api/jobs/", body=json.dumps(request).encode())
    assert isinstance(answer, Answer)
    assert answer.status == 500
    assert engine.cluster.submit(request) is True
    assert engine.submit(run) == submission
    assert end_of(engine, run) == Status(phase=Phase.SUCCEEDED, exit_code=0)
    assert engine.collect(run) == Status(phase=Phase.SUCCEEDED, exit_code=0)
    assert {one.name for one in (run.folder / "output").iterdir()} == {"a.dcm", "job.done"}
    assert (run.folder / "runs").read_text() == "x\n"
    log = engine.logs(run, 100)
    assert str(run.folder) in log
    assert "w-1 it's" in log


def test_an_exit_code_a_folder_that_is_not_shared_and_a_lack_are_told(head: RayHead, run: Run) -> None:
    failing = engine_of(head, "echo no weights; exit 7")
    failing.submit(run)
    elsewhere = replace(run, attempt=2)
    (unshared := engine_of(head, "true", payloads=run.folder.parent, there=Path("/nowhere"))).submit(elsewhere)
    limits = Limits(pending=timedelta(seconds=2), run=timedelta(seconds=LONG))
    (starving := engine_of(head, "true", wanted=Wanted(gpus=1), limits=limits)).submit(
        hungry := replace(run, attempt=3)
    )
    found = end_of(starving, hungry)
    assert found.phase is Phase.FAILED
    assert found.reason == (
        "Ray did not start it within 2 s; it asks for 1 CPU and 1 GPU: no node of the cluster has a GPU"
    )
    found = end_of(failing, run)
    reason = "the command ended with exit code 7; its log says why"
    assert found == Status(phase=Phase.FAILED, exit_code=7, reason=reason)
    assert "no weights" in failing.logs(run, 100)
    assert "does not see the folder of the job" in end_of(unshared, elsewhere).reason


def test_a_running_job_is_stopped_when_it_is_cancelled_or_takes_too_long(head: RayHead, run: Run) -> None:
    limits = Limits(pending=timedelta(seconds=LONG), run=timedelta(seconds=1))
    (slow := engine_of(head, SLEEP, limits=limits)).submit(other := replace(run, attempt=2))
    (engine := engine_of(head, SLEEP)).submit(run)
    start_of(run)
    engine.cancel(run)
    engine.cancel(run)
    assert end_of(engine, run) == Status(phase=Phase.FAILED, reason="cancelled")
    assert "ran longer than its time limit of 1 s" in end_of(slow, other).reason


def test_a_waiting_job_that_is_cancelled_never_starts(head: RayHead, run: Run) -> None:
    # Two of one CPU each leave no room for a third.
    full = engine_of(head, SLEEP, wanted=Wanted(cpus=1))
    blockers = [replace(run, attempt=number) for number in (7, 8)]
    for one in blockers:
        full.submit(one)
    for one in blockers:
        start_of(one)
    full.submit(run)
    assert state(full, run).phase is Phase.RUNNING
    full.cancel(run)
    assert state(full, run) == Status(phase=Phase.FAILED, reason="cancelled before it started")
    for one in blockers:
        full.cancel(one)
        assert end_of(full, one).reason == "cancelled"

    def over() -> bool:
        found = full.cluster.find(f"hilum-{run.job_id}-1")
        return found is not None and found.state.value in {"STOPPED", "FAILED", "SUCCEEDED"}

    eventually(over, seconds=LONG, what="that Ray is done with it", pause=0.2)
    assert not (run.folder / "run" / "1" / "output" / "started").exists()


def test_a_cluster_is_looked_at_before_jobs_wait_for_it(head: RayHead) -> None:
    assert engine_of(head, "true").probe() == Healthy()
    assert head.token not in repr(engine_of(head, "true"))
    nobody = Cluster(name="gpu", server=replace(head.server, authorization=None))
    for engine, words in (
        (engine_of(head, "true", wanted=Wanted(gpus=1)), "no node of the cluster has a GPU"),
        (engine_of(head, "true", wanted=Wanted(labels={"room": "b"})), "the label room=b"),
        (engine_of(head, "true", cluster=nobody), "wants a token"),
    ):
        health = engine.probe()
        assert isinstance(health, Unhealthy)
        assert words in health.why


def site_on(make_site: MakeSite, head: RayHead, pacs: Pacs, script: str) -> Site:
    engine = {
        "type": "ray",
        "url": head.url,
        "token": head.token,
        "command": ["sh", "-c", script],
        "cpus": 0.5,
        "poll-seconds": 0.2,
    }
    return make_site(one_workflow(engine, to=[pacs]))


def test_what_is_sent_comes_back_from_the_cluster_even_if_its_head_is_started_anew_meanwhile(
    head: RayHead, make_site: MakeSite, tmp_path: Path
) -> None:
    # The first attempt waits for a file that only later attempts find.
    script = (
        f'echo x >> "{tmp_path}/runs"; touch "{tmp_path}/started"; while [ ! -e "{tmp_path}/go" ]; do sleep 0.1; done; '
        'cp "$HILUM_INPUT"/* "$HILUM_OUTPUT"/'
    )
    with Pacs() as pacs, site_on(make_site, head, pacs, script) as site:
        send(site.port, make_instance(tmp_path / "ct"))
        eventually((tmp_path / "started").exists, seconds=LONG, what="the first attempt")
        head.stop()
        (tmp_path / "go").touch()
        head.start()
        [job] = site.wait_for_jobs(1, seconds=LONG)
        assert job.attempt == 2
        assert (tmp_path / "runs").read_text() == "x\nx\n"
        assert len(pacs.arrived) == 1
        [lost] = site.history(machine="job", event="attempt failed")
        assert "its head was started anew" in lost.why
