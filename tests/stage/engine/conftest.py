from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from stage.engine.jobs import Stage, alive, eventually


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    yield Stage(tmp_path / "scp-ct-20261122081500-9f3c21ab")
    eventually(lambda: not _killed_processes_of(tmp_path), "the end of what the test started")


def _killed_processes_of(folder: Path) -> list[int]:
    mark = f"HILUM_OUTPUT={folder}/".encode()
    killed = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark in (entry / "environ").read_bytes() and alive(int(entry.name)):
                os.kill(int(entry.name), signal.SIGKILL)
                killed.append(int(entry.name))
        except OSError:
            continue
    return killed
