"""``hilum`` as a user types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def hilum(*words: object) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, in an environment without variables of Hilum."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HILUM")}
    command = [sys.executable, "-m", "hilum", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)


def check(path: Path) -> dict[str, Any]:
    """What ``hilum check --json`` says of a configuration."""
    done = hilum("check", "--json", "--config", path)
    assert done.returncode in {0, 2}, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found
