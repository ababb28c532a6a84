"""Keeps a Ray head for a test: starts it, ends it, and leaves no process of it. Started by ``harness.ray``.

Whatever Ray starts stays below this process, since it adopts what loses its parent. It is told by lines on its standard
input, ``start`` and ``stop``, and answers each by one; when the input ends, because the test has or was killed, it ends
everything and itself. Its arguments are Ray's program and the arguments of that. In a network namespace of its own it
is told ``loopback`` first, and takes that up.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

_SET_CHILD_SUBREAPER = 36
_DEADLINE = 60.0


def descendants() -> list[int]:
    """What was started from here and lives."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] not in {"Z", "X"}:
                parents[int(entry.name)] = int(fields[1])
    found: set[int] = set()
    while more := {pid for pid, parent in parents.items() if parent in found | {os.getpid()}} - found:
        found |= more
    return sorted(found)


def reap() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def end_all() -> None:
    until = time.monotonic() + _DEADLINE
    while pids := descendants():
        if time.monotonic() > until:
            raise TimeoutError(f"these do not end: {pids}")
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        reap()
        time.sleep(0.01)
    reap()


def run(command: list[str]) -> str:
    """Run a program to its end, or to that of the test; empty if it went well, otherwise what it said."""
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT) as process,
    ):
        while process.poll() is None:
            if select.select([sys.stdin], [], [], 0.1)[0]:
                end_all()
        said.seek(0)
        return "" if process.returncode == 0 else f"failed: {said.read().decode(errors='replace')}".replace("\n", " ")


def main() -> None:
    ctypes.CDLL(None, use_errno=True).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        while word := os.read(sys.stdin.fileno(), 100):
            if word == b"stop\n":
                end_all()
                print("stopped", flush=True)
            else:
                start = word == b"start\n"
                print(run(sys.argv[1:] if start else ["ip", "link", "set", "lo", "up"]) or "started", flush=True)
    finally:
        end_all()


if __name__ == "__main__":
    main()
