"""Messages between the gateway and a decoding process: a JSON head, a body of bytes, descriptors of files.

One at a time: the gateway asks, the decoder answers. On the socket: two big-endian 32-bit lengths, head, body; the
descriptors come with the first byte.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

#: Of files with one message; the kernel takes 253.
MAX_FILES: Final = 64
_MAX_HEAD: Final = 64 * 1024
#: Of a body, bytes: above any PNG of ``MAX_SIZE`` squared, and any description of ``MAX_FILES`` instances.
MAX_BODY: Final = 64 * 1024 * 1024
_LENGTHS: Final = struct.Struct(">II")
_READ_BYTES: Final = 256 * 1024


class BrokenError(Exception):
    """The other side is gone, or said what no side says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What was received. Whoever received it closes the files."""

    head: dict[str, Any]
    body: bytes = b""
    files: tuple[int, ...] = ()


def send(sock: socket.socket, head: dict[str, Any], *, body: bytes = b"", files: Sequence[int] = ()) -> None:
    """Send a message; the files stay open here.

    Raises:
        BrokenError: Nobody listens.
        TimeoutError: Nobody listens for as long as the socket waits.
    """
    text = json.dumps(head).encode()
    data = _LENGTHS.pack(len(text), len(body)) + text
    try:
        sent = socket.send_fds(sock, [data], list(files))
        sock.sendall(data[sent:])
        sock.sendall(body)
    except TimeoutError:
        raise
    except OSError as error:
        raise BrokenError(str(error)) from error


def receive(sock: socket.socket, wait: Callable[[], None] | None = None) -> Message:
    """The next message.

    Args:
        wait: Called whenever the socket's timeout passes without a byte; what it raises ends the waiting.

    Raises:
        BrokenError: The other side is gone or makes no sense.
    """
    files: list[int] = []
    try:
        head_length, body_length = _lengths(_read(sock, _LENGTHS.size, wait, files))
        head = _head(_read(sock, head_length, wait, None))
        return Message(head=head, body=bytes(_read(sock, body_length, wait, None)), files=tuple(files))
    except BaseException as error:
        for descriptor in files:
            os.close(descriptor)
        if isinstance(error, OSError | ValueError | RecursionError):
            raise BrokenError(str(error)) from error
        raise


def _lengths(data: bytearray) -> tuple[int, int]:
    head, body = _LENGTHS.unpack(data)
    if head > _MAX_HEAD or body > MAX_BODY:
        raise BrokenError(f"a message of {head} + {body} bytes")
    return head, body


def _head(data: bytearray) -> dict[str, Any]:
    head = json.loads(data)
    if not isinstance(head, dict):
        raise BrokenError("a head that is no mapping")
    return head


def _read(sock: socket.socket, count: int, wait: Callable[[], None] | None, files: list[int] | None) -> bytearray:
    """Exactly so many bytes; descriptors that come with them are added to ``files``, if they may come."""
    data = bytearray()
    while len(data) < count:
        wanted = min(count - len(data), _READ_BYTES)
        try:
            if files is None:
                part = sock.recv(wanted)
            else:
                part, came, _, _ = socket.recv_fds(sock, wanted, MAX_FILES)
                files += came
        except TimeoutError:
            if wait is None:
                raise
            wait()
            continue
        if not part:
            raise BrokenError("the other side is gone")
        data += part
    return data
