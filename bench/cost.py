"""What an instance costs a receiver: processor time and system calls. `make bench ARGS=cost`."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from bench import dataset, process, receiver, sender, session
from bench.dataset import DataSet
from bench.machine import machine, versions
from bench.process import FailedError
from bench.receiver import Receiver
from bench.report import bullets
from bench.settings import Settings
from bench.transfer import ASSOCIATION, DCMTK, INSTANCE, Transfers

_RECEIVERS: Final[Mapping[str, Receiver]] = {
    INSTANCE: receiver.hilum("instance"),
    ASSOCIATION: receiver.hilum("association"),
    DCMTK: receiver.storescp(),
}
_TICK: Final = os.sysconf("SC_CLK_TCK")
#: Calls that threads wait in, whatever the others do.
_WAITING: Final = frozenset({"futex", "epoll_wait", "clock_nanosleep", "restart_syscall", "poll", "select", "ppoll"})
_PAUSE: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Of one instance.

    Attributes:
        user: Milliseconds of processor time in the receiver itself.
        system: The same in the kernel, for the receiver.
        calls: How often it calls the kernel, by call, the most frequent first.
    """

    user: float
    system: float
    calls: Mapping[str, float]


class Costs:
    """Measures them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._transfers = Transfers(settings)

    def run(self) -> None:
        """Measure, print, and write `cost.md`."""
        parts = ["# What an instance costs a receiver", "", "Written by `make bench ARGS=cost`.", ""]
        parts += [*bullets(machine(self._settings.folder)), *bullets(versions())]
        for title, shape, count in (
            ("CT slice of 512 KB", dataset.CT_SLICE, 500),
            ("instance of 9 KB", dataset.SMALL, 2000),
        ):
            (series,) = self._transfers.series(shape, count)
            parts += ["", f"## A {title}", "", _HEAD]
            parts += [_row(name, self._cost(start, series)) for name, start in _RECEIVERS.items()]
        self._settings.write("cost.md", "\n".join(parts) + "\n")

    def _cost(self, start: Receiver, series: DataSet) -> Cost:
        times: list[tuple[float, float]] = []
        calls: dict[str, float] = {}

        def timed(folder: Path) -> Mapping[str, float]:
            with start(folder) as endpoint:
                self._send(endpoint, self._transfers.warm_up, folder)
                before = _times(endpoint.pid)
                self._send(endpoint, series, folder)
                time.sleep(_PAUSE)  # what is done after the last answer belongs to it too
                after = _times(endpoint.pid)
            times.append((after[0] - before[0], after[1] - before[1]))
            return {}

        def traced(folder: Path) -> Mapping[str, float]:
            with start(folder) as endpoint:
                self._send(endpoint, self._transfers.warm_up, folder)
                with _Strace(endpoint.pid, folder / "calls") as counts:
                    self._send(endpoint, series, folder)
            calls.update(counts)
            return {}

        for _ in range(self._settings.rounds):
            session.in_empty_folder(self._settings.runs, timed)
        session.in_empty_folder(self._settings.runs, traced)
        each = 1000 / series.count
        return Cost(
            user=median(user for user, _ in times) * each,
            system=median(system for _, system in times) * each,
            calls={name: count / series.count for name, count in calls.items() if name not in _WAITING},
        )

    def _send(self, endpoint: receiver.Endpoint, series: DataSet, folder: Path) -> None:
        process.seconds_of([sender.storescu(endpoint, series.folder)], folder)


class _Strace:
    """Counts the calls of a process and its threads for the length of the block."""

    def __init__(self, pid: int, report: Path) -> None:
        self._command = [process.program("strace"), "-c", "-f", "-o", str(report), "-p", str(pid)]
        self._report = report
        self._counts: dict[str, float] = {}

    def __enter__(self) -> dict[str, float]:
        self._tracer = subprocess.Popen(self._command, stderr=subprocess.PIPE, text=True)
        assert self._tracer.stderr is not None
        if "attached" not in self._tracer.stderr.readline():
            raise FailedError("strace cannot look at the receiver: it needs the right to trace processes")
        return self._counts

    def __exit__(self, *_: object) -> None:
        self._tracer.send_signal(signal.SIGINT)
        self._tracer.communicate()
        for line in self._report.read_text().splitlines():
            found = re.match(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", line)
            if found and found[2] != "total":
                self._counts[found[2]] = float(found[1])


def _times(pid: int) -> tuple[float, float]:
    """Seconds of user and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) / _TICK, int(fields[12]) / _TICK


_HEAD: Final = "| receiver | user, ms | system, ms | calls of the kernel, each instance |\n|---|---:|---:|---|"


def _row(name: str, cost: Cost) -> str:
    often = sorted(cost.calls.items(), key=lambda one: -one[1])
    shown = ", ".join(f"{call} {count:.1f}" for call, count in often if count >= 0.1)
    return f"| {name} | {cost.user:.2f} | {cost.system:.2f} | {sum(cost.calls.values()):.1f}: {shown} |"
