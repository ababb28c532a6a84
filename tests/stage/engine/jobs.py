from __future__ import annotations

import json
import os
import sys
import textwrap
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from hilum.engine.port import Phase, Run, Status
from hilum.engine.process import ProcessEngine
from hilum.model import JobId

#: Longer than anything here takes on a busy machine.
DEADLINE = 30.0


def eventually(condition: Callable[[], Any], what: str = "the condition") -> Any:
    """The first true value of the condition; fails when there is none in good time."""
    until = time.monotonic() + DEADLINE
    while not (value := condition()):
        assert time.monotonic() < until, f"{what} did not come true within {DEADLINE:g} s"
        time.sleep(0.005)
    return value


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in {"Z", "X"}


def children() -> list[int]:
    """Living supervisors that are children of this process: other tests in it may have children of their own."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and alive(int(entry.name)):
                parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
                ours = int(parent) == os.getpid() and b"supervisor" in (entry / "cmdline").read_bytes()
                found += [int(entry.name)] if ours else []
        except OSError:
            continue
    return found


def end_of(engine: ProcessEngine, run: Run) -> Status:
    """The status of the run once it is neither pending nor running."""

    def ended() -> Status | None:
        status = engine.status([run])[run.job_id]
        return None if status.phase in {Phase.PENDING, Phase.RUNNING} else status

    found = eventually(ended, "the end of the run")
    assert isinstance(found, Status)
    return found


class Stage:
    """A job folder, and engines whose commands are small Python programs that run in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = folder / "output"
        (folder / "input").mkdir(parents=True)
        self.output.mkdir()

    def run(self, attempt: int = 1) -> Run:
        return Run(
            job_id=JobId("a1" * 16),
            job_name="scp-ct-20261122081500-9f3c21ab",
            folder=self.folder,
            workflow="workflow-id",
            workflow_name="ct",
            attempt=attempt,
        )

    def engine(
        self, program: str, *arguments: str, timeout: float = 60.0, grace: float = 10.0, **environment: str
    ) -> ProcessEngine:
        """Programs find ``os``, ``sys``, ``time``, ``signal`` and ``wait_for(path)``; they run in the job folder."""
        preamble = (
            "import os, sys, time, signal\ndef wait_for(path):\n    while not os.path.exists(path): time.sleep(.005)\n"
        )
        return ProcessEngine(
            name="local",
            command=(sys.executable, "-S", "-c", preamble + textwrap.dedent(program), *arguments),
            timeout=timedelta(seconds=timeout),
            grace=timedelta(seconds=grace),
            environment=environment,
        )

    def record(self, name: str, attempt: int = 1) -> dict[str, Any]:
        found = eventually((self.folder / "run" / str(attempt) / name).exists, name)
        assert found
        record = json.loads((self.folder / "run" / str(attempt) / name).read_text())
        assert isinstance(record, dict)
        return record

    def rewrite_start(self, **changes: object) -> None:
        """Change ``started.json`` of the first attempt."""
        (self.folder / "run/1/started.json").write_text(json.dumps(self.record("started.json") | changes))

    def supervisor(self, attempt: int = 1) -> int:
        return int(self.record("started.json", attempt)["supervisor"])

    def pid(self, name: str) -> int:
        """The number that the command has written, with a line end, into a file of the job folder."""
        path = self.folder / name
        return int(eventually(lambda: path.exists() and path.read_text().endswith("\n") and path.read_text(), name))
