"""What a command left behind, and a receiver that runs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.waiting import eventually


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as one JSON document."""
        return json.loads(self.out)


Hilum = Callable[..., Ran]


class Receiving:
    """A running ``hilum receive``."""

    def __init__(self, folder: Path, arguments: tuple[str, ...], environment: dict[str, str]) -> None:
        self.folder = folder / "received"
        self._log = folder / "receive.log"
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "hilum", "receive", "0", "--host", "127.0.0.1", "-od", self.folder, *arguments],
                stdout=log,
                env=environment,
            )
        self.port = int(eventually(lambda: self.events("listening"), what="hilum receive to listen")[0]["port"])

    def events(self, name: str) -> list[dict[str, Any]]:
        """What it has said so far, with ``--json``."""
        lines = [json.loads(line) for line in self._log.read_text().splitlines(keepends=True) if line.endswith("\n")]
        return [line for line in lines if line["event"] == name]

    def stop(self) -> int:
        """As Ctrl-C would; its exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(timeout=30)
