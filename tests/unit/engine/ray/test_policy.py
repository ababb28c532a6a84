from __future__ import annotations

import shlex
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from hilum.engine.port import Phase
from hilum.engine.ray import policy
from hilum.engine.ray.policy import Ended, Goes, Limits, Node, Overdue, Record, State, Told, Wanted

LIMITS = Limits(pending=timedelta(seconds=100), run=timedelta(seconds=1000))
GPU = Wanted(cpus=2, gpus=1, memory=4_000_000_000)
ACCEPTED = Record(accepted_at=5000.0)
RUNNING = Record(accepted_at=5000.0, running_at=5050.0)


def judged(
    found: Told, record: Record, now: float = 5060.0, *, wanted: Wanted = GPU, cancelled: bool = False
) -> Goes | Overdue | Ended:
    return policy.judge(found, record, now, LIMITS, wanted, cancelled=cancelled)


def test_a_submission_has_one_name_however_often_it_is_made_and_each_attempt_another() -> None:
    assert policy.submission_id("a1" * 16, 2) == "hilum-" + "a1" * 16 + "-2"
    assert policy.submission_id("a1" * 16, 3) != policy.submission_id("a1" * 16, 2)


def test_an_answer_about_a_job_is_read_as_ray_writes_it() -> None:
    found = policy.told(
        {
            "status": "FAILED",
            "message": "failed with exit code 7",
            "error_type": "JOB_ENTRYPOINT_COMMAND_ERROR",
            "driver_exit_code": 7,
            "driver_node_id": "n1",
            "more": {},
        }
    )
    error = "JOB_ENTRYPOINT_COMMAND_ERROR"
    assert found == Told(state=State.FAILED, message="failed with exit code 7", error=error, exit_code=7, node="n1")


@pytest.mark.parametrize(
    "document", [None, [], "FAILED", {}, {"status": "PAUSED"}, {"status": 3}, {"status": ["FAILED"]}]
)
def test_an_answer_that_is_not_about_a_job_is_none(document: object) -> None:
    assert policy.told(document) is None


def test_a_waiting_job_says_what_it_waits_for() -> None:
    reason = "it waits until the cluster can run it; it asks for 2 CPUs, 1 GPU and 4.0 GB of memory"
    assert judged(Told(state=State.PENDING), ACCEPTED) == Goes(runs=False, reason=reason)


def test_a_job_that_waited_too_long_has_failed_and_must_not_start() -> None:
    found = judged(Told(state=State.PENDING), ACCEPTED, 5101.0)
    why = "Ray did not start it within 100 s; it asks for 2 CPUs, 1 GPU and 4.0 GB of memory"
    assert found == Ended(phase=Phase.FAILED, why=why, unstarted=True, starved=True)


def test_ray_s_own_limit_of_waiting_is_no_different() -> None:
    error = "JOB_SUPERVISOR_ACTOR_START_TIMEOUT"
    found = judged(Told(state=State.FAILED, error=error, message="Job supervisor actor failed to start"), ACCEPTED)
    assert isinstance(found, Ended)
    assert found.starved
    assert "1 GPU" in found.why


def test_a_cancelled_job_that_waits_is_over_at_once() -> None:
    found = judged(Told(state=State.PENDING), ACCEPTED, cancelled=True)
    assert found == Ended(phase=Phase.FAILED, why="cancelled before it started", unstarted=True)


def test_a_running_job_has_its_time_from_when_it_ran() -> None:
    assert judged(Told(state=State.RUNNING), RUNNING, 6050.0) == Goes(runs=True)
    why = "the command ran longer than its time limit of 1000 s and was stopped"
    assert judged(Told(state=State.RUNNING), RUNNING, 6051.0) == Overdue(why=why)


def test_a_job_that_is_being_stopped_is_waited_for() -> None:
    stopping = Record(accepted_at=5000.0, running_at=5050.0, stopping="too long")
    assert judged(Told(state=State.RUNNING), stopping, 9000.0) == Goes(runs=True, reason="it is being stopped")
    assert judged(Told(state=State.RUNNING), RUNNING, cancelled=True) == Goes(runs=True, reason="it is being stopped")


@pytest.mark.parametrize(
    ("record", "cancelled", "why"),
    [
        (Record(accepted_at=1.0, stopping="too long"), False, "too long"),
        (RUNNING, True, "cancelled"),
        (RUNNING, False, "it was stopped on the cluster, not by Hilum"),
    ],
)
def test_a_stopped_job_says_who_stopped_it(record: Record, cancelled: bool, why: str) -> None:
    assert judged(Told(state=State.STOPPED), record, cancelled=cancelled) == Ended(phase=Phase.FAILED, why=why)


def test_a_job_that_succeeded_before_it_could_be_cancelled_has_succeeded() -> None:
    found = judged(Told(state=State.SUCCEEDED, exit_code=0), RUNNING, cancelled=True)
    assert found == Ended(phase=Phase.SUCCEEDED, exit_code=0)


def test_a_failure_never_quotes_what_the_command_wrote() -> None:
    log = "failed with exit code 7, last available logs:\nDOE^JANE"
    found = judged(Told(state=State.FAILED, message=log, exit_code=7), RUNNING)
    assert found == Ended(phase=Phase.FAILED, why="the command ended with exit code 7; its log says why", exit_code=7)
    assert "DOE" not in repr(Told(state=State.FAILED, message=log))


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (Told(state=State.FAILED, exit_code=-9), "killed by SIGKILL; if nobody sent it, its node was out of memory"),
        (Told(state=State.FAILED, exit_code=-15), "killed by SIGTERM"),
        (Told(state=State.FAILED, error="RUNTIME_ENV_SETUP_FAILURE"), "runtime environment"),
        (Told(state=State.FAILED, error="JOB_SUPERVISOR_ACTOR_DIED"), "died, or its node did"),
        (Told(state=State.FAILED, error="SOMETHING_NEW"), "SOMETHING_NEW"),
        (Told(state=State.FAILED), "no reason given"),
        (Told(state=State.FAILED, exit_code=97, message=f"x\n{policy.NOT_SHARED}: /p"), "storage.payloads"),
        (Told(state=State.FAILED, exit_code=97, message=f"Running: echo '{policy.NOT_SHARED}'"), "exit code 97"),
    ],
)
def test_other_failures_say_what_to_look_at(told: Told, words: str) -> None:
    found = judged(told, RUNNING)
    assert isinstance(found, Ended)
    assert found.phase is Phase.FAILED
    assert words in found.why


@pytest.mark.parametrize(
    ("wanted", "nodes", "words"),
    [
        (Wanted(), [Node(total={"CPU": 1})], ""),
        (Wanted(gpus=1), [Node(total={"CPU": 8}), Node(total={"CPU": 1, "GPU": 1})], ""),
        (Wanted(gpus=1), [Node(total={"CPU": 8})], "no node of the cluster has a GPU"),
        (Wanted(gpus=4), [Node(total={"CPU": 8, "GPU": 2})], "no node of the cluster has more than 2 GPUs"),
        (Wanted(resources={"scanner": 1}), [Node(total={"CPU": 8})], "a resource 'scanner'"),
        (Wanted(memory=8_000_000_000), [Node(total={"CPU": 8, "memory": 4e9})], "more than 4.0 GB of memory"),
        (Wanted(cpus=4, gpus=1), [Node(total={"CPU": 1, "GPU": 1}), Node(total={"CPU": 8})], "has all of it"),
        (Wanted(labels={"zone": "a"}), [Node(total={"CPU": 1}, labels={"zone": "b"})], "the label zone=a"),
        (Wanted(labels={"zone": "a"}), [Node(total={"CPU": 1}, labels={"zone": "a"})], ""),
        (Wanted(labels={"zone": "!a", "kind": "in(x,y)"}), [Node(total={"CPU": 1})], ""),
        (Wanted(), [], "no node that lives"),
    ],
)
def test_what_no_node_has_is_told(wanted: Wanted, nodes: list[Node], words: str) -> None:
    found = policy.shortage(wanted, nodes)
    assert words in found
    assert bool(words) == bool(found)


def test_the_nodes_of_a_cluster_are_those_that_live() -> None:
    listed = [
        {"state": "ALIVE", "resources_total": {"CPU": 2.0, "node:1": 1.0}, "labels": {"zone": "a"}},
        {"state": "DEAD", "resources_total": {"GPU": 8.0}},
        {"state": "ALIVE", "resources_total": None},
    ]
    assert policy.nodes({"data": {"result": {"result": listed}}}) == (
        Node(total={"CPU": 2.0, "node:1": 1.0}, labels={"zone": "a"}),
        Node(total={}),
    )
    assert policy.nodes({"data": None}) is None


def test_what_nothing_is_asked_of_is_left_out_of_a_submission() -> None:
    body = policy.request(
        submission="s", line="true", name="job", wanted=Wanted(), runtime={"pip": ["x"]}, environment={"A": "1"}
    )
    assert body == {
        "submission_id": "s",
        "entrypoint": "true",
        "metadata": {"job_name": "job"},
        "runtime_env": {"pip": ["x"], "env_vars": {"A": "1"}},
        "entrypoint_num_cpus": 1,
        "entrypoint_num_gpus": 0,
    }
    wanted = Wanted(gpus=0.5, memory=7, resources={"r": 2}, labels={"zone": "a"})
    body = policy.request(submission="s", line="true", name="job", wanted=wanted, runtime={}, environment={})
    assert body["entrypoint_num_gpus"] == 0.5
    assert (body["entrypoint_memory"], body["entrypoint_resources"]) == (7, {"r": 2})
    assert body["entrypoint_label_selector"] == {"zone": "a"}


def test_a_refusal_that_the_head_hides_in_a_failure_is_found() -> None:
    hidden = "RuntimeError: Request failed with status code 400: Traceback …"
    assert policy.refusal(500, hidden) == 400
    assert policy.refusal(500, "Traceback") == 500
    assert policy.refusal(413, hidden) == 413


class Folders:
    def __init__(self, path: Path) -> None:
        self.job = path / "job's $(id) folder"
        self.attempt = self.job / "run" / "1"
        self.attempt.mkdir(parents=True)

    def run(self, *command: str, stays: bool = False, cwd: str = "/") -> subprocess.CompletedProcess[str]:
        line = policy.entrypoint(command, job=str(self.job), attempt=str(self.attempt), stays=stays)
        return subprocess.run(line, shell=True, capture_output=True, text=True, check=False, cwd=cwd)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


def test_every_word_of_a_command_reaches_it_as_it_is(folders: Folders) -> None:
    words = ["a b", "$HOME", "'\"", "; id", "`id`", "*", "\\", "a\nb", ""]
    done = folders.run("printf", "[%s]", *words)
    assert done.stdout == "".join(f"[{word}]" for word in words)
    assert folders.run("sh", "-c", "exit 7").returncode == 7


def test_a_command_runs_in_the_job_s_folder_unless_ray_gave_it_another(folders: Folders, tmp_path: Path) -> None:
    assert folders.run("pwd").stdout.strip() == str(folders.job)
    assert folders.run("pwd", stays=True, cwd=str(tmp_path)).stdout.strip() == str(tmp_path)


@pytest.mark.parametrize("name", ["cancel", "exit.json"])
def test_an_attempt_that_is_over_does_not_start(folders: Folders, name: str) -> None:
    (folders.attempt / name).touch()
    done = folders.run("echo", "started")
    assert (done.returncode, done.stdout, done.stderr) == (policy.REFUSED, "", policy.TOO_LATE + "\n")


def test_a_node_that_does_not_see_the_folder_says_so(folders: Folders) -> None:
    folders.attempt.rmdir()
    done = folders.run("echo", "started")
    assert (done.returncode, done.stdout) == (policy.REFUSED, "")
    assert done.stderr == f"{policy.NOT_SHARED}: {folders.job}\n"
    assert shlex.quote(str(folders.job)) != str(folders.job)
