"""Peers that say exactly what a test tells them to, byte by byte, and know nothing of the code under test."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Sequence
from typing import Self

VERIFICATION = "1.2.840.10008.1.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
JPEG = "1.2.840.10008.1.2.4.50"

RQ, AC, RJ, DATA, RELEASE_RQ, RELEASE_RP, ABORT = range(1, 8)
COMMAND, LAST = 1, 2

Context = tuple[int, str, Sequence[str]]
ECHO_CONTEXT: Context = (1, VERIFICATION, [IMPLICIT])
CT_CONTEXT: Context = (3, CT, [EXPLICIT])
MR_CONTEXT: Context = (5, MR, [EXPLICIT])


def pdu(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxI", kind, len(body)) + body


def item(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(body)) + body


def _associate(kind: int, called: str, calling: str, items: bytes, max_length: int) -> bytes:
    user = item(0x51, struct.pack(">I", max_length)) + item(0x52, b"1.2.3") + item(0x55, b"RAW")
    head = struct.pack(">Hxx", 1) + called.encode().ljust(16) + calling.encode().ljust(16) + bytes(32)
    return pdu(kind, head + item(0x10, b"1.2.840.10008.3.1.1.1") + items + item(0x50, user))


def associate_rq(*contexts: Context, called: str = "HILUM", calling: str = "SCANNER", max_length: int = 16384) -> bytes:
    items = b"".join(
        item(
            0x20,
            bytes((id_, 0, 0, 0))
            + item(0x30, abstract.encode())
            + b"".join(item(0x40, syntax.encode()) for syntax in syntaxes),
        )
        for id_, abstract, syntaxes in contexts or (ECHO_CONTEXT, CT_CONTEXT, MR_CONTEXT)
    )
    return _associate(RQ, called, calling, items, max_length)


def associate_ac(*contexts: tuple[int, int, str], max_length: int = 16384) -> bytes:
    """Contexts as (id, result, transfer syntax)."""
    items = b"".join(
        item(0x21, bytes((id_, 0, result, 0)) + item(0x40, syntax.encode())) for id_, result, syntax in contexts
    )
    return _associate(AC, "PACS", "HILUM", items, max_length)


def pdv(context_id: int, control: int, fragment: bytes) -> bytes:
    return struct.pack(">IBB", len(fragment) + 2, context_id, control) + fragment


def p_data(context_id: int, control: int, fragment: bytes) -> bytes:
    return pdu(DATA, pdv(context_id, control, fragment))


def command_set(**elements: int | str) -> bytes:
    """Elements as ``x0100=1``; numbers become US, text a padded UID."""
    body = b""
    for name, value in sorted(elements.items()):
        data = struct.pack("<H", value) if isinstance(value, int) else value.encode() + b"\0" * (len(value) % 2)
        body += struct.pack("<HHI", 0, int(name[1:], 16), len(data)) + data
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


def echo_rq(message_id: int = 1, context_id: int = 1) -> bytes:
    fields = command_set(x0002=VERIFICATION, x0100=0x30, x0110=message_id, x0800=0x0101)
    return p_data(context_id, COMMAND | LAST, fields)


def store_rq(
    uid: str = "1.2.3", *, message_id: int = 1, sop_class: str = CT, context_id: int = 3, data_type: int = 0
) -> bytes:
    fields = command_set(x0002=sop_class, x0100=0x01, x0110=message_id, x0700=0, x0800=data_type, x1000=uid)
    return p_data(context_id, COMMAND | LAST, fields)


def response(field: int, message_id: int, status: int, *, context_id: int = 1, data_type: int = 0x0101) -> bytes:
    fields = command_set(x0100=field, x0120=message_id, x0800=data_type, x0900=status)
    return p_data(context_id, COMMAND | LAST, fields)


def data_set(content: bytes, *, context_id: int = 3, fragment: int = 4096) -> bytes:
    """The PDUs of a whole data set."""
    starts = range(0, max(1, len(content)), fragment)
    return b"".join(
        p_data(context_id, LAST if start == starts[-1] else 0, content[start : start + fragment]) for start in starts
    )


RELEASE = pdu(RELEASE_RQ, bytes(4))
RELEASED = pdu(RELEASE_RP, bytes(4))
USER_ABORT = pdu(ABORT, bytes(4))


def elements(command: bytes) -> dict[int, bytes]:
    """Values of a command set by element number."""
    found = {}
    while command:
        _, number, length = struct.unpack_from("<HHI", command)
        found[number] = command[8 : 8 + length]
        command = command[8 + length :]
    return found


def number(value: bytes) -> int:
    unpacked: int = struct.unpack("<H", value)[0]
    return unpacked


def context_results(associate_ac_body: bytes) -> dict[int, tuple[int, str]]:
    """Result and transfer syntax of each presentation context of an A-ASSOCIATE-AC, by its id.

    The transfer syntax means nothing unless the result is 0.
    """
    found = {}
    items = associate_ac_body[68:]
    while items:
        kind, length = struct.unpack_from(">BxH", items)
        if kind == 0x21:
            found[items[4]] = (items[6], items[12 : 4 + length].decode())
        items = items[4 + length :]
    return found


class RawPeer:
    """A connected socket; every read has an end."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        sock.settimeout(10)

    @classmethod
    def connect(cls, port: int, *, host: str = "127.0.0.1", source: str | None = None, window: int = 0) -> Self:
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        try:
            if window:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
            if source:
                sock.bind((source, 0))
            sock.settimeout(10)
            sock.connect((host, port))
        except OSError:
            sock.close()
            raise
        return cls(sock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *data: bytes) -> None:
        self.socket.sendall(b"".join(data))

    def flood(self, data: bytes) -> None:
        """Send it again and again; raises when the other side takes no more or has closed."""
        while True:
            self.send(data)

    def read(self, count: int) -> bytes:
        """Exactly so many bytes, or fewer if the other side closes."""
        data = b""
        while len(data) < count and (more := self.socket.recv(count - len(data))):
            data += more
        return data

    def pdu(self) -> tuple[int, bytes]:
        """The next PDU's type and body; type 0 when the other side has closed."""
        header = self.read(6)
        if not header:
            return 0, b""
        kind, length = struct.unpack(">BxI", header)
        return kind, self.read(length)

    def command(self) -> dict[int, bytes]:
        """The next message, which must be one command set in one PDV."""
        kind, body = self.pdu()
        assert kind == DATA, f"PDU of type {kind}: {body.hex()}"
        length, _, control = struct.unpack_from(">IBB", body)
        assert control == COMMAND | LAST
        assert length == len(body) - 4
        return elements(body[6:])

    def status(self) -> int:
        return number(self.command()[0x0900])

    def associate(self, *contexts: Context, **how: str | int) -> bytes:
        """Open an association; returns the body of the A-ASSOCIATE-AC."""
        self.send(associate_rq(*contexts, **how))  # type: ignore[arg-type]
        kind, body = self.pdu()
        assert kind == AC, f"PDU of type {kind}: {body.hex()}"
        return body

    def rejected(self, *contexts: Context, **how: str | int) -> tuple[int, int, int]:
        """Ask for an association in vain; result, source and reason of the A-ASSOCIATE-RJ."""
        self.send(associate_rq(*contexts, **how))  # type: ignore[arg-type]
        kind, body = self.pdu()
        assert kind == RJ, f"PDU of type {kind}: {body.hex()}"
        return body[1], body[2], body[3]

    def reset(self) -> None:
        """Close so that the other side gets a RST instead of a FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def release(self) -> None:
        self.send(RELEASE)
        assert self.pdu() == (RELEASE_RP, bytes(4))

    def silent(self) -> bool:
        """Whether nothing has come that was not read."""
        self.socket.setblocking(False)
        try:
            self.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        finally:
            self.socket.settimeout(10)
        return False


class ScriptedPeer:
    """Listens, and does with each connection what its script says, one after the other; then closes it."""

    def __init__(self, *scripts: Callable[[RawPeer], None]) -> None:
        self._scripts = scripts
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(10)
        self.port: int = self._listener.getsockname()[1]
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            for script in self._scripts:
                sock, _ = self._listener.accept()
                with RawPeer(sock) as peer:
                    script(peer)
        except BaseException as error:  # noqa: BLE001 - shown by the test that owns the script
            self.failure = error

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._thread.join(30)
        self._listener.close()
        assert not self._thread.is_alive(), "the script still waits"
        if self.failure is not None and kind is None:
            raise self.failure
