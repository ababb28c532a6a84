"""A peer that keeps every must but one: the gateway behind a proxy that corrupts what passes."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self

from hilum.battery import Shelf
from hilum.battery.stored import File

#: What becomes of one whole PDU; nothing = it is dropped.
Corruption = Callable[[bytes], bytes]


def honest(pdu: bytes) -> bytes:
    return pdu


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """What is wrong with the peer.

    Attributes:
        asked: Corrupts what the peer is sent, PDU by PDU; ``None``: it gets every byte as it comes.
        said: Corrupts what the peer says.
        hangs: Whether its connection stays open when it has closed it.
        deaf: Whether it says nothing to those who come by IPv6.
    """

    asked: Corruption | None = None
    said: Corruption = honest
    hangs: bool = False
    deaf: bool = False


class Proxy:
    """Listens on both families of the loopback and passes everything on to a port, with a flaw."""

    def __init__(self, port: int, flaw: Flaw) -> None:
        self._behind = port
        self._flaw = flaw
        self._listener = socket.socket(socket.AF_INET6)
        self._listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self._listener.bind(("::", 0))
        self._listener.listen(64)
        self.port: int = self._listener.getsockname()[1]
        self._guard = threading.Lock()
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._listen)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def stop(self) -> None:
        """Refuse whoever comes from now on."""
        _end(self._listener)
        self._threads[0].join(10)
        self._listener.close()

    def __exit__(self, *_: object) -> None:
        self.stop()
        with self._guard:
            sockets, threads = self._open, self._threads
        for sock in sockets:
            _end(sock)
        for thread in threads[1:]:
            thread.join(10)
            assert not thread.is_alive(), "a connection did not end"
        for sock in sockets:
            sock.close()

    def _listen(self) -> None:
        while True:
            try:
                front, address = self._listener.accept()
            except OSError:
                return
            back = socket.create_connection(("127.0.0.1", self._behind))
            for sock in (front, back):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            mute = self._flaw.deaf and not address[0].startswith("::ffff:")
            asked = threading.Thread(target=self._ask, args=(front, back))
            said = threading.Thread(target=self._say, args=(front, back, mute))
            with self._guard:
                self._open += [front, back]
                self._threads += [asked, said]
            asked.start()
            said.start()

    def _ask(self, front: socket.socket, back: socket.socket) -> None:
        """From the battery to the peer."""
        asked = self._flaw.asked
        try:
            for piece in _pieces(front) if asked is None else _corrupted(front, asked):
                back.sendall(piece)
        except OSError:
            pass
        # Whoever has closed is gone: the peer must not take a half-closed connection for a patient sender.
        _end(back)

    def _say(self, front: socket.socket, back: socket.socket, mute: bool) -> None:
        """From the peer to the battery."""
        try:
            for pdu in _corrupted(back, self._flaw.said):
                front.sendall(b"" if mute else pdu)
        except OSError:
            pass
        if not self._flaw.hangs:
            _end(front)


def _end(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _pieces(sock: socket.socket) -> Iterable[bytes]:
    while data := sock.recv(65536):
        yield data


def _corrupted(sock: socket.socket, corrupt: Corruption) -> Iterable[bytes]:
    waiting = b""
    for data in _pieces(sock):
        waiting += data
        while len(waiting) >= 6 and len(waiting) >= (size := 6 + struct.unpack(">I", waiting[2:6])[0]):
            yield corrupt(waiting[:size])
            waiting = waiting[size:]
    yield waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoiltShelf(Shelf):
    """Files that are not as the peer has written them."""

    spoil: Corruption = honest

    def holding(self, sop_instance: str) -> list[File]:
        """What is there, spoilt; what becomes empty is not there."""
        spoilt = [File(one.path, self.spoil(one.content)) for one in Shelf.holding(self, sop_instance)]
        return [one for one in spoilt if one.content]
