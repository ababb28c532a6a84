"""Programs that serve and programs that send; every one is ended by its process id."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

#: A sender that takes longer than this hangs.
_PATIENCE: Final = 600.0


class FailedError(Exception):
    """A program did not do what the bench needs of it, so there is no figure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A program with its arguments.

    Attributes:
        environment: Added to that of the bench.
    """

    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)

    def variables(self) -> dict[str, str]:
        """What it starts with: nothing that tunes DCMTK or Hilum comes from outside."""
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("HILUM", "TCP_", "BENCH_"))
        }
        return inherited | self.environment


def program(name: str) -> str:
    """Where a program of the system is.

    Raises:
        FailedError: It is not installed.
    """
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        raise FailedError(f"{name} is not installed; `make bench` as root installs it")
    return found


def free_port() -> int:
    """A port of the loopback that nobody listens on, below those that the kernel gives to outgoing connections."""
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(lowest // 2, lowest)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextmanager
def serving(command: Command, port: int, log: Path, *, seconds: float = 30) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server for the length of the block, from when it accepts connections."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command.arguments,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=command.variables(),
            close_fds=False,
        )
    try:
        wait_until_it_accepts(process, port, log, seconds=seconds)
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait()


def wait_until_it_accepts(process: subprocess.Popen[bytes], port: int, log: Path, *, seconds: float = 30) -> None:
    """Return when a connection to the port was accepted.

    Raises:
        FailedError: The server has ended, or takes too long.
    """
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        with suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 5).close()
            return
        time.sleep(0.002)
    raise FailedError(f"{process.args!r} does not accept connections:\n{log.read_text()[-2000:]}")


def seconds_of(commands: Sequence[Command], folder: Path) -> float:
    """Run programs side by side; seconds from before the first one's start to the end of the last one.

    Args:
        folder: Gets what they write.

    Raises:
        FailedError: One of them fails or hangs.
    """
    logs = [folder / f"sender-{number}.log" for number in range(len(commands))]
    outputs = [log.open("wb") for log in logs]
    variables = [command.variables() for command in commands]
    started: list[subprocess.Popen[bytes]] = []
    hung = threading.Timer(_PATIENCE, lambda: [one.kill() for one in started])
    hung.start()
    try:
        begin = time.perf_counter()
        for command, output, environment in zip(commands, outputs, variables, strict=True):
            # close_fds=False: Python then starts it without copying its own memory map.
            started.append(
                subprocess.Popen(command.arguments, stdout=output, stderr=output, env=environment, close_fds=False)
            )
        statuses = [one.wait() for one in started]
        seconds = time.perf_counter() - begin
    finally:
        hung.cancel()
        for one in started:
            if one.poll() is None:
                one.kill()
                one.wait()
        for output in outputs:
            output.close()
    for command, status, log in zip(commands, statuses, logs, strict=True):
        if status:
            raise FailedError(f"{command.arguments[:6]} ended with {status}:\n{log.read_text()[-2000:]}")
    return seconds


def peak_memory(pid: int) -> float:
    """The most that a process has held resident so far, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise FailedError(f"process {pid} is over")
