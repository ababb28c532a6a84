"""Gateways in processes of their own, started by a fork server and ended by whoever likes to."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from crash import shim
from harness.waiting import eventually

_TESTS = Path(__file__).parents[1]


class StartFailedError(AssertionError):
    """A gateway ended before it listened.

    Attributes:
        status: As of ``os.waitstatus_to_exitcode``.
    """

    def __init__(self, status: int, log: str) -> None:
        super().__init__(f"the gateway ended with status {status} before it listened: {log[-3000:]}")
        self.status = status


class ForkServer:
    """The process that forks gateways.

    Args:
        control: Of the fault injection, which is loaded into every gateway.
    """

    def __init__(self, control: Path) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HILUM")}
        path = os.pathsep.join(filter(None, (str(_TESTS), os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "crash.fork_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment
            | {
                "PYTHONPATH": path,
                "LD_PRELOAD": str(shim.library()),
                "CRASH_CONTROL": str(control),
                "HILUM_LOG": "json",
            },
        )
        self._turn = threading.Lock()
        self._answer()

    def request(self, **what: Any) -> dict[str, int]:
        """Ask and wait for the answer."""
        assert self._process.stdin is not None
        with self._turn:
            self._process.stdin.write(json.dumps(what) + "\n")
            self._process.stdin.flush()
            return self._answer()

    def _answer(self) -> dict[str, int]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the fork server has ended"
        answer: dict[str, int] = json.loads(line)
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


class Gateway:
    """One ``hilum serve``, from its birth on; it may not listen yet."""

    def __init__(self, server: ForkServer, config: Path, log: Path, environment: Mapping[str, str]) -> None:
        self._server = server
        self._log = log
        log.touch()
        self._log_start = log.stat().st_size
        self.port = 0
        self.status: int | None = None
        self.born_at = time.monotonic()
        self.listening_at = 0.0
        request = {"config": str(config), "log": str(log), "environment": dict(environment)}
        self.pid: int = server.request(**request)["pid"]
        self._process = os.pidfd_open(self.pid)

    def wait_until_listening(self, seconds: float = 60) -> None:
        """Learn the port.

        Raises:
            StartFailedError: It has ended.
        """

        def listening() -> bool:
            over = self.ended()
            self.port = self._port()
            if over and not self.port:
                raise StartFailedError(self.reap(), self.log())
            return bool(self.port)

        eventually(listening, seconds=seconds, what="the gateway to listen", pause=0.005)
        self.listening_at = time.monotonic()

    def _port(self) -> int:
        for line in self.log().splitlines():
            if '"gateway.started"' in line:
                with suppress(json.JSONDecodeError):  # half of it is written
                    return int(json.loads(line)["port"])
        return 0

    def log(self) -> str:
        """What this one has logged."""
        with self._log.open("rb") as file:
            file.seek(self._log_start)
            return file.read().decode(errors="replace")

    def ended(self, seconds: float = 0) -> bool:
        """Whether it has ended; waits so long for it."""
        if self.status is not None:
            return True
        poll = select.poll()
        poll.register(self._process, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def send(self, number: int) -> None:
        """Send a signal; nobody else can have its process id, since it is not reaped yet."""
        if self.status is None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._process, number)

    def kill(self) -> None:
        """As the out-of-memory killer would; it is gone on return."""
        self.send(signal.SIGKILL)
        self.reap()

    def stop(self) -> int:
        """As systemd would."""
        self.send(signal.SIGTERM)
        if not self.ended(30):
            self.kill()
            raise AssertionError("SIGTERM did not end the gateway")
        return self.reap()

    def reap(self) -> int:
        """Wait for its end; how it ended, as of ``os.waitstatus_to_exitcode``."""
        if self.status is None:
            self.status = self._server.request(wait=self.pid)["status"]
            os.close(self._process)
        return self.status


def kill_family(token: str) -> None:
    """End every process that inherited the token in its environment: supervisors, their commands."""
    while members := family(token):
        for pid in members:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def family(token: str) -> list[int]:
    """Process ids of whoever inherited the token."""
    wanted = f"CRASH_TOKEN={token}".encode()
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and wanted in _environment(name)]


def _environment(pid: str) -> list[bytes]:
    try:
        return Path("/proc", pid, "environ").read_bytes().split(b"\0")
    except OSError:
        return []
