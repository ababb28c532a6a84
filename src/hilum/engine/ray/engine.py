"""Runs a command per job on a Ray cluster."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import structlog

from hilum.engine import attempt as on_disk
from hilum.engine.command import Task, fill_in, told
from hilum.engine.log import readable
from hilum.engine.port import Healthy, Phase, Run, Status, Unhealthy
from hilum.engine.ray import policy
from hilum.engine.ray.cluster import MAX_LINES, Cluster
from hilum.engine.ray.policy import Ended, Goes, Limits, Overdue, Record, Told, Wanted
from hilum.engine.ray.records import Attempt, moved
from hilum.errors import PermanentError, TemporaryError
from hilum.model import JobId

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RayEngine:
    """Submits the command once per attempt; job folders have to be on a file system that the cluster's nodes share.

    While the head cannot be reached, its jobs count as running, for as long as that lasts: they may well run. A job
    that the head does not know any more is lost.

    Attributes:
        cluster: Where.
        command: Program and arguments, never empty; ``{input}``, ``{output}``, ``{job}`` and ``{workflow}`` are
            replaced in each.
        wanted: What it needs of its node.
        limits: How long it may wait and run.
        environment: Variables beside those that say where input and output are; they win over those.
        runtime: Ray's runtime environment, without variables.
        payloads: The folder of job folders on this machine.
        there: Where the nodes see that folder; ``None``: in the same place.
    """

    cluster: Cluster
    command: tuple[str, ...]
    wanted: Wanted
    limits: Limits
    environment: Mapping[str, str] = field(default_factory=dict)
    runtime: Mapping[str, Any] = field(default_factory=dict)
    payloads: Path = Path("/")
    there: Path | None = None

    def submit(self, run: Run) -> str:
        """Hand it over unless the cluster has it; see ``Engine.submit``."""
        attempt, submission = Attempt(run), _id(run)
        try:
            if attempt.over or attempt.cancelled:
                return submission
            attempt.make()
            # Without an answer it is open whether Ray has it: its status tells, or it is handed over again.
            if self.cluster.find(submission) is not None or self.cluster.submit(self._request(run, attempt)):
                _accepted(attempt)
        except FileNotFoundError:
            if run.folder.exists():
                raise TemporaryError(f"the job's folder {run.folder} is not what it was a moment ago") from None
            raise PermanentError(f"the job's folder {run.folder} is gone, with the input in it") from None
        except OSError as error:
            raise TemporaryError(f"the job's folder cannot be prepared: {error}") from error
        return submission

    def status(self, runs: Sequence[Run]) -> Mapping[JobId, Status]:
        """Read the attempts' records, and ask the cluster about those that have not ended; see ``Engine.status``.

        What is found to have ended is recorded at once, with its log.
        """
        known: dict[JobId, Status] = {}
        asked: list[Run] = []
        for run in runs:
            found = self._end(run)
            if found is None:
                asked.append(run)
            else:
                known[run.job_id] = found
        if asked:
            answers = self.cluster.find_all([_id(run) for run in asked])
            known |= {run.job_id: self._status(run, answers[_id(run)]) for run in asked}
        return known

    def collect(self, run: Run) -> Status:
        """Make the attempt's results those of the job; see ``Engine.collect``."""
        attempt = Attempt(run)
        try:
            status = attempt.end()
            if status is not None and status.phase is Phase.SUCCEEDED:
                attempt.hand_over()
        except OSError as error:
            if error.errno in on_disk.DISK_FULL:
                raise TemporaryError(f"the results of {run.job_name} cannot be put into output/: {error}") from error
            why = f"the command succeeded, but its results cannot be put into output/: {error.strerror}"
            return Status(phase=Phase.FAILED, reason=why)
        return status or self.status([run])[run.job_id]

    def cancel(self, run: Run) -> None:
        """Have it stopped; what has not started will not, whatever Ray does. See ``Engine.cancel``."""
        attempt, submission = Attempt(run), _id(run)
        try:
            if attempt.end() is not None:
                return
            attempt.make()
            attempt.ask_to_end()
            found = self.cluster.find(submission)
            if found is not None:
                self.cluster.stop(submission)
            self._status(run, found)
        except FileNotFoundError:
            self.cluster.stop(submission)  # the job's folder is gone
        except OSError as error:
            raise TemporaryError(f"attempt {run.attempt} of {run.job_name} cannot be cancelled now: {error}") from error

    def logs(self, run: Run, tail: int) -> str:
        """The end of what the command wrote; see ``Engine.logs``. Of one that runs it is fetched from the cluster."""
        data = Attempt(run).log()
        if data is None:
            try:
                data = self.cluster.log(_id(run), tail)
            except TemporaryError as error:
                data = str(error).encode()
        return readable(data, tail)

    def probe(self) -> Healthy | Unhealthy:
        """Healthy when the head answers and a node of the cluster has what the command needs, busy or not."""
        try:
            self.cluster.version()
            lacking = self._shortage()
        except TemporaryError as error:
            return Unhealthy(why=str(error))
        if not lacking:
            return Healthy()
        name, at = self.cluster.name, self.cluster.server.url
        return Unhealthy(
            why=f"engine {name!r} asks for {self.wanted}, and {lacking} ({at}); "
            "unless the cluster adds nodes by itself, ask for less or add one"
        )

    def _shortage(self) -> str:
        nodes = self.cluster.nodes()
        return "" if nodes is None else policy.shortage(self.wanted, nodes)

    def _request(self, run: Run, attempt: Attempt) -> dict[str, Any]:
        job, folder = (moved(one, self.payloads, self.there) for one in (run.folder, attempt.folder))
        task = Task(source=job / "input", target=folder / "output", job=run.job_id, workflow=run.workflow)
        line = policy.entrypoint(
            fill_in(self.command, task),
            job=os.fspath(job),
            attempt=os.fspath(folder),
            stays="working_dir" in self.runtime,
        )
        return policy.request(
            submission=_id(run),
            line=line,
            name=run.job_name,
            wanted=self.wanted,
            runtime=self.runtime,
            environment=told(task) | dict(self.environment),
        )

    def _end(self, run: Run) -> Status | None:
        try:
            return Attempt(run).end()
        except OSError as error:
            return _unseen(error)

    def _status(self, run: Run, found: Told | None) -> Status:
        attempt = Attempt(run)
        try:
            record = attempt.record()
            if found is None:
                return self._unknown(run, attempt, record)
            record = record or _accepted(attempt)
            if found.state is not policy.State.PENDING and record.running_at is None:
                record = replace(record, running_at=time.time())
                attempt.note(record)
            next_ = policy.judge(found, record, time.time(), self.limits, self.wanted, cancelled=attempt.cancelled)
            match next_:
                case Goes():
                    return Status(phase=Phase.RUNNING, reason=next_.reason)
                case Overdue():
                    attempt.note(replace(record, stopping=next_.why))
                    self.cluster.stop(_id(run))
                    return Status(phase=Phase.RUNNING, reason=next_.why)
                case Ended():
                    return self._over(run, attempt, next_)
        except OSError as error:
            ended = found is None or found.state not in {policy.State.PENDING, policy.State.RUNNING}
            if ended and not run.folder.exists():
                return Status(phase=Phase.FAILED, reason=f"the job's folder {run.folder} is gone")
            return _unseen(error)

    def _unknown(self, run: Run, attempt: Attempt, record: Record | None) -> Status:
        if attempt.cancelled:
            return self._over(run, attempt, Ended(phase=Phase.FAILED, why="cancelled before it started"))
        if record is None:
            return Status(phase=Phase.PENDING)
        why = "the cluster does not know it any more: its head was started anew since, and what it ran is over"
        return self._over(run, attempt, Ended(phase=Phase.LOST, why=why))

    def _over(self, run: Run, attempt: Attempt, ended: Ended) -> Status:
        """Record it, and have Ray forget to start it."""
        if ended.starved:
            ended = self._with_shortage(ended)
        if not attempt.over:
            self._keep_log(run, attempt, ended)
        attempt.settle(ended)
        if ended.unstarted:
            try:
                self.cluster.stop(_id(run))
            except TemporaryError as error:  # it finds by itself that it is over
                _log.warning("engine.not_stopped", engine=self.cluster.name, error=str(error))
        status = attempt.end()
        assert status is not None, "it was settled"
        return status

    def _with_shortage(self, ended: Ended) -> Ended:
        try:
            lacking = self._shortage()
        except TemporaryError:
            return ended
        busy = "all nodes that have it were busy, or Ray was still setting its runtime environment up"
        return replace(ended, why=f"{ended.why}: {lacking or busy}")

    def _keep_log(self, run: Run, attempt: Attempt, ended: Ended) -> None:
        if ended.unstarted or ended.phase is Phase.LOST:
            return
        try:
            attempt.keep_log(self.cluster.log(_id(run), MAX_LINES))
        except (TemporaryError, OSError) as error:  # the results are what counts
            _log.warning("engine.no_log", engine=self.cluster.name, error=str(error))


def _id(run: Run) -> str:
    return policy.submission_id(run.job_id, run.attempt)


def _accepted(attempt: Attempt) -> Record:
    """Record that Ray has it, unless that is recorded."""
    record = attempt.record()
    if record is None:
        record = Record(accepted_at=time.time())
        attempt.note(record)
    return record


def _unseen(error: OSError) -> Status:
    return Status(phase=Phase.RUNNING, reason=f"cannot be looked at just now: {error}")
