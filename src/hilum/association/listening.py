"""The listening socket: how it is made, and how it closes without a loss."""

from __future__ import annotations

import ctypes
import errno
import select
import socket
import struct
import sys
import time
from collections.abc import Callable
from typing import Final

from hilum.errors import PermanentError, TemporaryError

#: Connections that the kernel completes while the listener thread is busy.
_BACKLOG: Final = 512
#: How long a handshake that the kernel has begun may take to end: far longer than the way to a device and back.
_HANDSHAKE_SECONDS: Final = 0.1

# Linux's; elsewhere the last connections may be reset.
_ATTACH_FILTER: Final[int | None] = 26 if sys.platform == "linux" else None
#: Four fields of each instruction: code, jump if true, jump if false, value.
_INSTRUCTION: Final = struct.Struct("HBBI")
#: Drops a segment that asks for a connection (SYN without ACK), takes any other.
_NO_NEW_ONES: Final = b"".join(
    _INSTRUCTION.pack(*instruction)
    for instruction in (
        (0x30, 0, 0, 13),  # the flags of the TCP header
        (0x54, 0, 0, 0x12),  # of them SYN and ACK
        (0x15, 0, 1, 0x02),
        (0x06, 0, 0, 0),
        (0x06, 0, 0, 0xFFFFFFFF),
    )
)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket, of both families if the address is ``::``.

    Raises:
        TemporaryError: The address is in use or not there (yet).
        PermanentError: The address cannot be bound: not allowed, or no address.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise PermanentError(
            f"cannot listen on {host!r}: {error.strerror}; set dicom.scp.host to an address of this host"
        ) from error
    family, _, _, _, address = found[0]
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise PermanentError(f"cannot listen on {host!r}: {error.strerror}") from error
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if host == "::" else 1)
        sock.bind(address)
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        raise _bind_error(host, port, error) from error
    return sock


def close(listener: socket.socket, accept_one: Callable[[], bool]) -> None:
    """Close it when everybody who was let in has been taken.

    The kernel answers who connects before the program hears of it, and resets who was not taken when the socket
    closes. A load balancer has by then begun to pass on what a sender says and cannot choose another gateway. So no new
    ones are let in first: they are told nothing, ask again a second later, and are refused, which a balancer takes
    elsewhere.

    Args:
        accept_one: Takes a connection that waits; ``False``: none does.
    """
    if not _let_nobody_in(listener):
        while accept_one():
            pass
        listener.close()
        return
    until = time.monotonic() + _HANDSHAKE_SECONDS
    while accept_one() or time.monotonic() < until:
        _wait_readable(listener, until - time.monotonic())
    listener.close()


def _wait_readable(listener: socket.socket, seconds: float) -> None:
    if seconds > 0:
        ready = select.poll()
        ready.register(listener, select.POLLIN)
        ready.poll(seconds * 1000)


def _let_nobody_in(listener: socket.socket) -> bool:
    """Whether the kernel drops from now on what would begin a connection."""
    if _ATTACH_FILTER is None:
        return False
    program = ctypes.create_string_buffer(_NO_NEW_ONES, len(_NO_NEW_ONES))
    count = len(_NO_NEW_ONES) // _INSTRUCTION.size
    try:
        listener.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, struct.pack("HP", count, ctypes.addressof(program)))
    except OSError:
        return False  # not allowed here
    return True


def _bind_error(host: str, port: int, error: OSError) -> TemporaryError | PermanentError:
    where = f"cannot listen on {host} port {port}: {error.strerror}"
    match error.errno:
        case errno.EADDRINUSE:
            return TemporaryError(f"{where}; stop the other program that uses it, or set another dicom.scp.port")
        case errno.EADDRNOTAVAIL:
            return TemporaryError(f"{where}; this host has no such address now, see dicom.scp.host")
        case errno.EACCES:
            return PermanentError(
                f"{where}; ports below 1024 need the capability CAP_NET_BIND_SERVICE; or set another dicom.scp.port"
            )
        case _:
            return PermanentError(where)
