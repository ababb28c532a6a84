"""A real Ray head of the test's own, as ``ray start --head`` makes it.

Ray listens on all interfaces, whatever it is told. So it has a network namespace of its own, where this user may make
one, and asks for a token in any case. It is installed by ``scripts/setup-ray``, apart from everything else.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness.ports import free_port
from hilum.exchange import Answer, Server

_ROOT = Path(__file__).resolve().parents[2]
_KEEPER = Path(__file__).with_name("ray_keeper.py")
_CLONE_NEWNET = 0x40000000
#: Ray gives itself 30 seconds for some of its steps, which a busy machine does not always keep.
_TRIES = 4


def program() -> Path:
    """Where ``ray`` is; fails if it is not."""
    folder = Path(os.environ.get("RAY_VENV", _ROOT / ".venv-ray"))
    found = folder / "bin" / "ray"
    assert found.exists(), f"{found} is not there: run scripts/setup-ray (make test does), which installs it"
    return found


class RayHead:
    """Has two CPUs, no GPU and the label ``room=a``."""

    def __init__(self) -> None:
        self.token = secrets.token_hex(16)
        self.port = _port()
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> RayHead:
        # Ray's sockets lie in there, and their paths must not be longer than 107 characters.
        self._folder = Path(tempfile.mkdtemp(prefix="hr", dir="/tmp"))
        apart = ["unshare", "--net"] if _may_be_apart() else []
        command = [*apart, sys.executable, str(_KEEPER), *self._start_command()]
        self._keeper = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=self._environment()
        )
        self._space: int | None = None
        try:
            if apart:
                self._tell("loopback")
                self._space = os.open(f"/proc/{self._keeper.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()
        try:
            assert self._keeper.wait(timeout=60) == 0
        finally:
            assert self._keeper.stdout is not None
            self._keeper.stdout.close()
            if self._space is not None:
                os.close(self._space)
            shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Start it, and wait until it takes jobs."""
        for left in reversed(range(_TRIES)):
            said = self._tell("start", or_fail=not left)
            if said == "started":
                break
            self._tell("stop")
        with self.inside():
            self._wait()

    def stop(self) -> None:
        """End it as a power cut would."""
        self._tell("stop")

    @contextmanager
    def inside(self) -> Iterator[None]:
        """This thread, and what it starts meanwhile, see the network that the head is in."""
        if self._space is None:
            yield
            return
        before = os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(self._space)
            yield
        finally:
            _enter(before)
            os.close(before)

    @property
    def server(self) -> Server:
        return Server(url=self.url, authorization=f"Bearer {self.token}", timeout=60)

    def _tell(self, word: str, *, or_fail: bool = True) -> str:
        assert self._keeper.stdin is not None
        assert self._keeper.stdout is not None
        self._keeper.stdin.write(word + "\n")
        self._keeper.stdin.flush()
        said = self._keeper.stdout.readline().strip()
        assert said == ("stopped" if word == "stop" else "started") or not or_fail, (
            f"{word}: {said or 'the keeper has ended'}"
        )
        return said

    def _wait(self) -> None:
        """Its parts come up one after another; the agent that starts jobs is the last."""
        until = time.monotonic() + 120
        answer = None
        while time.monotonic() < until:
            answer = self.server.ask("GET", "/api/v0/nodes?detail=1")
            if isinstance(answer, Answer) and answer.success and b'"ALIVE"' in answer.body:
                return
            time.sleep(0.2)
        raise AssertionError(f"the head does not tell of its node: {answer}")

    def _start_command(self) -> Sequence[str]:
        return (
            str(program()),
            "start",
            "--head",
            "--node-ip-address=127.0.0.1",
            f"--port={_port()}",
            "--dashboard-host=127.0.0.1",
            f"--dashboard-port={self.port}",
            f"--ray-client-server-port={_port()}",
            f"--dashboard-agent-listen-port={_port()}",
            "--num-cpus=2",
            "--num-gpus=0",
            "--object-store-memory=80000000",
            "--labels=room=a",
            f"--temp-dir={self._folder / 'r'}",
            "--disable-usage-stats",
            "--include-log-monitor=False",
        )

    def _environment(self) -> dict[str, str]:
        # Ray starts some thirty interpreters: without compiled modules each would compile them again.
        left_out = ("HILUM", "PYTHON", "VIRTUAL_ENV", "RAY_", "PYTEST")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
        return environment | {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": self.token,
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_DASHBOARD_STARTUP_TIMEOUT_S": "300",
            # It would end jobs when the machine, which others use too, is short of memory.
            "RAY_memory_monitor_refresh_ms": "0",
        }


def _port() -> int:
    """One that Ray does not want for its workers, which have those from 10002 to 19999."""
    while (port := free_port()) < 20_000:
        pass
    return port


def _may_be_apart() -> bool:
    return subprocess.run(["unshare", "--net", "true"], check=False, capture_output=True).returncode == 0


def _enter(space: int) -> None:
    """setns(2), which Python has from 3.12 on."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(space, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")
