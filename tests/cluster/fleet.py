"""Several gateways of one site: each a process with ports of its own, all with the same ledger and folders."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from crash.gateways import ForkServer, Gateway, StartFailedError
from harness.ports import free_port
from harness.site import Site, merged

_STARTS: Final = 20


class Member:
    """One of them; its process may be replaced by another one.

    Attributes:
        name: Also its AE title as a sender, so that a PACS can tell them apart.
        stopped: It is stopped by a signal, and goes on when it gets another one.
    """

    def __init__(
        self, name: str, folder: Path, keys: Mapping[str, Any], server: ForkServer, environment: Mapping[str, str]
    ) -> None:
        folder.mkdir()
        self.name = name
        self.port, self.web = free_port(), free_port()
        own = {
            "dicom": {"scp": {"port": self.port}, "scu": {"ae-title": name}},
            "web": {"enabled": True, "port": self.web},
        }
        self.site = Site(folder, merged(keys, own))
        self._server, self._environment = server, environment
        self._log = folder / "serve.log"
        self._gateway: Gateway | None = None
        self.stopped = False

    @property
    def process(self) -> Gateway:
        """The present one."""
        assert self._gateway is not None, f"{self.name} was never started"
        return self._gateway

    def start(self) -> Gateway:
        """A new process, which listens on return; again if it gives up for a reason that may be gone."""
        for _ in range(_STARTS):
            self._gateway = Gateway(self._server, self.site.path, self._log, self._environment)
            try:
                self._gateway.wait_until_listening()
            except StartFailedError as error:
                if error.status not in _TEMPORARY:
                    raise
                time.sleep(0.2)
                continue
            return self._gateway
        raise AssertionError(f"{self.name} does not start: {self.process.log()[-3000:]}")

    def is_over(self) -> bool:
        """Its process has ended."""
        return self._gateway is None or self._gateway.ended()

    def kill(self) -> None:
        """As the out-of-memory killer would."""
        self.process.kill()
        self.stopped = False

    def stop(self) -> None:
        """As a service manager would, and it has to end well."""
        status = self.process.stop()
        assert status == 0, f"{self.name} ended with status {status}: {self.process.log()[-3000:]}"

    @contextmanager
    def still(self) -> Iterator[None]:
        """It is not run for the length of the block, and knows nothing of that."""
        self.process.send(signal.SIGSTOP)
        self.stopped = True
        try:
            yield
        finally:
            self.process.send(signal.SIGCONT)
            self.stopped = False

    def revive(self) -> bool:
        """If it ended by itself, start it again as a service manager does; whether that was so."""
        if not self.is_over():
            return False
        self.process.reap()
        self.start()
        return True

    def log(self) -> str:
        """All that its processes have logged."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""


#: Exit statuses after which a service manager starts a gateway again: see docs/operations.md.
_TEMPORARY: Final = frozenset({3})


def make(
    folder: Path, number: int, keys: Mapping[str, Any], server: ForkServer, environment: Mapping[str, str]
) -> Sequence[Member]:
    """So many members in folders of their own, none started."""
    names = [f"GATEWAY-{place}" for place in range(1, number + 1)]
    return [Member(name, folder / name.lower(), keys, server, environment) for name in names]
