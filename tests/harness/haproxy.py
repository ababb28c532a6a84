"""A real HAProxy on loopback."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Self

from harness.ports import free_port
from harness.waiting import eventually

_CONFIGURATION: Final = """\
global
    log stdout format raw local0
    stats socket {socket} mode 600 level admin expose-fd listeners
    hard-stop-after 60s
defaults
    mode tcp
    log global
    timeout connect 2s
    timeout client 120s
    timeout server 120s
    timeout check 10s
    retries 5
    option redispatch 1
frontend dicom
    bind 127.0.0.1:{port}
    default_backend gateways
backend gateways
    balance roundrobin
"""


class HAProxy:
    """Passes connections to ``port`` on to servers, for the length of the block; ended by its process id.

    Args:
        folder: Exists; socket, configuration and log go there.
        servers: Port and options, such as ``send-proxy-v2 check``, of each, by its name.
        backend: Lines of the configuration that are about all of them.
    """

    def __init__(self, folder: Path, servers: Mapping[str, tuple[int, str]], *, backend: Sequence[str] = ()) -> None:
        self.port = free_port()
        self._names = frozenset(servers)
        self._socket = folder / "haproxy.sock"
        self._file = folder / "haproxy.cfg"
        self._log = folder / "haproxy.log"
        lines = [*backend, *(f"server {name} 127.0.0.1:{port} {how}" for name, (port, how) in servers.items())]
        text = _CONFIGURATION.format(socket=self._socket, port=self.port)
        self._file.write_text(text + "".join(f"    {line}\n" for line in lines), encoding="utf-8")

    def __enter__(self) -> Self:
        path = os.pathsep.join((os.environ["PATH"], "/usr/sbin", "/sbin"))
        program = shutil.which("haproxy", path=path)
        assert program is not None, "HAProxy is not installed; make test installs it, or: apt-get install haproxy"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [program, "-W", "-f", str(self._file)], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        eventually(self._listens, what="HAProxy to listen")
        return self

    def _listens(self) -> bool:
        assert self._process.poll() is None, self._log.read_text()
        try:
            return bool(self.servers())
        except OSError:
            return False

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)  # to the master, which ends its workers at once
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def servers(self) -> Mapping[str, Mapping[str, str]]:
        """The counters of each, by HAProxy's names."""
        head, *rows = (line.split(",") for line in self._ask("show stat").splitlines() if line)
        head[0] = head[0].removeprefix("# ")
        found = [dict(zip(head, row, strict=False)) for row in rows]
        return {one["svname"]: one for one in found if one["svname"] in self._names}

    def up(self) -> set[str]:
        """Names of those that get connections."""
        return {name for name, one in self.servers().items() if one["status"].startswith("UP")}

    def wait_until_up(self, *names: str, seconds: float = 60) -> None:
        """Until all of these get connections."""
        eventually(lambda: {*names} <= self.up(), seconds=seconds, what=f"HAProxy to find {names} ready", pause=0.05)

    def reload(self) -> None:
        """A new worker takes over the listening socket; the old one stays with the connections that it has."""
        self._process.send_signal(signal.SIGUSR2)

    def _ask(self, command: str) -> str:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(10)
            asking.connect(str(self._socket))
            asking.sendall(f"{command}\n".encode())
            return b"".join(iter(lambda: asking.recv(65536), b"")).decode()
