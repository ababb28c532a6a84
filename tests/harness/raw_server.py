"""A server of raw bytes on the loopback, for peers that answer in no good order."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


@contextmanager
def raw_server(talk: Callable[[socket.socket, threading.Event], None]) -> Iterator[int]:
    """Listens, takes one connection and does with it what ``talk`` does; its port."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer, suppress(OSError):  # the client broke off
                talk(peer, over)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # nobody may have come
            thread.join()


def drip(peer: socket.socket, over: threading.Event) -> None:
    """Sends a header that never ends, byte by byte: no time-out of a socket ends that."""
    peer.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    while not over.wait(0.02):
        peer.sendall(b"x")
