"""A data set on its way from a file to the wire: P-DATA-TF PDUs made in place, without copying in Python."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final, NamedTuple

from hilum.wire import Command, Connection

#: As much as is read and written at once; measured: larger ones gain nothing.
_WINDOW_BYTES: Final = 1024 * 1024
#: PDU and PDV header. Source: PS3.8 Tables 9-22, 9-23.
_HEADER_BYTES: Final = 12
#: The kernel takes no more buffers in one call.
_MOST_SLOTS: Final = os.sysconf("SC_IOV_MAX")
#: Room for what goes out before the data set: longer than a C-STORE-RQ in the shortest PDUs that PS3.8 D.1 allows.
FRONT_BYTES: Final = 4096


class Prepared(NamedTuple):
    """A C-STORE-RQ that can be sent at once.

    Attributes:
        part: What to write first: the command set and the beginning of the data set.
        file: Descriptor or content of the file with the rest of it.
        offset: Where in the file the rest begins.
        left: Bytes of it, padding counted.
        padding: How many NUL bytes, 0 or 1, end the data set without being in the file.
    """

    command: Command
    context_id: int
    part: memoryview
    file: int | bytes
    offset: int
    left: int
    padding: int


class Outflow:
    """A reused buffer of consecutive slots, each a header and room for one fragment of the peer's maximum length.

    ``preadv`` scatters the file into the rooms; what is filled is one contiguous piece for one write, and the command
    set may stand before it.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._fragment = connection.max_fragment
        stride = _HEADER_BYTES + self._fragment
        slots = max(1, min(_WINDOW_BYTES // stride, _MOST_SLOTS))
        self._buffer = memoryview(bytearray(FRONT_BYTES + slots * stride))
        begins = range(FRONT_BYTES, len(self._buffer), stride)
        self._headers = [self._buffer[at : at + _HEADER_BYTES] for at in begins]
        self._rooms = [self._buffer[at + _HEADER_BYTES : at + stride] for at in begins]

    @property
    def capacity(self) -> int:
        """Bytes of a data set that fit at once."""
        return self._fragment * len(self._rooms)

    def fill(
        self, source: int | bytes, offset: int, left: int, context_id: int, *, padding: int = 0, front: bytes = b""
    ) -> tuple[memoryview, int]:
        """Read the next part of a data set.

        Args:
            source: Descriptor of the file, or its content.
            offset: Where in the file the part begins.
            left: Bytes that are not sent yet, padding counted; may be 0 for an empty data set.
            padding: How many NUL bytes, 0 or 1, end the data set without being in the file.
            front: What goes out before the part, at most ``FRONT_BYTES``.

        Returns:
            What to write, valid until the next call, and how many of the bytes left it holds.

        Raises:
            EOFError: The file is shorter than that.
            OSError: It cannot be read.
        """
        size = min(left, self.capacity)
        padding = padding if size == left else 0
        before, rest = divmod(max(size - 1, 0), self._fragment)  # whole fragments before the last one
        rest += size > 0
        if before:
            header = self._connection.data_header(context_id, self._fragment, last=False)
            for place in self._headers[:before]:
                place[:] = header
        self._headers[before][:] = self._connection.data_header(context_id, rest, last=size == left)
        rooms = [*self._rooms[:before], self._rooms[before][: rest - padding]]
        if _scatter(source, rooms, offset) != size - padding:
            raise EOFError("the end of the file came too soon")
        if padding:
            self._rooms[before][rest - 1] = 0
        begin = FRONT_BYTES - len(front)
        self._buffer[begin:FRONT_BYTES] = front
        return self._buffer[begin : FRONT_BYTES + (before + 1) * _HEADER_BYTES + size], size


def _scatter(source: int | bytes, rooms: Sequence[memoryview], offset: int) -> int:
    """Fill rooms from a file; how many bytes there were for them."""
    if isinstance(source, int):
        return os.preadv(source, rooms, offset)
    begin = offset
    for room in rooms:
        part = source[offset : offset + len(room)]
        room[: len(part)] = part
        offset += len(part)
    return offset - begin
