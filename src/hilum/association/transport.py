"""A connected socket and the wire core's state, driven together by one blocking thread, acceptor's or requestor's.

Every wait has an end. Time that a peer needs is counted, time that we need between two reads is not: a slow disk of
ours never looks like a slow peer.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from hilum.wire import Aborted, Connection, ConnectionLost, WireEvent

#: Enough for an A-ASSOCIATE-RQ of usual size; many strangers may hold one of these each.
SMALL_BUFFER_BYTES: Final = 16 * 1024
#: One read of a fast peer's data; measured: larger ones gain nothing, smaller ones cost calls.
LARGE_BUFFER_BYTES: Final = 1024 * 1024

# TCP_QUICKACK is Linux's; elsewhere delayed acknowledgements cost speed, not correctness.
_QUICKACK: Final[int | None] = getattr(socket, "TCP_QUICKACK", None)
_MORE: Final[int] = getattr(socket, "MSG_MORE", 0)

_TIMEVAL: Final = struct.Struct("ll")
#: The kernel takes none for "no limit".
_LEAST_WAIT: Final = 0.001
#: To wake up so often, in seconds, costs nothing.
_LONG_WAIT: Final = 10.0


class Wait(StrEnum):
    """What a peer can need too long for."""

    NEXT = "next"  # the first byte of a PDU
    PDU = "pdu"  # the rest of it
    WRITE = "write"  # to read what we send


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The peer needed too long.

    Attributes:
        why: For what and how long we waited, as one clause.
    """

    why: str
    wait: Wait = Wait.NEXT


@dataclass(frozen=True, slots=True)
class Interrupted:
    """``Link.interrupt`` was called: this process wants to end the association."""


LinkEvent = WireEvent | TimedOut | Interrupted


class Link:
    """Reads, writes and closes one connection; for one thread, but for ``interrupt`` and ``cut``.

    Attributes:
        waited: Seconds that the last read that brought something had to wait for it.

    Args:
        sock: Connected; the link owns it from now on.
        connection: In the state that fits: a fresh acceptor's, or a requestor's.
        pdu_seconds: The longest that one PDU may take from its first to its last byte.
        write_seconds: The longest that one write may take, so that a peer with a closed window ends.
    """

    def __init__(
        self, sock: socket.socket, connection: Connection, *, pdu_seconds: float, write_seconds: float = 60.0
    ) -> None:
        self._socket = sock
        self._connection = connection
        self._pdu_seconds = pdu_seconds
        self._write_seconds = write_seconds
        self._buffer = memoryview(bytearray(SMALL_BUFFER_BYTES))
        self._pdu_left = pdu_seconds  # seconds of waiting that the PDU being received has left
        self._pdu_seen = -1  # which PDU that is, counted by the connection
        self._guard = threading.Lock()  # between close and interrupt, so that neither touches a reused descriptor
        self._closed = False
        self._interrupted = False
        self._cut = False
        self._writable = True
        self._allowed = 0.0  # seconds that the kernel lets one recv wait
        self.waited = 0.0
        self._acknowledged = True  # what was read last: an answer of ours takes the acknowledgement along
        # Python's own time-outs cost two more system calls for each read and each write.
        sock.settimeout(None)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(write_seconds))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def widen(self) -> None:
        """Use the large buffer from now on: instances are coming."""
        if len(self._buffer) < LARGE_BUFFER_BYTES:
            self._buffer = memoryview(bytearray(LARGE_BUFFER_BYTES))

    def receive(self, patience: float, waiting_for: str) -> list[LinkEvent]:
        """Read once and tell what happened; empty if what came completes nothing yet.

        Views in the events are valid until the next call.

        Args:
            patience: Seconds to wait for the first byte of a PDU. Inside a PDU its own allowance counts instead,
                unless patience is less.
            waiting_for: Completes "nothing came for 5 s while waiting for ..." in ``TimedOut``.
        """
        inside = self._connection.mid_pdu
        seconds = min(self._pdu_left, patience) if inside else patience
        began = time.monotonic()
        try:
            count = self._read(seconds)
            self.waited = waited = time.monotonic() - began
        except TimeoutError:
            if inside and self._pdu_left <= patience:
                return [TimedOut(f"a PDU was not complete after {self._pdu_seconds:g} s", Wait.PDU)]
            return [TimedOut(f"nothing came in time while waiting for {waiting_for}")]
        except OSError:
            # Reset by the peer, unreachable, ...: the connection is gone.
            return self._lost()
        if self._interrupted:
            return [Interrupted()]
        if count == 0:
            return self._lost()
        events = self._connection.receive(self._buffer[:count])
        if self._connection.mid_pdu:
            if inside and self._connection.pdus_received == self._pdu_seen:
                self._pdu_left -= waited
            else:
                self._pdu_left = self._pdu_seconds
                self._pdu_seen = self._connection.pdus_received
        return [*events]

    def peek(self, patience: float) -> memoryview | TimedOut | Interrupted | ConnectionLost:
        """Look at what has come, before anything was received; valid until the next call.

        Args:
            patience: Seconds to wait for something.
        """
        try:
            count = self._take(patience, socket.MSG_PEEK)
        except TimeoutError:
            return TimedOut("nothing came in time")
        except OSError:
            return ConnectionLost()
        if self._interrupted:
            return Interrupted()
        return self._buffer[:count] if count else ConnectionLost()

    def skip(self, count: int) -> None:
        """Take what was looked at, and drop it."""
        with contextlib.suppress(OSError):  # the connection is gone: the next read tells
            self._socket.recv_into(self._buffer, count)

    def _read(self, seconds: float) -> int:
        """One ``recv`` into the buffer; 0 = closed. Raises ``TimeoutError``."""
        if not self._acknowledged and _QUICKACK is not None:
            # The kernel falls back to delayed acknowledgements by itself, and many senders wait for each one.
            self._socket.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
        count = self._take(seconds)
        self._acknowledged = False
        return count

    def _take(self, seconds: float, flags: int = 0) -> int:
        """``recv`` within so many seconds; with none, what is already there."""
        if seconds <= 0:
            return self._at_once(flags)
        # Any limit that is not shorter than need be will do at first: most reads wait for less, each change is a call.
        if not min(seconds, _LONG_WAIT) / 2 <= self._allowed <= seconds:
            self._allow(min(seconds, _LONG_WAIT) * 0.75)
        until = time.monotonic() + seconds
        while True:
            try:
                return self._socket.recv_into(self._buffer, 0, flags)
            except BlockingIOError:
                left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._allow(left)

    def _at_once(self, flags: int) -> int:
        try:
            return self._socket.recv_into(self._buffer, 0, flags | socket.MSG_DONTWAIT)
        except BlockingIOError:
            raise TimeoutError from None

    def _allow(self, seconds: float) -> None:
        self._allowed = seconds
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(seconds))

    def flush(self, *, more: bool = False) -> list[LinkEvent]:
        """Write what the connection has queued; arguments and result as for ``send``."""
        queued = self._connection.data_to_send()
        if not queued:
            return []
        return self.send(queued[0] if len(queued) == 1 else b"".join(queued), more=more)

    def send(self, data: bytes | bytearray | memoryview, *, more: bool = False) -> list[LinkEvent]:
        """Write all of it.

        Args:
            more: The next write follows at once: the kernel may put both into one packet.

        Returns:
            What ended the connection; empty if all went well.
        """
        if not self._writable:
            return [ConnectionLost()]
        try:
            self._put(data, _MORE if more else 0)
        except (BlockingIOError, TimeoutError):
            self._writable = False
            return [TimedOut(f"the peer took no data for {self._write_seconds:g} s", Wait.WRITE)]
        except OSError:
            self._writable = False
            return self._last_words()
        return []

    def _put(self, data: bytes | bytearray | memoryview, flags: int) -> None:
        """Send all of it. Raises ``BlockingIOError`` or ``TimeoutError``: the peer takes nothing, or too slowly."""
        until = time.monotonic() + self._write_seconds
        sent = self._socket.send(data, flags)  # waits until all is taken, unless the time or a signal ends it
        self._acknowledged = True
        if sent == len(data):
            return
        rest = memoryview(data)[sent:]
        while rest:
            if time.monotonic() >= until:
                raise TimeoutError
            rest = rest[self._socket.send(rest, flags) :]

    def _last_words(self) -> list[LinkEvent]:
        """What the peer said before it stopped listening: often an A-ABORT that explains why."""
        until = time.monotonic() + 2.0
        while (left := until - time.monotonic()) > 0:
            events = self.receive(left, "the reason why the connection broke")
            if any(isinstance(event, Aborted | ConnectionLost | TimedOut | Interrupted) for event in events):
                return events
        return self._lost()

    def _lost(self) -> list[LinkEvent]:
        """Tell the connection; never empty, so that nobody reads on."""
        return [*self._connection.peer_closed()] or [ConnectionLost()]

    def pending(self) -> bool:
        """Whether something can be read without waiting."""
        try:
            self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            pass  # the next read tells what happened
        return True

    def interrupt(self) -> None:
        """Let a blocked or the next ``receive`` return ``Interrupted``; any thread may call it, at any time."""
        with self._guard:
            self._interrupted = True
            if not self._closed:
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RD)

    def cut(self) -> None:
        """End everything on the socket at once, blocked writes too; any thread may call it, at any time."""
        with self._guard:
            self._interrupted = self._cut = True
            if not self._closed:
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)

    def close(self, linger: float) -> None:
        """Write what is queued, tell the peer that nothing follows, and wait for it to close.

        Closing a socket with unread bytes resets the connection, which can destroy our last PDU before the peer
        has read it; so what still comes is read and dropped first.

        Args:
            linger: Seconds to wait for the peer to close, at most.

        Source: PS3.8 9.1.4; PS3.8 9.2.3, Table 9-10, state Sta13.
        """
        if self._closed:
            return
        self.flush()
        with contextlib.suppress(OSError):
            if self._writable and linger > 0:
                self._socket.shutdown(socket.SHUT_WR)
                self._drain(time.monotonic() + linger)
        with self._guard:
            self._closed = True
            self._socket.close()

    def _drain(self, until: float) -> None:
        while (left := until - time.monotonic()) > 0:
            if self._take(left) == 0 or self._cut:
                return


def _timeval(seconds: float) -> bytes:
    """As the socket options SO_RCVTIMEO and SO_SNDTIMEO take it."""
    microseconds = round(max(seconds, _LEAST_WAIT) * 1e6)
    return _TIMEVAL.pack(*divmod(microseconds, 1_000_000))
