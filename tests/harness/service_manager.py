"""What systemd is to a service: a datagram socket that hears how it is."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence


class ServiceManager:
    """Listens from entry to exit.

    Args:
        address: A path, or an abstract name that begins with ``@``.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._heard: list[str] = []
        self._changed = threading.Condition()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> ServiceManager:
        self._socket.bind("\0" + self.address[1:] if self.address.startswith("@") else self.address)
        self._thread.start()
        return self

    def _run(self) -> None:
        while data := self._socket.recv(65536):
            with self._changed:
                self._heard += data.decode().splitlines()
                self._changed.notify_all()

    def __exit__(self, *_: object) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self._socket.getsockname())
        self._thread.join(10)
        self._socket.close()

    @property
    def heard(self) -> Sequence[str]:
        """Each assignment, in the order they came."""
        with self._changed:
            return list(self._heard)

    def wait(self, beginning: str, count: int = 1, *, seconds: float = 30) -> str:
        """The last of so many assignments that begin like this."""

        def found() -> list[str]:
            return [one for one in self._heard if one.startswith(beginning)]

        with self._changed:
            assert self._changed.wait_for(lambda: len(found()) >= count, seconds), (beginning, self._heard)
            return found()[count - 1]
