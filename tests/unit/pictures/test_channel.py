from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hilum.pictures import channel


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def test_head_body_and_files_come_through(ends: tuple[socket.socket, socket.socket], tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    descriptor = os.open(path, os.O_RDONLY)
    body = os.urandom(1 << 20)
    sender = threading.Thread(
        target=channel.send, args=(ends[0], {"do": "it"}), kwargs={"body": body, "files": [descriptor]}
    )
    sender.start()
    got = channel.receive(ends[1])
    sender.join()
    os.close(descriptor)
    assert (got.head, got.body) == ({"do": "it"}, body)
    (theirs,) = got.files
    assert os.read(theirs, 100) == b"content"
    os.close(theirs)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\0\0",
        struct.pack(">II", 4, 0) + b"nul",
        struct.pack(">II", 4, 0) + b"null",
        struct.pack(">II", 2, 0) + b"[]",
        struct.pack(">II", 9, 0) + b"\xff" * 9,
        struct.pack(">II", 0xFFFFFFFF, 0),
        struct.pack(">II", 2, channel.MAX_BODY + 1) + b"{}",
        struct.pack(">II", 2, 10) + b"{}short",
        struct.pack(">II", 60000, 0) + b"[" * 60000,
    ],
)
def test_what_makes_no_sense_is_an_error(ends: tuple[socket.socket, socket.socket], said: bytes) -> None:
    ends[0].sendall(said)
    ends[0].close()
    with pytest.raises(channel.BrokenError):
        channel.receive(ends[1])


def test_files_of_a_message_that_makes_no_sense_are_closed(
    ends: tuple[socket.socket, socket.socket], tmp_path: Path
) -> None:
    read, write = os.pipe()
    socket.send_fds(ends[0], [struct.pack(">II", 2, 0) + b"[]"], [write])
    os.close(write)
    with pytest.raises(channel.BrokenError):
        channel.receive(ends[1])
    assert os.read(read, 1) == b""  # nobody can write to it any more
    os.close(read)


def test_waiting_can_be_ended(ends: tuple[socket.socket, socket.socket]) -> None:
    ends[1].settimeout(0.01)
    looks = []

    def wait() -> None:
        looks.append(1)
        if len(looks) == 3:
            raise InterruptedError("enough")

    with pytest.raises(channel.BrokenError):
        channel.receive(ends[1], wait)
    assert len(looks) == 3
