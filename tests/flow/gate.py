"""A workflow that a test lets begin and end when it wants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.waiting import eventually

#: Notes that it runs, waits to be let go, hands its input back.
_SCRIPT = """
echo run >> "$GATE/runs/$HILUM_JOB_ID"
echo "$$" > "$GATE/running/$HILUM_JOB_ID"
while ! [ -e "$GATE/open" ]; do sleep 0.05; done
rm "$GATE/running/$HILUM_JOB_ID"
cp "$HILUM_INPUT"/* "$HILUM_OUTPUT"/
"""


class Gate:
    """Where jobs wait until the gate is opened; it counts how often each was run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "runs").mkdir(parents=True)
        (folder / "running").mkdir()

    def engine(self, **keys: Any) -> dict[str, Any]:
        """The entry of ``engines``."""
        environment = {"GATE": str(self._folder)}
        return {"type": "process", "command": ["sh", "-c", _SCRIPT], "environment": environment} | keys

    def open(self) -> None:
        """Let all go that wait and will come."""
        (self._folder / "open").touch()

    @property
    def running(self) -> list[str]:
        """Ids of the jobs that wait here; one that was killed is still listed."""
        return sorted(path.name for path in (self._folder / "running").iterdir())

    def wait_for(self, count: int) -> None:
        """Until so many jobs wait here."""
        eventually(lambda: len(self.running) >= count, what=f"{count} running jobs")

    def process(self, job: str) -> int:
        """The process id of a job that runs."""
        return int(eventually((self._folder / "running" / job).read_text, what="the process id"))

    @property
    def runs(self) -> dict[str, int]:
        """How often each job was run, by its id."""
        return {path.name: path.read_text().count("run") for path in (self._folder / "runs").iterdir()}
