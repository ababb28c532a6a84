"""Programs of the system that play peers."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.waiting import eventually


def program(name: str, package: str) -> str:
    """Where it is; without it the test fails, because a test that is skipped in silence proves nothing."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        pytest.fail(f"{name} is not installed: `make test` as root does it, or apt-get install {package}")
    return found


class Listening:
    """A program that serves a port of the loopback until the end of the block; ended by its process id.

    Args:
        log: Gets what it writes, and is shown when it does not start.
    """

    def __init__(self, command: Sequence[str], port: int, log: Path) -> None:
        self.port = port
        self._command = command
        self._log = log

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        eventually(self._answers, what=f"{self._command[0]} to listen on port {self.port}")

    def _answers(self) -> bool:
        assert self._process.poll() is None, f"{self._command} has ended: {self._log.read_text()}"
        try:
            socket.create_connection(("127.0.0.1", self.port), 5).close()
        except ConnectionRefusedError:
            return False
        return True

    def stop(self) -> None:
        """At once: what it holds is looked at on disk, or thrown away."""
        self._process.kill()
        self._process.wait()
