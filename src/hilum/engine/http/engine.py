"""Has each attempt run by a platform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from hilum.engine.http.answers import Content, Job, Stage
from hilum.engine.http.platform import Platform
from hilum.engine.http.record import Attempt, sha256_of
from hilum.engine.log import readable
from hilum.engine.port import Healthy, Phase, Run, Status, Unhealthy
from hilum.errors import PermanentError, TemporaryError
from hilum.model import JobId

#: What is told of ``job.json``; the platform need not know more of a job than what it works on.
_TOLD: Final = ("called-ae-title", "calling-ae-title", "source-address", "grouped-by")


class Files(StrEnum):
    """How files come to the platform, and results from it."""

    SHARED = "shared"  # both see the job's folder
    HTTP = "http"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpEngine:
    """Creates a job on the platform once per attempt, and starts it at most once, whatever either side forgets.

    Before the platform is asked to start an attempt, that is written down on disk. If it does not know the attempt
    afterwards, it may have run it: the attempt is lost, and never created again.

    Attributes:
        payloads: The folder of job folders on this machine.
        there: Where the platform sees that folder; ``None``: in the same place. Without a meaning if files go by HTTP.
        largest: Bytes that a result may have which comes by HTTP.
    """

    platform: Platform
    files: Files = Files.SHARED
    payloads: Path = Path("/")
    there: Path | None = None
    largest: int = 16_000_000_000

    def submit(self, run: Run) -> str:
        """Create it, send its files, start it; what was done before is not done again. See ``Engine.submit``."""
        key, attempt = key_of(run), Attempt(run)
        try:
            if attempt.begun:
                job = self.platform.look([key])[key]
            else:
                attempt.prepare()
                inputs = attempt.inputs()
                job = self.platform.create(key, self._description(run, attempt, inputs))
                if job.stage is Stage.CREATED and self.files is Files.HTTP:
                    self._send(run, key, inputs, job)
            if job.stage is Stage.CREATED:
                attempt.begin(key, self.platform.server.url)
                self.platform.start(key)
        except FileNotFoundError as error:
            if not (run.folder / "input").exists():
                raise PermanentError(f"the job's folder {run.folder} is gone, or the input in it") from None
            raise TemporaryError(f"the job's folder cannot be prepared: {error}") from error
        except OSError as error:
            raise TemporaryError(f"the job's folder cannot be read or written: {error}") from error
        return key

    def status(self, runs: Sequence[Run]) -> Mapping[JobId, Status]:
        """Ask the platform for all of them at once; see ``Engine.status``."""
        jobs = self.platform.look([key_of(run) for run in runs])
        return {run.job_id: self._status(run, jobs[key_of(run)]) for run in runs}

    def collect(self, run: Run) -> Status:
        """Fetch the results if they come by HTTP, and see to ``job.done``; see ``Engine.collect``."""
        attempt = Attempt(run)
        try:
            if self.files is Files.HTTP and not attempt.is_done():
                contents = self.platform.outputs(key_of(run), largest=self.largest)
                if contents is None:
                    return Job(stage=Stage.UNKNOWN).status
                for one in contents:
                    self._fetch(run, attempt, one)
            attempt.finish()
        except PermanentError as error:
            return Status(phase=Phase.FAILED, reason=str(error))
        except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
            where = f" {error.filename}" if error.filename else ""
            why = f"it succeeded, but its results or job.done cannot be written: {error.strerror}{where}"
            return Status(phase=Phase.FAILED, reason=why)
        except OSError as error:
            raise TemporaryError(f"the results of {run.job_name} cannot be written: {error}") from error
        return Status(phase=Phase.SUCCEEDED)

    def cancel(self, run: Run) -> None:
        """Have the platform end it; see ``Engine.cancel``."""
        self.platform.cancel(key_of(run))

    def logs(self, run: Run, tail: int) -> str:
        """What the platform has kept of it, or why that cannot be had; see ``Engine.logs``."""
        try:
            data = self.platform.log(key_of(run), tail)
        except (TemporaryError, PermanentError) as error:
            data = str(error).encode()
        return readable(data, tail)

    def probe(self) -> Healthy | Unhealthy:
        """Healthy when the platform says what it is."""
        try:
            self.platform.describe()
        except (TemporaryError, PermanentError) as error:
            return Unhealthy(why=str(error))
        return Healthy()

    def _description(self, run: Run, attempt: Attempt, inputs: Sequence[Content]) -> Mapping[str, Any]:
        known = attempt.description()
        return {
            "job": run.job_id,
            "name": run.job_name,
            "attempt": run.attempt,
            "workflow": run.workflow,
            "workflow-name": run.workflow_name,
            **{name: known[name] for name in _TOLD if isinstance(known.get(name), str)},
            "files": self.files.value,
            "folder": str(self._there(run.folder)) if self.files is Files.SHARED else None,
            "inputs": [{"path": one.path, "size": one.size, "sha256": one.sha256} for one in inputs],
        }

    def _there(self, folder: Path) -> Path:
        if self.there is not None:
            with suppress(ValueError):  # not below payloads: it is where it is
                return self.there / folder.relative_to(self.payloads)
        return folder

    def _send(self, run: Run, key: str, inputs: Sequence[Content], job: Job) -> None:
        for one in inputs:
            if job.missing is None or one.path in job.missing:
                with (run.folder / "input" / one.path).open("rb") as file:
                    self.platform.put(key, one, file)

    def _status(self, run: Run, job: Job) -> Status:
        if job.stage is Stage.UNKNOWN and self.files is Files.SHARED and Attempt(run).is_done():
            return Status(phase=Phase.SUCCEEDED)  # it wrote that last of all, and has forgotten the job since
        return job.status

    def _fetch(self, run: Run, attempt: Attempt, content: Content) -> None:
        if attempt.has(content):
            return
        with attempt.part.open("wb") as file:
            self.platform.get(key_of(run), content, file)
        if attempt.part.stat().st_size != content.size or sha256_of(attempt.part) != content.sha256:
            raise TemporaryError(f"result {content.path} of {run.job_name} did not arrive as the platform listed it")
        attempt.keep(content)


def key_of(run: Run) -> str:
    """What the platform knows the attempt by: the idempotency key."""
    return f"{run.job_id}-{run.attempt}"
