"""What a process costs its machine, as Linux tells it."""

from __future__ import annotations

import os
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
    """

    memory: int
    peak: int
    descriptors: int
    threads: int


def vitals(pid: int) -> Vitals:
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return Vitals(
        memory=int(status["VmRSS"].split()[0]) * 1024,
        peak=int(status["VmHWM"].split()[0]) * 1024,
        descriptors=len(os.listdir(f"/proc/{pid}/fd")),
        threads=int(status["Threads"]),
    )


def forget_peak(pid: int) -> None:
    """Let ``peak`` begin anew. Source: Linux, proc_pid_clear_refs(5)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def processor_seconds(pid: int) -> float:
    """Time that the process has spent computing, its children not counted."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
