"""The physical limit: the same bytes over loopback into the same files by a plain socket loop.

Runs as a program of its own, with the standard library alone, as ``limit.py receive PORT FOLDER SYNC`` and
``limit.py send PORT FOLDER``. A file travels as its length (8 bytes) and its bytes; a length of 2**64 - 1 ends the
connection, and one byte answers it. Nothing is parsed, and no file is answered by itself.

SYNC says when what was written is put on disk: ``none`` never, ``end`` before the one answer (as with durability
"association"), ``each`` file and its entry in the folder before the next is read (as with durability "instance").
``drop`` writes nothing at all: the limit of a sender.
"""

from __future__ import annotations

import os
import socket
import sys

BUFFER = 1 << 20
END = (1 << 64) - 1


def receive(port: int, folder: str, sync: str) -> None:
    """Serve until killed, each connection in a process of its own."""
    listener = socket.create_server(("127.0.0.1", port), backlog=64)
    number = 0
    while True:
        connection, _ = listener.accept()
        number += 1
        if os.fork() == 0:
            listener.close()
            _take(connection, folder, number, sync)
            os._exit(0)
        connection.close()
        while True:  # those that have ended
            try:
                if os.waitpid(-1, os.WNOHANG)[0] == 0:
                    break
            except ChildProcessError:
                break


def _take(connection: socket.socket, folder: str, connection_number: int, sync: str) -> None:
    buffer = memoryview(bytearray(BUFFER))
    parent = os.open(folder, os.O_RDONLY)
    written: list[int] = []
    number = 0
    while True:
        head = connection.recv(8, socket.MSG_WAITALL)
        if len(head) < 8:
            return
        length = int.from_bytes(head, "big")
        if length == END:
            break
        number += 1
        path = f"{folder}/{connection_number}-{number}.dcm"
        target = -1 if sync == "drop" else os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        while length:
            count = connection.recv_into(buffer, min(length, BUFFER))
            if not count:
                return
            length -= count
            if target >= 0:
                os.write(target, buffer[:count])
        if sync == "each":
            os.fdatasync(target)
            os.fsync(parent)
        if sync == "end":
            written.append(target)
        elif target >= 0:
            os.close(target)
    for target in written:
        os.fdatasync(target)
    if sync == "end":
        os.fsync(parent)
    connection.sendall(b"k")


def send(port: int, folder: str) -> None:
    """Send every file of a folder and wait for the answer."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for name in sorted(os.listdir(folder)):  # noqa: PTH208  pathlib takes longer to import than all of this
            source = os.open(f"{folder}/{name}", os.O_RDONLY)
            length = os.fstat(source).st_size
            connection.send(length.to_bytes(8, "big"), socket.MSG_MORE)
            sent = 0
            while sent < length:
                sent += os.sendfile(connection.fileno(), source, sent, length - sent)
            os.close(source)
        connection.sendall(END.to_bytes(8, "big"))
        if connection.recv(1) != b"k":
            sys.exit("the receiver gave up")


if __name__ == "__main__":
    if sys.argv[1] == "receive":
        receive(int(sys.argv[2]), sys.argv[3], sys.argv[4])
    else:
        send(int(sys.argv[2]), sys.argv[3])
