from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import hilum


def test_the_supervisor_loads_nothing_that_delays_the_start_of_a_command() -> None:
    slow = {
        "json",
        "re",
        "enum",
        "signal",
        "pathlib",
        "contextlib",
        "dataclasses",
        "typing",
        "collections",
        "subprocess",
    }
    root = str(Path(hilum.__file__).parent.parent)
    program = f"import sys; sys.path.append({root!r}); import hilum.engine.supervisor; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True)
    assert "hilum.engine.supervisor" in loaded.stdout.split()
    assert not slow & set(loaded.stdout.split())
