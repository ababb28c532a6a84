"""A real HAProxy on loopback."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from harness.ports import free_port
from harness.waiting import eventually

_CONFIG = """\
global
    log stdout format raw local0
    stats socket {folder}/stats.sock mode 600
defaults
    mode tcp
    log global
    option redispatch
    retries 5
    timeout connect 5s
    timeout client 1m
    timeout server 1m
listen dicom
    bind 127.0.0.1:{port}
    balance roundrobin
{servers}
"""


class HAProxy:
    """Passes connections to ``port`` on to the servers; ended by its process id.

    Args:
        servers: For each its port and the options of its line, such as ``send-proxy-v2 check``.
    """

    def __init__(self, folder: Path, *servers: tuple[int, str]) -> None:
        self.port = free_port()
        self._folder = folder
        self._config = folder / "haproxy.cfg"
        lines = [
            f"    server gateway{index} 127.0.0.1:{port} {options}" for index, (port, options) in enumerate(servers)
        ]
        self._config.write_text(
            _CONFIG.format(folder=folder, port=self.port, servers="\n".join(lines)), encoding="utf-8"
        )

    def __enter__(self) -> HAProxy:
        program = shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
        assert program, "HAProxy is not installed; make test installs it, or: apt-get install haproxy"
        self.log = self._folder / "haproxy.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([program, "-db", "-f", str(self._config)], stdout=log, stderr=log)

        def listens() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0

        eventually(listens, what="HAProxy to listen")
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(timeout=20)

    def servers(self) -> Sequence[dict[str, str]]:
        """The counters of each server, by HAProxy's names."""
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(10)
            control.connect(str(self._folder / "stats.sock"))
            control.sendall(b"show stat\n")
            text = b"".join(iter(lambda: control.recv(65536), b"")).decode()
        head, *rows = (line.rstrip(",").split(",") for line in text.splitlines() if line)
        head[0] = head[0].removeprefix("# ")
        found = [dict(zip(head, row, strict=False)) for row in rows]
        return [one for one in found if one["svname"].startswith("gateway")]
