"""What a process costs its machine, as Linux tells it."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """One look at a process.

    Attributes:
        memory: Resident, in bytes.
        peak: The most that was resident since ``forget_peak`` or the start, in bytes.
        descriptors: Open ones.
        sockets: Those of them that are sockets.
    """

    memory: int
    peak: int
    descriptors: int
    sockets: int
    threads: int


def vitals(pid: int) -> Vitals:
    opened = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        with suppress(FileNotFoundError):  # closed meanwhile
            opened.append(os.readlink(f"/proc/{pid}/fd/{name}"))
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return Vitals(
        memory=int(status["VmRSS"].split()[0]) * 1024,
        peak=int(status["VmHWM"].split()[0]) * 1024,
        descriptors=len(opened),
        sockets=sum(name.startswith("socket:") for name in opened),
        threads=int(status["Threads"]),
    )


def forget_peak(pid: int) -> None:
    """Let ``peak`` begin anew. Source: Linux, proc_pid_clear_refs(5)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def processor_seconds(pid: int) -> float:
    """Time that the process has spent computing, its children not counted."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
