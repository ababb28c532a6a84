"""A data set on its way from a file to the wire: P-DATA-TF PDUs made in place, without copying in Python."""

from __future__ import annotations

import os
from typing import Final

from hilum.wire import Connection

#: As much as is read and written at once; measured: larger ones gain nothing.
_WINDOW_BYTES: Final = 1024 * 1024
#: PDU and PDV header. Source: PS3.8 Tables 9-22, 9-23.
_HEADER_BYTES: Final = 12
#: The kernel takes no more buffers in one call.
_MOST_SLOTS: Final = os.sysconf("SC_IOV_MAX")


class Outflow:
    """A reused buffer of consecutive slots, each a header and room for one fragment of the peer's maximum length.

    ``preadv`` scatters the file into the rooms; what is filled is one contiguous piece for one write.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._fragment = connection.max_fragment
        stride = _HEADER_BYTES + self._fragment
        slots = max(1, min(_WINDOW_BYTES // stride, _MOST_SLOTS))
        self._buffer = memoryview(bytearray(slots * stride))
        self._headers = [self._buffer[at : at + _HEADER_BYTES] for at in range(0, slots * stride, stride)]
        self._rooms = [self._buffer[at + _HEADER_BYTES : at + stride] for at in range(0, slots * stride, stride)]

    @property
    def capacity(self) -> int:
        """Bytes of a data set that fit at once."""
        return self._fragment * len(self._rooms)

    def fill(
        self, descriptor: int, offset: int, left: int, context_id: int, *, padding: int = 0
    ) -> tuple[memoryview, int]:
        """Read the next part of a data set.

        Args:
            offset: Where in the file the part begins.
            left: Bytes that are not sent yet, padding counted; may be 0 for an empty data set.
            padding: How many NUL bytes, 0 or 1, end the data set without being in the file.

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
        if os.preadv(descriptor, rooms, offset) != size - padding:
            raise EOFError("the end of the file came too soon")
        if padding:
            self._rooms[before][rest - 1] = 0
        return self._buffer[: (before + 1) * _HEADER_BYTES + size], size
