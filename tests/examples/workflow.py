"""Runs the example workflows as Hilum runs them: as programs, with an input and an output folder."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    status: int
    out: str
    err: str


def run(script: str, source: Path, target: Path) -> Outcome:
    """Run a script below ``examples`` to its end; the output folder is made."""
    target.mkdir()
    command = [sys.executable, str(EXAMPLES / script), str(source), str(target)]
    done = subprocess.run(command, cwd=target.parent, capture_output=True, text=True, check=False, timeout=100)
    return Outcome(status=done.returncode, out=done.stdout, err=done.stderr)
