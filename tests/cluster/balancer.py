"""HAProxy as it stands before several gateways: it asks each whether it is ready, and hands on who is calling."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from harness.ports import free_port
from harness.waiting import eventually

_CONFIGURATION: Final = """\
global
    stats socket {socket} mode 600 level admin expose-fd listeners
    hard-stop-after 60s
defaults
    mode tcp
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
    option httpchk
    http-check send meth GET uri /health/ready ver HTTP/1.1 hdr Host localhost
    default-server check inter 200ms fastinter 100ms downinter 100ms fall 2 rise 1 send-proxy-v2
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A gateway as the balancer knows it.

    Attributes:
        port: Of DICOM.
        web: The port that is asked for ``/health/ready``.
    """

    name: str
    port: int
    web: int


class Balancer:
    """HAProxy in front of servers, on a free port of the loopback, for the length of the block.

    Args:
        folder: It is made; socket, configuration and log go there.
    """

    def __init__(self, folder: Path, servers: Sequence[Server]) -> None:
        folder.mkdir()
        self.port = free_port()
        self._folder = folder
        self._socket = folder / "stats"
        self._servers = servers
        lines = [f"    server {one.name} 127.0.0.1:{one.port} port {one.web}\n" for one in servers]
        self._file = folder / "haproxy.cfg"
        self._file.write_text(_CONFIGURATION.format(socket=self._socket, port=self.port) + "".join(lines))

    def __enter__(self) -> Self:
        path = os.pathsep.join((os.environ["PATH"], "/usr/sbin", "/sbin"))
        program = shutil.which("haproxy", path=path)
        assert program is not None, "haproxy is not there; make prove-cluster installs it"
        self._log = (self._folder / "log").open("ab")
        self._process = subprocess.Popen(
            [program, "-W", "-f", str(self._file)], stdout=self._log, stderr=self._log, stdin=subprocess.DEVNULL
        )
        eventually(self._listens, what="HAProxy to listen")
        return self

    def _listens(self) -> bool:
        assert self._process.poll() is None, (self._folder / "log").read_text()
        with suppress(OSError):
            return bool(self.up() or True)
        return False

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)  # to the master, which ends its workers at once
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def up(self) -> set[str]:
        """Names of servers that get associations."""
        lines = self._ask("show stat").splitlines()
        columns = lines[0].removeprefix("# ").split(",")
        rows = [dict(zip(columns, line.split(","), strict=False)) for line in lines[1:] if line]
        names = {one.name for one in self._servers}
        return {row["svname"] for row in rows if row["svname"] in names and row["status"].startswith("UP")}

    def wait_until_up(self, *names: str, seconds: float = 60) -> None:
        """Until all of these get associations."""
        eventually(lambda: {*names} <= self.up(), seconds=seconds, what=f"HAProxy to find {names} ready", pause=0.05)

    def wait_until_down(self, name: str, *, seconds: float = 60) -> None:
        """Until that one gets none any more."""
        eventually(lambda: name not in self.up(), seconds=seconds, what=f"HAProxy to leave {name} alone", pause=0.05)

    def reload(self) -> None:
        """A new worker takes over the listening socket; the old one stays with the associations that it has."""
        self._process.send_signal(signal.SIGUSR2)

    def _ask(self, command: str) -> str:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(10)
            asking.connect(str(self._socket))
            asking.sendall(f"{command}\n".encode())
            parts = []
            while part := asking.recv(65536):
                parts.append(part)
        return b"".join(parts).decode()
