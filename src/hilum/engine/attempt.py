"""One attempt at one job on disk and among the processes: what the process engine and its supervisor agree on.

Everything about an attempt stands in ``<job folder>/run/<attempt>/``:

==================== ==================================================================================================
``lock``             Held (flock) by the supervisor and inherited by its command: while it is held, something lives.
``started.json``     Who supervises; on disk before the command starts. Once it is there, no other start is made.
``cancel``           Somebody wants the attempt ended; looked for several times a second, so it works from any machine.
``log.txt``          What the command wrote, the end of it; ``log.old.txt`` is the part before.
``exit.json``        How it ended; written once, by a holder of the lock, when no process of the command is left.
``output/``          What the attempt left in the job's ``output/``, moved here when the next attempt starts.
==================== ==================================================================================================

The supervisor loads this file before it starts the command. So it imports only what the interpreter has loaded anyway:
``json``, ``re``, ``signal`` or ``pathlib`` would double the time that every job waits for its start.
"""

# ruff: noqa: PTH102, PTH104, PTH112, PTH115, PTH118, PTH123, PTH208
from __future__ import annotations

import errno
import os
import stat
import time

LOCK = "lock"
STARTED = "started.json"
CANCEL = "cancel"
LOG = "log.txt"
OLD_LOG = "log.old.txt"
EXIT = "exit.json"

#: Waiting helps against these.
DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

_SIGKILL = 9


def write_file(folder: str, name: str, text: str) -> None:
    """Put a small file into a folder, whole and durable or not at all; one that is there is replaced.

    Raises:
        OSError: It could not be written.
    """
    path = os.path.join(folder, name)
    part = f"{path}.{os.getpid()}"
    file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        os.write(file, text.encode())
        os.fsync(file)
    finally:
        os.close(file)
    os.rename(part, path)
    sync(folder)


def exit_record(reason: str, message: str, *, exit_code: int | None = None, signal: int | None = None) -> str:
    """The text of ``exit.json``.

    Args:
        reason: ``finished``, ``timeout``, ``cancelled``, ``superseded``, ``terminated`` or ``could not start``.
        message: For the operator; empty if and only if the run has succeeded.
        exit_code: Of the command, when it ended by itself.
        signal: The number of the signal that ended it.
    """
    import json  # noqa: PLC0415

    record = {"reason": reason, "message": message, "exit_code": exit_code, "signal": signal, "at": utc_text()}
    return json.dumps(record, indent=1) + "\n"


def read_record(folder: str, name: str) -> dict[str, object] | None:
    """A record, by its keys; ``None`` when there is none, empty when it is damaged.

    Raises:
        OSError: It is there and cannot be read.
    """
    import json  # noqa: PLC0415

    try:
        with open(os.path.join(folder, name), "rb") as file:
            record = json.loads(file.read())
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def utc_text() -> str:
    """The present, for people who read the records; nothing is computed from it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def make_folder(path: str) -> None:
    """Make a folder unless it is there; the one above it has to be there.

    Raises:
        OSError: It cannot be made, or something else has its name.
    """
    if not os.path.isdir(path):
        os.mkdir(path)


def sync(path: str) -> None:
    """Put a file or folder on disk; one that cannot be opened is passed by, a link is not followed.

    Raises:
        OSError: The disk refused what was written before.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return  # whoever reads it next meets the same error, with more to say about it
    try:
        os.fsync(file)
    finally:
        os.close(file)


def sync_tree(folder: str) -> None:
    """Put everything below a folder on disk, without following links or opening what is neither file nor folder.

    Raises:
        OSError: The disk refused what was written before.
    """
    pending = [folder]
    while pending:
        path = pending.pop()
        try:
            with os.scandir(path) as listing:
                entries = list(listing)
        except OSError:
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                pending.append(entry.path)
            elif entry.is_file(follow_symlinks=False):
                sync(entry.path)
        sync(path)


def is_superseded(folder: str) -> bool:
    """Whether the attempt after the one of that folder has started."""
    runs, number = os.path.split(folder)
    return os.path.lexists(os.path.join(runs, str(int(number) + 1), STARTED))


def give_fresh_output(job: str, attempt: int) -> None:
    """Give the attempt an empty ``output/``: what the one before left is moved aside. Repeatable until the start."""
    output = os.path.join(job, "output")
    if attempt > 1:
        former = os.path.join(job, "run", str(attempt - 1))
        make_folder(former)
        aside = os.path.join(former, "output")
        if not os.path.lexists(aside) and os.path.lexists(output):
            os.rename(output, aside)
            sync(former)
    make_folder(output)


def mark_done(job: str) -> None:
    """Make ``output/job.done``, durable; one that is there stays.

    Raises:
        OSError: It cannot be made, or something that is not a plain file stands in its place.
    """
    output = os.path.join(job, "output")
    make_folder(output)
    folder = os.open(output, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        # Not blocking, not following: the command may have left a FIFO or a link under this name.
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        file = os.open("job.done", flags, 0o644, dir_fd=folder)
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise FileExistsError(errno.EEXIST, "not a plain file")
            os.fsync(file)
        finally:
            os.close(file)
        os.fsync(folder)
    finally:
        os.close(folder)


def boot_id() -> str:
    """Tells this run of this machine from every other: process ids and start times mean nothing beyond it."""
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


def machine() -> str:
    """Tells where process ids mean the same as here: this run of this machine, and of this container on it.

    The number of a container's process namespace may come again after its end; the start of its first process does not.

    Source: pid_namespaces(7).
    """
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    first = process_stat(1)
    return f"{boot_id()}/{space}/{0 if first is None else first[2]}"


def process_stat(pid: int) -> tuple[int, int, int] | None:
    """Parent, session and start time of a process; ``None`` when it has ended, be it waited for or not.

    The start time, in clock ticks since boot, tells a process from a later one with the same id.

    Source: proc(5), /proc/pid/stat, fields 3, 4, 6 and 22.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except OSError:
        return None
    fields = text[text.rindex(b")") + 2 :].split()  # the name before it may hold spaces and brackets
    if fields[0] in {b"Z", b"X"}:
        return None
    return int(fields[1]), int(fields[3]), int(fields[19])


def family(supervisor: int) -> list[int]:
    """The living processes of a supervisor's command, in no order.

    These are its session, which outlives it, and its children: it adopts what leaves the session and loses its parent.
    """
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != supervisor:
            seen = process_stat(int(name))
            if seen is not None and supervisor in seen[:2]:
                found.append(int(name))
    return found


def kill(pid: int) -> bool:
    """End a process at once; ``False`` when it is gone already or belongs to somebody else."""
    try:
        os.kill(pid, _SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    return True
