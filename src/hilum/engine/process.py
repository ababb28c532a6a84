"""Runs a command per job on this machine, under a supervisor that outlives the gateway."""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

import hilum
from hilum.engine import attempt as on_disk
from hilum.engine.command import Task, environment_for, fill_in
from hilum.engine.ends import Ends
from hilum.engine.log import readable
from hilum.engine.port import Healthy, Phase, Run, Status, Unhealthy
from hilum.errors import PermanentError, TemporaryError
from hilum.model import JobId

#: As much of a log is read for its last lines.
_TAIL_BYTES: Final = 1024 * 1024
_TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")

#: Imported by name, so that its compiled form is used; the path comes last, so that nothing of ours hides a module of
#: the standard library.
_SUPERVISOR: Final = (
    f"import sys; sys.path.append({str(Path(hilum.__file__).parent.parent)!r});"
    " from hilum.engine.supervisor import main; main()"
)
#: Blocked in the supervisor from its first instruction on; it looks for SIGTERM itself.
_BLOCKED: Final = (1, 2, 15)

# Children belong to the process, not to one engine: a reload of the configuration makes new engines.
_supervisors: set[int] = set()
_reaping = threading.Lock()
#: Tells of supervisors, whichever gateway started them.
ends: Final = Ends()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessEngine:
    """Starts the command once per attempt.

    Attributes:
        name: Of the entry of ``engines``.
        command: Program and arguments, never empty; ``{input}``, ``{output}``, ``{job}`` and ``{workflow}`` are
            replaced in each. No shell is involved. A program without a slash is looked for on the PATH.
        timeout: Then the command and everything it started gets SIGTERM.
        grace: How long after SIGTERM it gets SIGKILL.
        environment: Added to what the command gets anyway: the gateway's environment without Hilum's own settings,
            and the names that say where input and output are.
    """

    name: str
    command: tuple[str, ...]
    timeout: timedelta
    grace: timedelta = timedelta(seconds=10)
    environment: Mapping[str, str] = field(default_factory=dict)

    def submit(self, run: Run) -> str:
        """Start the supervisor unless the attempt has been started; see ``Engine.submit``.

        Of two supervisors of one attempt the second gives up, so that a repetition is harmless at any moment.
        """
        _reap()
        attempt = _Attempt(run)
        try:
            attempt.make()
            if not attempt.begun:
                self._start_supervisor(run, attempt)
        except FileNotFoundError as error:
            if not run.folder.exists():
                raise PermanentError(f"the job's folder {run.folder} is gone, with the input in it") from None
            raise TemporaryError(f"engine {self.name!r} cannot start a process: {error}") from error
        except OSError as error:
            raise TemporaryError(f"engine {self.name!r} cannot start a process: {error}") from error
        except ValueError as error:  # a NUL character in an argument, or = in the name of a variable
            raise PermanentError(
                f"engine {self.name!r} has a command or environment that cannot be: {error}"
            ) from error
        return f"run/{run.attempt}"

    def status(self, runs: Sequence[Run]) -> Mapping[JobId, Status]:
        """Read the attempts' records; an orphan past its time limit is ended here. See ``Engine.status``."""
        _reap()
        return {run.job_id: self._status(run) for run in runs}

    def collect(self, run: Run) -> Status:  # noqa: ARG002
        """Nothing to do: a success is reported once ``job.done`` is there."""
        return Status(phase=Phase.SUCCEEDED)

    def cancel(self, run: Run) -> None:
        """Ask the supervisor to end the command, or end it here when the supervisor is gone; see ``Engine.cancel``."""
        attempt = _Attempt(run)
        try:
            if attempt.end() is None:
                attempt.make()
                attempt.ask_to_end()
                attempt.status(self.timeout)
        except FileNotFoundError:
            pass  # the job's folder is gone, and nothing can be started without it
        except OSError as error:
            raise TemporaryError(f"attempt {run.attempt} of {run.job_name} cannot be cancelled now: {error}") from error

    def logs(self, run: Run, tail: int) -> str:
        """The end of what the command wrote to standard output and error; see ``Engine.logs``."""
        folder = _Attempt(run).folder
        data = _end_of(folder / on_disk.LOG)
        if len(data) < _TAIL_BYTES:
            data = (_end_of(folder / on_disk.OLD_LOG) + data)[-_TAIL_BYTES:]
        return readable(data, tail)

    def probe(self) -> Healthy | Unhealthy:
        """Healthy when the program of the command is there."""
        if self._program() is not None:
            return Healthy()
        program = self.command[0]
        where = "is not there or cannot be executed" if "/" in program else "is not on the PATH of the gateway"
        return Unhealthy(why=f"engine {self.name!r}: {program!r} {where}; install it or correct `command`")

    def _status(self, run: Run) -> Status:
        try:
            return _Attempt(run).status(self.timeout)
        except OSError as error:
            return Status(phase=Phase.RUNNING, reason=f"cannot be looked at just now: {error}")

    def _program(self) -> str | None:
        path = self.environment.get("PATH", os.environ.get("PATH"))
        found = shutil.which(self.command[0], path=path)
        return None if found is None else str(Path(found).absolute())

    def _start_supervisor(self, run: Run, attempt: _Attempt) -> None:
        program, *arguments = fill_in(self.command, Task.of(run))
        # One that is not found stays as it is: the supervisor records that it could not be started.
        command = (self._program() or program, *arguments)
        limits = (str(self.timeout.total_seconds()), str(self.grace.total_seconds()))
        log = os.fspath(attempt.folder / on_disk.LOG)
        pid = os.posix_spawn(
            sys.executable,
            (sys.executable, "-I", "-S", "-c", _SUPERVISOR, os.fspath(run.folder), str(run.attempt), *limits, *command),
            environment_for(Task.of(run), inherited=os.environ, added=self.environment),
            file_actions=(
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ),
            setsid=True,
            setsigmask=_BLOCKED,
        )
        with _reaping:
            _supervisors.add(pid)
        ends.watch(pid)


class _Attempt:
    """The gateway's view of one attempt's folder."""

    def __init__(self, run: Run) -> None:
        self._job = run.folder
        self.folder = run.folder / "run" / str(run.attempt)

    @property
    def begun(self) -> bool:
        """It has been started, or will never be."""
        return os.path.lexists(self.folder / on_disk.STARTED) or os.path.lexists(self.folder / on_disk.EXIT)

    def make(self) -> None:
        """Make the folder; the job's own has to be there."""
        self.folder.parent.mkdir(exist_ok=True)
        self.folder.mkdir(exist_ok=True)

    def ask_to_end(self) -> None:
        """Leave word for the supervisor; without one the attempt ends here."""
        if not os.path.lexists(self.folder / on_disk.CANCEL):
            on_disk.write_file(os.fspath(self.folder), on_disk.CANCEL, on_disk.utc_text() + "\n")
        if not self.begun:
            self._settle("cancelled", "cancelled before it started")

    def status(self, timeout: timedelta) -> Status:
        """How far it is.

        Raises:
            OSError: A record cannot be read or written now.
        """
        end = self.end()
        if end is not None:
            return end
        started = on_disk.read_record(os.fspath(self.folder), on_disk.STARTED)
        if started is None:
            return Status(phase=Phase.PENDING)
        supervisor = _Supervisor(started)
        if supervisor.alive:
            supervisor.watch()
            return Status(phase=Phase.RUNNING)
        return self._orphaned(supervisor, timeout)

    def end(self) -> Status | None:
        """How it ended; ``None`` when that is not recorded. A success is reported once ``job.done`` is there."""
        record = on_disk.read_record(os.fspath(self.folder), on_disk.EXIT)
        if record is None:
            return None
        if not record:
            return Status(phase=Phase.LOST, reason=f"{self.folder / on_disk.EXIT} is damaged")
        message, exit_code = str(record.get("message", "")), record.get("exit_code")
        code = exit_code if isinstance(exit_code, int) else None
        if message:
            return Status(phase=Phase.FAILED, reason=message, exit_code=code)
        try:
            on_disk.mark_done(os.fspath(self._job))
        except OSError as error:
            if error.errno in on_disk.DISK_FULL:
                raise
            why = f"the command succeeded, but output/job.done cannot be made: {error.strerror}"
            return Status(phase=Phase.FAILED, reason=why, exit_code=code)
        return Status(phase=Phase.SUCCEEDED, exit_code=code)

    def _orphaned(self, supervisor: _Supervisor, timeout: timedelta) -> Status:
        """The supervisor is gone without a record, so its duties fall to whoever asks for the status."""
        ending: tuple[str, str] | None = None
        if os.path.lexists(self.folder / on_disk.CANCEL):
            ending = ("cancelled", "cancelled")
        elif supervisor.age > timeout:
            limit = f"{timeout.total_seconds():g} s"
            ending = ("timeout", f"its supervisor was killed, and its time limit of {limit} is over")
        family = supervisor.family()
        if ending is not None:
            for pid in family:
                on_disk.kill(pid)
            family = supervisor.family()
        if family or self._locked():
            return Status(phase=Phase.RUNNING, reason="its supervisor is gone, but the command still runs")
        if ending is not None:
            self._settle(*ending)
        # It may have ended in good order between the first look and this one.
        return self.end() or Status(
            phase=Phase.LOST,
            reason="the run vanished without a trace of its end: the machine or its supervisor was killed",
        )

    def _locked(self) -> bool:
        # Never asked before the start is recorded: then the lock that this takes for a moment is in nobody's way.
        with (self.folder / on_disk.LOCK).open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def _settle(self, reason: str, message: str) -> None:
        """Record the end in the supervisor's place, unless something still lives or has been quicker."""
        with (self.folder / on_disk.LOCK).open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            if not os.path.lexists(self.folder / on_disk.EXIT):
                on_disk.write_file(os.fspath(self.folder), on_disk.EXIT, on_disk.exit_record(reason, message))


class _Supervisor:
    """Whoever wrote ``started.json``, as this machine sees it."""

    def __init__(self, record: Mapping[str, object]) -> None:
        pid, ticks = record.get("supervisor"), record.get("ticks")
        # Supervisors of older versions told the boot alone.
        here = record.get("machine") == on_disk.machine() or record.get("boot") == on_disk.boot_id()
        self._here = here and isinstance(pid, int) and isinstance(ticks, int)
        self._pid = pid if isinstance(pid, int) else 0
        self._ticks = ticks if isinstance(ticks, int) else 0

    @property
    def alive(self) -> bool:
        """It runs on this machine, since this boot, and is not another process that got the same id."""
        seen = on_disk.process_stat(self._pid) if self._here else None
        return seen is not None and seen[2] == self._ticks

    def watch(self) -> None:
        """Tell when it ends."""
        ends.watch(self._pid)

    @property
    def age(self) -> timedelta:
        """Time since its start; zero when it was not on this machine or not since this boot."""
        if not self._here:
            return timedelta(0)
        return timedelta(seconds=time.clock_gettime(time.CLOCK_BOOTTIME) - self._ticks / _TICKS_PER_SECOND)

    def family(self) -> list[int]:
        """What is left of its command on this machine, now that it is gone; empty when its id has a new owner."""
        if not self._here or on_disk.process_stat(self._pid) is not None:
            return []
        return on_disk.family(self._pid)


def _reap() -> None:
    """Take the end of the supervisors that this process started, so that they do not stay as zombies."""
    with _reaping:
        for pid in tuple(_supervisors):
            try:
                ended, _ = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                ended = pid
            if ended:
                _supervisors.discard(pid)


def _end_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
            return file.read(_TAIL_BYTES)
    except FileNotFoundError:
        return b""
