"""A gateway in a process of its own, for tests that kill it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence

from harness.site import Site
from harness.waiting import eventually


class GatewayProcess:
    """``hilum serve`` on a site's folder; its log is ``serve.log`` there.

    Args:
        under: The beginning of another command that runs the gateway as its child.
    """

    def __init__(self, site: Site, *, under: Sequence[str] = ()) -> None:
        self.site = site
        self.port = 0
        self._under = under

    def __enter__(self) -> GatewayProcess:
        self.log = self.site.folder / "serve.log"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HILUM")}
        with self.log.open("ab") as log:
            start = log.tell()
            self.process = subprocess.Popen(
                [*self._under, sys.executable, "-m", "hilum", "serve", "--config", str(self.site.path)],
                stdout=log,
                stderr=log,
                env=environment | {"HILUM_LOG": "json"},
            )

        def started() -> int:
            assert self.process.poll() is None, self.log.read_text()
            for line in self.log.read_bytes()[start:].decode().splitlines():
                if line.startswith("{") and (event := json.loads(line))["event"] == "gateway.started":
                    return int(event["port"])
            return 0

        self.port = eventually(started, what="hilum serve to listen")
        return self

    def kill(self) -> None:
        """As the out-of-memory killer would."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """As systemd would; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)

    def __exit__(self, *_: object) -> None:
        self.stop()
