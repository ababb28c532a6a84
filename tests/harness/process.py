"""A gateway in a process of its own, for tests that kill it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from harness.site import Site
from harness.waiting import eventually


class GatewayProcess:
    """``hilum serve`` on a site's folder; its log is ``serve.log`` there.

    Args:
        under: The beginning of another command that runs the gateway as its child.
        environment: What its environment has beside that of the test.

    Attributes:
        started: What the log says of its start.
    """

    def __init__(self, site: Site, *, under: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> None:
        self.site = site
        self.started: Mapping[str, Any] = {}
        self._environment = environment or {}
        self.port = 0
        self._under = under

    def __enter__(self) -> GatewayProcess:
        self.log = self.site.folder / "serve.log"
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("HILUM", "NOTIFY_", "WATCHDOG_"))
        }
        with self.log.open("ab") as log:
            start = log.tell()
            self.process = subprocess.Popen(
                [*self._under, sys.executable, "-m", "hilum", "serve", "--config", str(self.site.path)],
                stdout=log,
                stderr=log,
                env=environment | {"HILUM_LOG": "json"} | self._environment,
            )

        def started() -> Mapping[str, Any]:
            assert self.process.poll() is None, self.log.read_text()
            for line in self.log.read_bytes()[start:].decode().splitlines():
                if line.startswith("{") and (event := json.loads(line))["event"] == "gateway.started":
                    return dict(event)
            return {}

        self.started = eventually(started, seconds=60, what="hilum serve to listen")
        self.port = int(self.started["port"])
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
