"""A destination that does to every association what it is told to, until it is mended."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from harness.raw_peer import (
    DATA,
    EXPLICIT,
    LAST,
    RELEASE_RQ,
    RELEASED,
    RQ,
    RawPeer,
    associate_ac,
    elements,
    number,
    response,
)

Behaviour = Callable[[RawPeer], None]
C_STORE_RSP = 0x8001
ACCEPTED = associate_ac((1, 0, EXPLICIT))


class HostilePacs:
    """Listens on a free port of the loopback; each connection has a thread of its own.

    Attributes:
        behaviour: What happens to the next connections; it ends by returning, or with the connection.
        connections: How many there were.
        digests: SHA-256 of every data set that it took as an honest archive.
    """

    title = "PACS"

    def __init__(self) -> None:
        self.behaviour: Behaviour = self.archive
        self.connections = 0
        self.digests: list[str] = []
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> HostilePacs:
        self._listener.settimeout(0.1)
        self._main = threading.Thread(target=self._listen)
        self._main.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._main.join()
        self._listener.close()
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive(), "a connection did not end"

    @property
    def destination(self) -> dict[str, object]:
        """Its entry in ``dicom.scu.destinations``."""
        return {"name": self.title, "host-ip": "127.0.0.1", "port": self.port, "ae-title": self.title}

    def _listen(self) -> None:
        while not self._over.is_set():
            with suppress(TimeoutError):
                sock, _ = self._listener.accept()
                self.connections += 1
                thread = threading.Thread(target=self._serve, args=(sock, self.behaviour))
                self._threads.append(thread)
                thread.start()

    @staticmethod
    def _serve(sock: socket.socket, behaviour: Behaviour) -> None:
        with RawPeer(sock) as peer, suppress(OSError):
            behaviour(peer)

    def archive(self, peer: RawPeer) -> None:
        """Take everything, as a good PACS does."""
        if peer.pdu()[0] != RQ:
            return
        peer.send(ACCEPTED)
        while True:
            kind, body = peer.pdu()
            if kind == RELEASE_RQ:
                peer.send(RELEASED)
            if kind != DATA:
                return
            command = elements(body[6:])
            self.digests.append(hashlib.sha256(take_data_set(peer)).hexdigest())
            peer.send(response(C_STORE_RSP, number(command[0x0110]), 0))


def take_data_set(peer: RawPeer) -> bytes:
    """A data set to its end; each PDU has one PDV."""
    data = b""
    while True:
        kind, body = peer.pdu()
        if kind != DATA:
            raise ConnectionError("no end of the data set")
        data += body[6:]
        if body[5] & LAST:
            return data
