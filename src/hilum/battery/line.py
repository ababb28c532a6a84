"""One TCP connection to the peer: everything that is read has an end."""

from __future__ import annotations

import contextlib
import itertools
import socket
import struct
import time
from collections.abc import Iterator
from typing import Final, Self

from hilum.battery.command import Message
from hilum.battery.octets import ABORT, COMMAND, DATA, LAST, RELEASE, RELEASED, RQ, Heard, Nothing, Pdu
from hilum.battery.verdict import MalformedError

#: No PDU that answers anything here is longer.
_LONGEST: Final = 1 << 20
#: Seconds between two knocks at a connection that should be gone.
_KNOCK: Final = 0.1


class Line:
    """A connected socket, owned from now on; closed at the end of its block.

    Args:
        patience: Seconds to wait for an answer.
    """

    def __init__(self, sock: socket.socket, patience: float) -> None:
        self._socket = sock
        self._patience = patience
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it, as a program that ends does."""
        self._socket.close()

    def part(self, calm: float) -> None:
        """Ask for the release of whatever association is left: a peer need not take the end for an accident."""
        if self._socket.fileno() >= 0 and self.send(RELEASE):
            self.hear(calm)

    def reset(self) -> None:
        """Close it so that the peer gets a RST."""
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def send(self, *data: bytes) -> bool:
        """Send it; whether it went. What the peer has against it is heard afterwards."""
        self._socket.settimeout(self._patience)
        try:
            self._socket.sendall(b"".join(data))
        except OSError:
            return False
        return True

    def hear(self, patience: float | None = None) -> Heard:
        """The next PDU, or how there is none; a PDU of unknown type is not read any further."""
        until = time.monotonic() + (self._patience if patience is None else patience)
        header = self._read(6, until)
        if len(header) < 6:
            return self._nothing(header)
        kind, length = struct.unpack(">BxI", header)
        if not RQ <= kind <= ABORT or length > _LONGEST:
            return Pdu(header)
        body = self._read(length, until)
        return Pdu(header + body) if len(body) == length else self._nothing(header)

    def _nothing(self, begun: bytes) -> Nothing:
        return Nothing.HALF if begun and self._ended is Nothing.SILENT else self._ended

    def _read(self, count: int, until: float) -> bytes:
        """So many bytes, or fewer; ``_ended`` then tells why."""
        data = b""
        self._ended = Nothing.SILENT
        while len(data) < count:
            self._socket.settimeout(max(0.001, until - time.monotonic()))
            try:
                more = self._socket.recv(min(count - len(data), 65536))
            except TimeoutError:
                break
            except OSError:
                self._ended = Nothing.RST
                break
            if not more:
                self._ended = Nothing.FIN
                break
            data += more
        return data

    def answer(self, patience: float | None = None) -> Message | Heard:
        """The next command set, whatever its fragments, or what came instead.

        Raises:
            MalformedError: It cannot be read.
        """
        content, controls, pdus = b"", [], []
        while True:
            heard = self.hear(patience)
            if not isinstance(heard, Pdu) or heard.kind != DATA:
                return heard
            pdus.append(heard)
            for context, control, fragment in heard.pdvs():
                if not control & COMMAND:
                    raise MalformedError("a data set that nobody asked for")
                content += fragment
                controls.append(control)
                if control & LAST:
                    return Message.read(context, content, tuple(controls), tuple(pdus))

    def end(self, seconds: float, *, drip: bytes = b"") -> Heard:
        """What ends the connection within so many seconds: a PDU, FIN or RST; or that nothing does.

        Args:
            drip: Is sent meanwhile, byte by byte, about eight times in all.
        """
        until = time.monotonic() + seconds
        drops: Iterator[bytes] = iter([drip[at : at + 1] for at in range(len(drip))])
        while (left := until - time.monotonic()) > 0:
            heard = self.hear(min(left, seconds / 8) if drip else left)
            if heard is not Nothing.SILENT:
                return heard
            self.send(next(drops, b""))
        return Nothing.SILENT

    def gone(self, seconds: float) -> bool:
        """Whether the peer lets go of the connection altogether within so many seconds, although we do not close.

        A half that the peer has closed does not count: it still keeps a socket. So it is sent A-RELEASE-RPs, which
        Sta13 ignores, until the network says that nobody is there.
        """
        until = time.monotonic() + seconds
        for _ in itertools.takewhile(lambda _: time.monotonic() < until, itertools.count()):
            if not self.send(RELEASED) or self.hear(_KNOCK) is Nothing.RST:
                return True
            # After a FIN hearing returns at once.
            time.sleep(_KNOCK)
        return False
