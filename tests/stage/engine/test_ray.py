"""The Ray engine before a cluster that answers as Ray does, and wrongly when it is told to."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from harness.ray_fake import FakeRay, breaks_off, fails, hangs, node, once, silent
from hilum.engine.port import Engine, Healthy, Phase, Run, Status, Unhealthy
from hilum.engine.ray import Cluster, Limits, RayEngine, Wanted, cluster
from hilum.engine.ray.records import moved
from hilum.errors import PermanentError, TemporaryError
from hilum.exchange import Server
from hilum.model import JobId

JOB = "a1" * 16
FIRST = f"hilum-{JOB}-1"


@pytest.fixture
def ray() -> Iterator[FakeRay]:
    with FakeRay() as fake:
        yield fake


@pytest.fixture
def run(tmp_path: Path) -> Run:
    folder = tmp_path / "payloads" / "scp-ct-1"
    (folder / "input").mkdir(parents=True)
    (folder / "output").mkdir()
    return Run(job_id=JobId(JOB), job_name="scp-ct-1", folder=folder, workflow="w-1", workflow_name="ct", attempt=1)


def engine_at(url: str, *, token: str | None = None, timeout: float = 10, **more: Any) -> RayEngine:
    server = Server(url=url, authorization=None if token is None else f"Bearer {token}", timeout=timeout)
    settings: dict[str, Any] = {
        "command": ("model", "{input}", "{output}"),
        "wanted": Wanted(),
        "limits": Limits(pending=timedelta(seconds=600), run=timedelta(seconds=3600)),
    }
    return RayEngine(cluster=Cluster(name="gpu", server=server), **settings | more)


def state(engine: Engine, run: Run) -> Status:
    return engine.status([run])[run.job_id]


def result(engine: Engine, run: Run) -> Status:
    """What becomes of it once it has ended."""
    status = state(engine, run)
    return engine.collect(run) if status.phase is Phase.SUCCEEDED else status


def finishes(ray: FakeRay, run: Run, **files: str) -> None:
    """As the command would, and Ray after it."""
    for name, text in files.items():
        (run.folder / "run" / str(run.attempt) / "output" / name).write_text(text)
    ray.says(f"hilum-{run.job_id}-{run.attempt}", "SUCCEEDED", driver_exit_code=0)


def test_a_job_is_submitted_runs_and_its_results_are_the_job_s(ray: FakeRay, run: Run) -> None:
    engine: Engine = engine_at(ray.url, environment={"A": "1"}, runtime={"pip": ["x"]})
    assert engine.submit(run) == FIRST
    [request] = ray.submitted
    own = run.folder / "run" / "1" / "output"
    assert request["entrypoint"].endswith(f"exec model {run.folder / 'input'} {own}")
    variables = request["runtime_env"]["env_vars"]
    assert (variables["HILUM_INPUT"], variables["HILUM_OUTPUT"]) == (str(run.folder / "input"), str(own))
    assert (variables["HILUM_JOB_ID"], variables["HILUM_WORKFLOW"], variables["A"]) == (JOB, "w-1", "1")
    assert request["runtime_env"]["pip"] == ["x"]
    assert state(engine, run).phase is Phase.RUNNING
    ray.says(FIRST, "RUNNING")
    assert state(engine, run).phase is Phase.RUNNING
    assert not (run.folder / "output" / "job.done").exists()
    ray.logs[FIRST] = b"one\ntwo\n"
    finishes(ray, run, **{"a.dcm": "result"})
    assert state(engine, run) == Status(phase=Phase.SUCCEEDED, exit_code=0)
    assert list((run.folder / "output").iterdir()) == []
    for _ in range(2):
        assert engine.collect(run) == Status(phase=Phase.SUCCEEDED, exit_code=0)
    assert {one.name for one in (run.folder / "output").iterdir()} == {"a.dcm", "job.done"}
    assert engine.logs(run, 1) == "two"


def test_its_end_is_remembered_when_the_cluster_has_forgotten_it(ray: FakeRay, run: Run) -> None:
    engine = engine_at(ray.url)
    engine.submit(run)
    ray.logs[FIRST] = b"what it wrote\n"
    finishes(ray, run)
    assert state(engine, run).phase is Phase.SUCCEEDED
    ray.forget()
    assert engine.collect(run).phase is Phase.SUCCEEDED
    asked = len(ray.asked)
    assert state(engine, run).phase is Phase.SUCCEEDED
    assert engine.logs(run, 5) == "what it wrote"
    engine.cancel(run)
    assert len(ray.asked) == asked


def test_the_nodes_may_see_the_job_folders_elsewhere(ray: FakeRay, run: Run) -> None:
    engine = engine_at(ray.url, payloads=run.folder.parent, there=Path("/mnt/hilum"))
    engine.submit(run)
    [request] = ray.submitted
    assert request["entrypoint"].endswith("exec model /mnt/hilum/scp-ct-1/input /mnt/hilum/scp-ct-1/run/1/output")
    assert str(run.folder) not in json.dumps(request)
    assert moved(Path("/other/x"), run.folder.parent, Path("/mnt")) == Path("/other/x")


def test_submitting_again_submits_once(ray: FakeRay, run: Run) -> None:
    engine = engine_at(ray.url)
    for _ in range(3):
        assert engine.submit(run) == FIRST
    assert len(ray.submitted) == 1


def test_of_two_gateways_that_submit_at_once_both_succeed_and_one_job_is_there(ray: FakeRay, run: Run) -> None:
    engine = engine_at(ray.url)

    def other_was_quicker(handler: Any) -> bool:
        ray.take(None, json.loads(handler.body))
        return False

    ray.trouble["POST /api/jobs/"] = once(other_was_quicker)
    assert engine.submit(run) == FIRST
    assert len(ray.submitted) == 2
    assert list(ray.jobs) == [FIRST]


@pytest.mark.parametrize("taken", [True, False])
def test_an_answer_that_is_lost_leaves_it_to_the_status(ray: FakeRay, run: Run, taken: bool) -> None:
    engine = engine_at(ray.url)

    def lost(handler: Any) -> bool:
        if taken:
            ray.take(None, json.loads(handler.body))
        return silent(handler)

    ray.trouble["POST /api/jobs/"] = once(lost)
    assert engine.submit(run) == FIRST
    # Pending means that it is to be submitted again.
    assert state(engine, run).phase is (Phase.RUNNING if taken else Phase.PENDING)
    engine.submit(run)
    assert state(engine, run).phase is Phase.RUNNING
    assert len(ray.submitted) == 1


def test_a_head_that_hangs_is_waited_for_no_longer_than_it_may(ray: FakeRay, run: Run) -> None:
    over = threading.Event()
    engine = engine_at(ray.url, timeout=0.3)
    ray.trouble["GET /api/jobs/"] = hangs(over)
    try:
        with pytest.raises(TemporaryError, match=r"gpu.*no answer within 0\.3 s"):
            engine.submit(run)
        with pytest.raises(TemporaryError):
            engine.status([run])
    finally:
        over.set()
    assert ray.submitted == []


def test_while_the_head_is_away_nothing_is_concluded(run: Run) -> None:
    with FakeRay() as ray:
        engine = engine_at(ray.url)
        engine.submit(run)
    for ask in (lambda: engine.status([run]), lambda: engine.submit(run), lambda: engine.cancel(run)):
        with pytest.raises(TemporaryError, match="cannot be reached"):
            ask()
    assert "cannot be reached" in engine.logs(run, 5)
    assert not (run.folder / "run" / "1" / "exit.json").exists()


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (fails(404, b"no such host"), "is it Ray's dashboard"),
        (fails(502), "502"),
        (fails(200, b"<html>"), "not JSON"),
        (fails(200, b'{"status": "?"}'), "nothing of job"),
        (breaks_off, "breaks off"),
    ],
)
def test_what_is_no_answer_of_ray_is_not_taken_for_one(ray: FakeRay, run: Run, trouble: Any, words: str) -> None:
    engine = engine_at(ray.url)
    engine.submit(run)
    ray.trouble["GET /api/jobs/"] = trouble
    with pytest.raises(TemporaryError, match=words):
        engine.status([run])


def test_a_job_that_the_cluster_has_forgotten_is_lost_and_its_next_attempt_is_another(ray: FakeRay, run: Run) -> None:
    engine = engine_at(ray.url)
    engine.submit(run)
    assert state(engine, run).phase is Phase.RUNNING
    ray.forget()
    status = state(engine, run)
    assert status.phase is Phase.LOST
    assert "its head was started anew" in status.reason
    # A gateway that slept in the middle of submitting it wakes up now.
    assert engine.submit(run) == FIRST
    assert len(ray.submitted) == 1
    again = replace(run, attempt=2)
    engine.submit(again)
    # Something of the first attempt still runs on a node that was cut off.
    (run.folder / "run" / "1" / "output" / "late.dcm").write_text("late")
    finishes(ray, again, **{"good.dcm": "good"})
    assert result(engine, again).phase is Phase.SUCCEEDED
    assert {one.name for one in (run.folder / "output").iterdir()} == {"good.dcm", "job.done"}


def test_an_exit_code_is_reported_and_what_the_command_wrote_is_not(ray: FakeRay, run: Run) -> None:
    engine = engine_at(ray.url)
    engine.submit(run)
    ray.logs[FIRST] = b"\x1b[31mred\x1b[0m\nno weights \x9b2J\n"
    message = "Job entrypoint command failed with exit code 3, last available logs:\nDOE^JANE"
    ray.says(FIRST, "FAILED", driver_exit_code=3, message=message, error_type="JOB_ENTRYPOINT_COMMAND_ERROR")
    found = state(engine, run)
    reason = "the command ended with exit code 3; its log says why"
    assert found == Status(phase=Phase.FAILED, exit_code=3, reason=reason)
    assert engine.logs(run, 5) == "red\nno weights \ufffd2J"
    assert not (run.folder / "output" / "job.done").exists()
    assert state(engine, run) == found


def test_a_command_that_removes_the_folder_for_its_results_has_not_succeeded(ray: FakeRay, run: Run) -> None:
    engine = engine_at(ray.url)
    engine.submit(run)
    (run.folder / "run" / "1" / "output").rmdir()
    ray.says(FIRST, "SUCCEEDED", driver_exit_code=0)
    assert "removed the folder" in state(engine, run).reason
    assert not (run.folder / "output" / "job.done").exists()


def test_what_an_attempt_of_another_engine_left_is_put_aside(ray: FakeRay, run: Run) -> None:
    (run.folder / "output" / "half.dcm").touch()
    again = replace(run, attempt=2)
    engine = engine_at(ray.url)
    engine.submit(again)
    engine.submit(again)
    finishes(ray, again, **{"whole.dcm": "x"})
    assert result(engine, again).phase is Phase.SUCCEEDED
    assert {one.name for one in (run.folder / "output").iterdir()} == {"whole.dcm", "job.done"}
    assert (run.folder / "run" / "2" / "output.before" / "half.dcm").exists()


def test_a_job_that_nobody_submitted_is_pending(ray: FakeRay, run: Run) -> None:
    assert state(engine_at(ray.url), run) == Status(phase=Phase.PENDING)


def test_a_running_job_is_stopped_and_is_cancelled_when_it_has(ray: FakeRay, run: Run) -> None:
    engine = engine_at(ray.url)
    engine.submit(run)
    ray.says(FIRST, "RUNNING")
    engine.cancel(run)
    engine.cancel(run)
    assert state(engine, run) == Status(phase=Phase.FAILED, reason="cancelled")


def test_a_job_that_was_never_submitted_is_not_submitted_any_more_once_cancelled(ray: FakeRay, run: Run) -> None:
    engine = engine_at(ray.url)
    engine.cancel(run)
    assert engine.submit(run) == FIRST
    assert state(engine, run) == Status(phase=Phase.FAILED, reason="cancelled before it started")
    assert ray.submitted == []
    assert (run.folder / "run" / "1" / "cancel").exists()


def test_a_waiting_job_is_cancelled_at_once(ray: FakeRay, run: Run) -> None:
    engine = engine_at(ray.url)
    engine.submit(run)
    engine.cancel(run)
    assert f"POST /api/jobs/{FIRST}/stop" in ray.asked
    assert state(engine, run) == Status(phase=Phase.FAILED, reason="cancelled before it started")


def test_a_job_whose_folder_is_gone_is_stopped_all_the_same_and_never_runs_again(ray: FakeRay, run: Run) -> None:
    engine = engine_at(ray.url)
    engine.submit(run)
    ray.says(FIRST, "RUNNING")
    for path in sorted(run.folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    run.folder.rmdir()
    engine.cancel(run)
    assert ray.jobs[FIRST]["status"] == "STOPPED"
    assert state(engine, run) == Status(phase=Phase.FAILED, reason=f"the job's folder {run.folder} is gone")
    with pytest.raises(PermanentError, match="gone"):
        engine.submit(run)


def test_what_waits_too_long_fails_and_says_what_the_cluster_lacks(ray: FakeRay, run: Run) -> None:
    limits = Limits(pending=timedelta(), run=timedelta(seconds=60))
    engine = engine_at(ray.url, wanted=Wanted(gpus=1), limits=limits)
    engine.submit(run)
    status = state(engine, run)
    assert status.phase is Phase.FAILED
    assert status.reason == (
        "Ray did not start it within 0 s; it asks for 1 CPU and 1 GPU: no node of the cluster has a GPU"
    )
    assert f"POST /api/jobs/{FIRST}/stop" in ray.asked
    again = replace(run, attempt=2)
    ray.nodes = [node(CPU=4, GPU=1)]
    engine.submit(again)
    assert state(engine, again).reason.endswith(
        "all nodes that have it were busy, or Ray was still setting its runtime environment up"
    )


def test_what_runs_too_long_is_stopped_and_says_so(ray: FakeRay, run: Run) -> None:
    limits = Limits(pending=timedelta(seconds=60), run=timedelta())
    engine = engine_at(ray.url, limits=limits)
    engine.submit(run)
    ray.says(FIRST, "RUNNING")
    words = "the command ran longer than its time limit of 0 s and was stopped"
    assert state(engine, run) == Status(phase=Phase.RUNNING, reason=words)
    assert state(engine, run) == Status(phase=Phase.FAILED, reason=words)


@pytest.mark.parametrize("many", [1, cluster.ONE_BY_ONE, 30])
def test_many_jobs_are_asked_about_in_few_requests(ray: FakeRay, run: Run, many: int) -> None:
    engine = engine_at(ray.url)
    runs = [replace(run, job_id=JobId(f"{number:032x}")) for number in range(many)]
    for one in runs:
        ray.says(f"hilum-{one.job_id}-1", "RUNNING")
    ray.says("of somebody else", "FAILED")
    found = engine.status(runs)
    assert set(found) == {one.job_id for one in runs}
    assert {one.phase for one in found.values()} == {Phase.RUNNING}
    assert len(ray.asked) == min(many, cluster.ONE_BY_ONE if many <= cluster.ONE_BY_ONE else 1)


@pytest.mark.parametrize("trouble", [breaks_off, fails(500), fails(200, b"{}"), fails(200, b"[3, {}, null]")])
def test_a_list_that_cannot_be_read_is_done_without(ray: FakeRay, run: Run, trouble: Any) -> None:
    engine = engine_at(ray.url)
    runs = [replace(run, job_id=JobId(f"{number:032x}")) for number in range(cluster.ONE_BY_ONE + 1)]
    for one in runs[1:]:
        ray.says(f"hilum-{one.job_id}-1", "RUNNING")

    def list_only(handler: Any) -> bool:
        return bool(handler.path == "/api/jobs/" and trouble(handler))

    ray.trouble["GET /api/jobs/"] = list_only
    found = engine.status(runs)
    assert found[runs[0].job_id].phase is Phase.PENDING
    assert {found[one.job_id].phase for one in runs[1:]} == {Phase.RUNNING}


def test_a_list_that_is_too_long_is_not_read(ray: FakeRay, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_MAX_LIST", 1000)
    runs = [replace(run, job_id=JobId(f"{number:032x}")) for number in range(cluster.ONE_BY_ONE + 1)]
    for one in runs:
        ray.says(f"hilum-{one.job_id}-1", "RUNNING", message="x" * 1000)
    assert len(engine_at(ray.url).status(runs)) == len(runs)
    assert len(ray.asked) == 1 + len(runs)


def test_what_ray_refuses_for_good_is_not_tried_again(ray: FakeRay, run: Run) -> None:
    hidden = b"Traceback\n  x\nRuntimeError: Request failed with status code 400: ValueError: bad label selector.\n"
    ray.trouble["POST /api/jobs/"] = fails(500, hidden)
    with pytest.raises(PermanentError, match=r"refuses the job: .*bad label selector"):
        engine_at(ray.url).submit(run)


@pytest.mark.parametrize("status", [500, 503, 429])
def test_what_ray_does_not_take_now_is_tried_again(ray: FakeRay, run: Run, status: int) -> None:
    ray.trouble["POST /api/jobs/"] = fails(status, b"No available agent to submit job, please try again later.")
    with pytest.raises(TemporaryError, match="No available agent"):
        engine_at(ray.url).submit(run)


def test_a_token_is_sent_and_one_that_is_missing_or_wrong_is_said(run: Run) -> None:
    with FakeRay(token="right") as ray:
        engine_at(ray.url, token="right").submit(run)
        assert list(ray.jobs) == [FIRST]
        for token, words in ((None, "wants a token"), ("wrong", "does not take this token")):
            engine = engine_at(ray.url, token=token)
            with pytest.raises(TemporaryError, match=words):
                engine.status([run])
            health = engine.probe()
            assert isinstance(health, Unhealthy)
            assert words in health.why
            assert "wrong" not in repr(engine)


def test_it_is_healthy_when_a_node_has_what_it_asks_for_and_otherwise_says_what_lacks(ray: FakeRay) -> None:
    assert engine_at(ray.url).probe() == Healthy()
    health = engine_at(ray.url, wanted=Wanted(gpus=1)).probe()
    assert isinstance(health, Unhealthy)
    assert "asks for 1 CPU and 1 GPU, and no node of the cluster has a GPU" in health.why
    ray.trouble["GET /api/v0/nodes"] = fails(500)
    assert engine_at(ray.url, wanted=Wanted(gpus=1)).probe() == Healthy()
    ray.trouble["GET /api/version"] = fails(200, b'{"name": "something else"}')
    health = engine_at(ray.url).probe()
    assert isinstance(health, Unhealthy)
    assert "is it Ray's dashboard" in health.why


def test_a_log_is_bounded(ray: FakeRay, run: Run) -> None:
    engine = engine_at(ray.url)
    engine.submit(run)
    ray.says(FIRST, "RUNNING")
    ray.logs[FIRST] = b"".join(b"%d\n" % number for number in range(500))
    assert engine.logs(run, 2) == "498\n499"

    ray.logs[FIRST] = b"x" * (cluster.MAX_LOG * 2) + b"\nthe end\n"
    assert engine.logs(run, 2) == "the end"
    ray.logs[FIRST] = b"x" * (cluster.MAX_LOG * 2)
    assert len(engine.logs(run, 1)) == cluster.MAX_LOG


def test_results_that_cannot_be_handed_over_are_no_success(ray: FakeRay, run: Run) -> None:
    engine = engine_at(ray.url)
    engine.submit(run)
    (run.folder / "output" / "stranger.dcm").touch()
    finishes(ray, run, **{"a.dcm": "x"})
    status = result(engine, run)
    assert status.phase is Phase.FAILED
    assert os.strerror(39) in status.reason
