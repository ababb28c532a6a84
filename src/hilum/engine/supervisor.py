"""Runs one command once, outlives the gateway, and writes down how it ended.

The process engine starts this as a program of its own, so that neither a restart nor a crash of the gateway ends a run
or repeats it. The records it keeps are described in ``attempt``. In short:

1. Take the lock; give up when it is held, or when the attempt has been started or ended before.
2. Give the attempt an empty ``output/``, record the start, and only then start the command.
3. Copy what the command writes into the log; end it when its time is up or somebody asks for that.
4. When it has ended, kill what it left behind: from here on nothing writes results.
5. Exit code 0: sync the results. Then record the end, then make ``job.done``; a crash between these two is repaired by
   whoever asks for the status.

Modules that take long to load, pathlib and contextlib among them, are imported after the command has started or not at
all.
"""

# ruff: noqa: PLC0415, PTH104, PTH118, PTH120, PTH208, SIM105
from __future__ import annotations

import fcntl
import os
import sys
import time

from hilum.engine import attempt as on_disk

#: A runaway log is kept as its last one to two of these.
LOG_PART_BYTES = 8 * 1024 * 1024
#: How soon a cancel file or the end of the time limit is noticed.
LOOK_MILLISECONDS = 200

_SIGTERM = 15
_SIGKILL = 9
_SIGSTOP = 19
_CATCHABLE = tuple(number for number in range(1, 32) if number not in {_SIGKILL, _SIGSTOP})


def main() -> None:
    """Arguments: job folder, attempt, time limit and grace in seconds, then the command with its arguments.

    Needs a session of its own, SIGTERM blocked, standard error on the log, and the command's environment.
    """
    job, attempt, timeout, grace, *command = sys.argv[1:]
    _close_inherited()
    os.chdir(job)
    folder = os.path.join(job, "run", attempt)
    lock = _prepare(job, int(attempt), folder)
    if lock is None:
        return
    started = _start(folder, lock, command)
    if started is not None:
        _see_through(job, folder, *started, timeout=float(timeout), grace=float(grace))


def _close_inherited() -> None:
    """Let go of what the gateway failed to mark close-on-exec: a run must not keep its sockets open."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            try:
                os.close(int(name))
            except OSError:
                pass  # the one that listed the folder


def _prepare(job: str, attempt: int, folder: str) -> int | None:
    """Make the attempt ours.

    Returns:
        The lock, held; ``None`` when the command is not to be started from here.
    """
    lock = os.open(os.path.join(folder, on_disk.LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    if not _take(lock, fcntl.LOCK_EX):
        return None  # it is being run, or being cancelled
    if any(os.path.lexists(os.path.join(folder, name)) for name in (on_disk.STARTED, on_disk.EXIT)):
        return None
    # One at a time: this attempt makes its lock known, then looks for its neighbours, and so do they.
    if os.path.lexists(os.path.join(job, "run", str(attempt + 1))):
        _give_up(folder, "it came so late that there is another attempt already")
        return None
    if attempt > 1 and not _ended(os.path.join(job, "run", str(attempt - 1))):
        _give_up(folder, "something of the attempt before still runs")
        return None
    try:
        on_disk.give_fresh_output(job, attempt)
        _record_start(job, folder)
    except OSError as error:
        if error.errno in on_disk.DISK_FULL:
            return None  # nothing is recorded, so the attempt is pending
        _give_up(folder, f"the job's folder cannot be used: {error}")
        return None
    # Looked for after the start is recorded; whoever cancels looks for the start after asking. One sees the other.
    if os.path.lexists(os.path.join(folder, on_disk.CANCEL)):
        _record_exit(folder, on_disk.exit_record("cancelled", "cancelled before it started"))
        return None
    return lock


def _take(lock: int, kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _ended(folder: str) -> bool:
    """Whether nothing of the attempt in that folder lives: its end is recorded, or nobody holds its lock."""
    if os.path.lexists(os.path.join(folder, on_disk.EXIT)):
        return True
    try:
        lock = os.open(os.path.join(folder, on_disk.LOCK), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        return _take(lock, fcntl.LOCK_SH)
    finally:
        os.close(lock)


def _give_up(folder: str, why: str) -> None:
    _record_exit(folder, on_disk.exit_record("could not start", f"the command was not started: {why}"))


def _record_start(job: str, folder: str) -> None:
    """Write ``started.json`` and make it and every folder on the way to it durable."""
    me = os.getpid()
    seen = on_disk.process_stat(me)
    assert seen is not None
    # By hand: json is not loaded yet.
    record = (
        f'{{"supervisor": {me}, "ticks": {seen[2]}, "machine": "{on_disk.machine()}", "at": "{on_disk.utc_text()}"}}\n'
    )
    on_disk.write_file(folder, on_disk.STARTED, record)
    on_disk.sync(os.path.dirname(folder))
    on_disk.sync(job)


def _start(folder: str, lock: int, command: list[str]) -> tuple[int, int] | None:
    """Start the command in a process group of its own, with the lock inherited.

    Returns:
        Its process id, and the read end of the pipe that is its standard output and error; ``None`` after a failure.
    """
    source, sink = os.pipe()
    os.set_inheritable(lock, True)
    try:
        child = os.posix_spawn(
            command[0],
            command,
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, sink, 1), (os.POSIX_SPAWN_DUP2, sink, 2)],
            setpgroup=0,
            # What the gateway or Python blocks or ignores must not reach the command.
            setsigmask=(),
            setsigdef=_CATCHABLE,
        )
    except OSError as error:
        _give_up(folder, f"{command[0]!r}: {error.strerror}")
        return None
    os.close(sink)
    return child, source


def _see_through(job: str, folder: str, child: int, source: int, *, timeout: float, grace: float) -> None:
    """Stay with the command to its end and record it."""
    _adopt_orphans()
    os.set_blocking(source, False)
    log = _Log(folder, source)
    reason, status = _watch(child, log, folder, timeout=timeout, grace=grace)
    _end_family()
    while log.copy():
        pass
    log.close()
    message = _sentence(reason, status, timeout)
    if not message:
        try:
            on_disk.sync_tree(os.path.join(job, "output"))
        except OSError as error:
            message = f"the results could not be written to disk: {error.strerror}"
    killed = os.WIFSIGNALED(status)
    code, number = (None, os.WTERMSIG(status)) if killed else (os.WEXITSTATUS(status), None)
    _record_exit(folder, on_disk.exit_record(reason, message, exit_code=code, signal=number))
    # The output is that of the next attempt, if there is one.
    if not message and not on_disk.is_superseded(folder):
        try:
            on_disk.mark_done(job)
        except OSError:
            pass  # whoever asks for the status tries again, and reports it


def _adopt_orphans() -> None:
    """Become the parent of every descendant that loses its own, so that daemons of the command are found at its end.

    Source: prctl(2), PR_SET_CHILD_SUBREAPER.
    """
    try:
        import ctypes

        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        pass  # an interpreter without libffi: the session is still ended as a whole


def _watch(child: int, log: _Log, folder: str, *, timeout: float, grace: float) -> tuple[str, int]:
    """Wait for the end of the command, or bring it about.

    Returns:
        Why it ended (``finished``, ``timeout``, ``cancelled``, ``superseded`` or ``terminated``) and its wait status.
    """
    import select

    poll = select.poll()
    poll.register(log.source, select.POLLIN)
    try:
        poll.register(os.pidfd_open(child), select.POLLIN)
    except OSError:
        pass  # before Linux 5.3 the end of the command is noticed at the next look
    reason = ""
    stop_at = time.monotonic() + timeout
    kill_at = stop_at
    while (status := _reap(child)) is None:
        now = time.monotonic()
        if reason:
            if now >= kill_at:
                _signal_group(child, _SIGKILL)
        elif reason := _reason_to_stop(folder, late=now >= stop_at):
            _signal_group(child, _SIGTERM)
            kill_at = now + grace
        for ready, _ in poll.poll(LOOK_MILLISECONDS):
            if ready == log.source and not log.copy():
                poll.unregister(ready)
    return reason or "finished", status


def _reason_to_stop(folder: str, *, late: bool) -> str:
    """Why the command has to end now; empty while nothing asks for it."""
    import signal

    if os.path.lexists(os.path.join(folder, on_disk.CANCEL)):
        return "cancelled"
    if on_disk.is_superseded(folder):
        return "superseded"
    if signal.SIGTERM in signal.sigpending():
        return "terminated"
    return "timeout" if late else ""


def _reap(child: int) -> int | None:
    """Wait for every child that has ended, adopted ones too; the wait status of ``child`` when it is among them."""
    ended = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        if pid == child:
            ended = status


def _signal_group(leader: int, number: int) -> None:
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):
        pass  # nobody left, or nobody that may be signalled


def _end_family() -> None:
    """Return when no process of the command is left, however long that takes: until then it may write results."""
    pause = 0.002
    while True:
        _reap(0)
        if not [pid for pid in on_disk.family(os.getpid()) if on_disk.kill(pid)]:
            return
        time.sleep(pause)
        pause = min(2 * pause, 1.0)


def _sentence(reason: str, status: int, timeout: float) -> str:
    """What the operator reads about the end; empty for a success."""
    import signal

    if reason == "timeout":
        return f"the command ran longer than its time limit of {timeout:g} s and was stopped"
    if reason == "cancelled":
        return "cancelled"
    if reason == "superseded":
        return "stopped since another attempt has begun elsewhere: this machine was cut off, and was taken for dead"
    if reason == "terminated":
        return "stopped from outside by SIGTERM to its supervisor, as a shutdown of the machine does"
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        name = signal.Signals(number).name if number in signal.valid_signals() else f"signal {number}"
        hint = "; if nobody sent it, the machine was out of memory" if number == _SIGKILL else ""
        return f"the command was killed by {name}{hint}"
    code = os.WEXITSTATUS(status)
    return f"the command ended with exit code {code}; its log says why" if code else ""


def _record_exit(folder: str, text: str) -> None:
    """Write ``exit.json``; on a full disk wait, with the lock held, until there is room."""
    while True:
        try:
            on_disk.write_file(folder, on_disk.EXIT, text)
        except OSError as error:
            if error.errno not in on_disk.DISK_FULL:
                raise
            time.sleep(1)
        else:
            return


class _Log:
    """Copies what the command writes to file descriptor 1; neither a full disk nor a flood of text disturbs the run.

    Attributes:
        source: The read end of the pipe from the command, not blocking.
    """

    def __init__(self, folder: str, source: int) -> None:
        self._path = os.path.join(folder, on_disk.LOG)
        self._old_path = os.path.join(folder, on_disk.OLD_LOG)
        self.source = source
        self._size = os.fstat(1).st_size
        self._old_size = 0
        self._received = self._size

    def copy(self) -> bool:
        """Take what is there, at most 64 KiB; ``False`` when there is nothing now or nothing will come any more."""
        try:
            data = os.read(self.source, 65536)
        except BlockingIOError:
            return False
        self._received += len(data)
        try:
            if self._size + len(data) > LOG_PART_BYTES:
                self._turn()
            self._size += os.write(1, data)
        except OSError:
            pass  # it counts as dropped
        return bool(data)

    def close(self) -> None:
        """Say in the log what is missing from it."""
        dropped = self._received - self._size - self._old_size
        if dropped:
            note = f"\n[hilum] {self._received} bytes were written here, {dropped} of them are not kept\n"
            try:
                os.write(1, note.encode())
            except OSError:
                pass  # the full disk that there was something to say about

    def _turn(self) -> None:
        os.rename(self._path, self._old_path)
        self._old_size, self._size = self._size, 0
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(file, 1)
        os.dup2(file, 2)
        os.close(file)
