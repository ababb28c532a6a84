"""What is asked of a Ray cluster, and what its answers mean; pure.

Source: Ray Jobs REST API, version 4.
"""

from __future__ import annotations

import re
import shlex
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from hilum.engine.port import Phase
from hilum.words import count, listed, size

#: What the entrypoint writes when a node does not see the job's folder; found again in what Ray says of the failure.
NOT_SHARED: Final = "hilum: this node does not see the folder of the job"
#: What the entrypoint writes when the attempt was over before it could start.
TOO_LATE: Final = "hilum: this attempt was over before it started"
#: Exit code with which the entrypoint ends after either; not one of those that a shell gives itself.
REFUSED: Final = 97

_STATUS_CODE: Final = re.compile(r"status code ([0-9]{3})")


class State(StrEnum):
    """What Ray calls how far a job is."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    STOPPED = "STOPPED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What Ray says of one job.

    Attributes:
        message: In Ray's words; of a failed command it holds the end of its log, so that nobody else may read it.
        error: Ray's word for the kind of a failure; empty if it has none.
        exit_code: Of the command, if it ended by itself.
        node: Which node runs it or did; empty until one does.
    """

    state: State
    message: str = field(default="", repr=False)
    error: str = ""
    exit_code: int | None = None
    node: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a command needs of the node that it runs on.

    Attributes:
        memory: Bytes; 0: not told.
        resources: Ray's custom resources, by name.
        labels: Ray's label selector: what each label has to be.
    """

    cpus: float = 1
    gpus: float = 0
    memory: int = 0
    resources: Mapping[str, float] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def amounts(self) -> Mapping[str, float]:
        """Of each of Ray's resources, what is needed; without those of which nothing is."""
        found = {"CPU": self.cpus, "GPU": self.gpus, "memory": float(self.memory), **self.resources}
        return {name: amount for name, amount in found.items() if amount}

    def __str__(self) -> str:
        """As people say it: ``1 CPU, 2 GPUs and the label market-type=spot``."""
        said = [amount_of(name, amount) for name, amount in self.amounts.items()]
        said += [f"the label {name}={value}" for name, value in self.labels.items()]
        return listed(said) or "nothing in particular"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A living node of the cluster.

    Attributes:
        total: Of each of Ray's resources, what it has, busy or not.
    """

    total: Mapping[str, float]
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long an attempt may take.

    Attributes:
        pending: From its submission until it runs.
        run: From then until it has ended.
    """

    pending: timedelta
    run: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is written down of an attempt that Ray has.

    Attributes:
        accepted_at: Seconds since 1970, as all times here: when Ray was first seen to have it.
        running_at: When it was first seen to run.
        stopping: Why Hilum has it stopped; empty if it has not.
    """

    accepted_at: float
    running_at: float | None = None
    stopping: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goes:
    """It is not over.

    Attributes:
        reason: Why not, if that is worth telling.
        runs: It is past waiting.
    """

    reason: str = ""
    runs: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdue:
    """It has to be stopped, and is over when Ray says that it has stopped."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """It is over.

    Attributes:
        phase: Succeeded, failed or lost.
        why: For the operator; empty if it has succeeded.
        unstarted: Ray may still want to start it, and is to be told not to.
        starved: It is because nothing was free to run it.
    """

    phase: Phase
    why: str = ""
    exit_code: int | None = None
    unstarted: bool = False
    starved: bool = False


def submission_id(job: str, attempt: int) -> str:
    """What Ray is to call an attempt: the same however often it is submitted."""
    return f"hilum-{job}-{attempt}"


def entrypoint(command: Sequence[str], *, job: str, attempt: str, stays: bool) -> str:
    """The shell's line that runs a command on a node; every word of the command reaches it as it is.

    It does not start the command if the attempt is over: whoever submitted it late, or had it stopped while Ray was
    looking for a node, must not find it running.

    Args:
        command: With its placeholders replaced.
        job: The job's folder, where the node sees it.
        attempt: Likewise that of the attempt.
        stays: The command runs in the folder that Ray has put it in, not in that of the job.
    """
    run, at = shlex.quote(attempt), shlex.quote(job)
    lines = [
        f"if [ ! -d {run} ]; then echo {shlex.quote(f'{NOT_SHARED}: {job}')} >&2; exit {REFUSED}; fi",
        f"if [ -e {run}/cancel ] || [ -e {run}/exit.json ]; then echo {shlex.quote(TOO_LATE)} >&2; exit {REFUSED}; fi",
        *([] if stays else [f"cd {at} || exit {REFUSED}"]),
        f"exec {shlex.join(command)}",
    ]
    return "\n".join(lines)


def request(
    *,
    submission: str,
    line: str,
    name: str,
    wanted: Wanted,
    runtime: Mapping[str, Any],
    environment: Mapping[str, str],
) -> dict[str, Any]:
    """The body of a submission.

    Args:
        line: See ``entrypoint``.
        name: Of the job, for people who look at Ray's dashboard.
        runtime: Ray's runtime environment, without variables.
        environment: The variables.
    """
    body: dict[str, Any] = {
        "submission_id": submission,
        "entrypoint": line,
        "metadata": {"job_name": name},
        "runtime_env": {**runtime, "env_vars": dict(environment)},
        "entrypoint_num_cpus": wanted.cpus,
        "entrypoint_num_gpus": wanted.gpus,
    }
    if wanted.memory:
        body["entrypoint_memory"] = wanted.memory
    if wanted.resources:
        body["entrypoint_resources"] = dict(wanted.resources)
    if wanted.labels:
        body["entrypoint_label_selector"] = dict(wanted.labels)
    return body


def told(document: object) -> Told | None:
    """What an answer says of a job; ``None`` if it is not about one, or in words of a version to come."""
    status = document.get("status") if isinstance(document, Mapping) else None
    if not isinstance(document, Mapping) or not isinstance(status, str) or status not in State.__members__:
        return None
    message, error, node = (document.get(name) for name in ("message", "error_type", "driver_node_id"))
    code = document.get("driver_exit_code")
    return Told(
        state=State(status),
        message=message if isinstance(message, str) else "",
        error=error if isinstance(error, str) else "",
        exit_code=code if isinstance(code, int) and not isinstance(code, bool) else None,
        node=node if isinstance(node, str) else "",
    )


def nodes(document: object) -> tuple[Node, ...] | None:
    """The living nodes of the cluster, from the answer about its nodes; ``None`` if it is not one."""
    found: object = document
    for key in ("data", "result", "result"):
        found = found.get(key) if isinstance(found, Mapping) else None
    if not isinstance(found, list):
        return None
    alive = [one for one in found if isinstance(one, Mapping) and one.get("state") == "ALIVE"]
    return tuple(Node(total=_numbers(one.get("resources_total")), labels=_texts(one.get("labels"))) for one in alive)


def _numbers(value: object) -> Mapping[str, float]:
    entries = value.items() if isinstance(value, Mapping) else ()
    return {str(name): float(one) for name, one in entries if isinstance(one, int | float)}


def _texts(value: object) -> Mapping[str, str]:
    return {str(name): str(one) for name, one in value.items()} if isinstance(value, Mapping) else {}


def shortage(wanted: Wanted, cluster: Sequence[Node]) -> str:
    """What no node of the cluster has, however long one waits; empty if one of them has all of it.

    Labels with an operator (``!x``, ``in(x,y)``) are taken as fulfilled: whether they are is Ray's to say.
    """
    if any(_lacks(wanted, node) == "" for node in cluster):
        return ""
    if not cluster:
        return "the cluster has no node that lives"
    for name, amount in wanted.amounts.items():
        most = max(node.total.get(name, 0) for node in cluster)
        if most < amount:
            least = f"no node of the cluster has a {_singular(name)}"
            return f"no node of the cluster has more than {amount_of(name, most)}" if most else least
    lacking = [_lacks(wanted, node) for node in cluster]
    return f"no node of the cluster has all of it: the first one lacks {lacking[0]}"


def _lacks(wanted: Wanted, node: Node) -> str:
    for name, amount in wanted.amounts.items():
        if node.total.get(name, 0) < amount:
            return amount_of(name, amount)
    for name, value in wanted.labels.items():
        if value and value[0] != "!" and "(" not in value and node.labels.get(name) != value:
            return f"the label {name}={value}"
    return ""


def _singular(name: str) -> str:
    return name if name in {"CPU", "GPU"} else "memory" if name == "memory" else f"resource {name!r}"


def amount_of(name: str, amount: float) -> str:
    """``2 GPUs``, ``4 GB of memory``, ``1 of the resource 'scanner'``."""
    if name == "memory":
        return f"{size(int(amount))} of memory"
    if name in {"CPU", "GPU"}:
        return count(int(amount), name) if float(amount).is_integer() else f"{amount:g} {name}s"
    return f"{amount:g} of the resource {name!r}"


def judge(
    found: Told, record: Record, now: float, limits: Limits, wanted: Wanted, *, cancelled: bool
) -> Goes | Overdue | Ended:
    """What follows from what Ray says of an attempt.

    Args:
        now: By the clock that the record was made by.
        cancelled: Somebody wants it ended.
    """
    match found.state:
        case State.PENDING:
            return _pending(record, now, limits, wanted, cancelled=cancelled)
        case State.RUNNING:
            limit = limits.run.total_seconds()
            if record.stopping or cancelled:
                return Goes(runs=True, reason="it is being stopped")
            if record.running_at is not None and now - record.running_at > limit:
                return Overdue(why=f"the command ran longer than its time limit of {limit:g} s and was stopped")
            return Goes(runs=True)
        case State.STOPPED:
            why = record.stopping or ("cancelled" if cancelled else "it was stopped on the cluster, not by Hilum")
            return Ended(phase=Phase.FAILED, why=why)
        case State.SUCCEEDED:
            return Ended(phase=Phase.SUCCEEDED, exit_code=found.exit_code)
        case State.FAILED:
            if record.stopping or cancelled:
                return Ended(phase=Phase.FAILED, why=record.stopping or "cancelled", exit_code=found.exit_code)
            return _failed(found, wanted)


def _pending(record: Record, now: float, limits: Limits, wanted: Wanted, *, cancelled: bool) -> Goes | Ended:
    if cancelled:
        return Ended(phase=Phase.FAILED, why="cancelled before it started", unstarted=True)
    limit = limits.pending.total_seconds()
    if now - record.accepted_at > limit:
        why = f"Ray did not start it within {limit:g} s; it asks for {wanted}"
        return Ended(phase=Phase.FAILED, why=why, unstarted=True, starved=True)
    return Goes(runs=False, reason=f"it waits until the cluster can run it; it asks for {wanted}")


_WORDS: Final = {
    "RUNTIME_ENV_SETUP_FAILURE": "Ray could not set its runtime environment up: see runtime-env and Ray's own log",
    "JOB_SUPERVISOR_ACTOR_UNSCHEDULABLE": "Ray finds no node that may run it: see what it asks for",
    "JOB_SUPERVISOR_ACTOR_START_FAILURE": "Ray could not start it: see Ray's own log",
    "JOB_SUPERVISOR_ACTOR_DIED": "what ran it on the cluster died, or its node did",
    "JOB_SUPERVISOR_ACTOR_UNKNOWN_FAILURE": "what ran it on the cluster failed: see Ray's own log",
    "JOB_ENTRYPOINT_COMMAND_START_ERROR": "Ray could not start the command: see Ray's own log",
}


def _failed(found: Told, wanted: Wanted) -> Ended:
    if found.error == "JOB_SUPERVISOR_ACTOR_START_TIMEOUT":
        why = f"Ray gave up starting it (RAY_JOB_START_TIMEOUT_SECONDS of its head); it asks for {wanted}"
        return Ended(phase=Phase.FAILED, why=why, starved=True)
    if found.exit_code is None:
        kind = found.error or "no reason given"
        return Ended(phase=Phase.FAILED, why=_WORDS.get(kind, f"Ray says that it failed: {kind}"))
    # Ray's message has the entrypoint in it, too, but there the words do not begin a line.
    if found.exit_code == REFUSED and any(line.startswith(NOT_SHARED) for line in found.message.splitlines()):
        why = (
            "the node that ran it does not see the folder of the job: storage.payloads has to be on a file system that "
            "the cluster shares; if it has another path there, say so by payloads-on-nodes"
        )
        return Ended(phase=Phase.FAILED, why=why, exit_code=found.exit_code)
    if found.exit_code < 0:
        return Ended(phase=Phase.FAILED, why=_killed(-found.exit_code))
    why = f"the command ended with exit code {found.exit_code}; its log says why"
    return Ended(phase=Phase.FAILED, why=why, exit_code=found.exit_code)


def _killed(number: int) -> str:
    name = signal.Signals(number).name if number in signal.valid_signals() else f"signal {number}"
    hint = "; if nobody sent it, its node was out of memory" if number == signal.SIGKILL else ""
    return f"the command was killed by {name}{hint}"


def refusal(status: int, text: str) -> int:
    """The status that an answer to a submission means: Ray's head hides a refusal by its agent in a status of 500."""
    hidden = _STATUS_CODE.search(text) if status == 500 else None
    return int(hidden[1]) if hidden else status
