"""Cuts what arrives into PDUs, however the transport connection has split it.

Source: PS3.8 9.3.1.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from hilum.wire.pdu import PDU_HEADER

_HEADER_BYTES: Final = PDU_HEADER.size


class Body(StrEnum):
    """What becomes of the body of a PDU; decided when its header is known."""

    GATHERED = "gathered"  # kept until it is whole
    STREAMED = "streamed"  # handed on as it comes
    SKIPPED = "skipped"


class Frame:
    """The PDU that is being received.

    Attributes:
        kind: First byte of its header, 0-255.
        left: Bytes still to come of its body.
        body: What becomes of them.
    """

    __slots__ = ("_gathered", "_header", "body", "kind", "left")

    def __init__(self) -> None:
        """Begin between two PDUs."""
        self.kind = 0
        self.left = 0
        self.body = Body.SKIPPED
        self._header = bytearray()  # while not all of it is here
        self._gathered = bytearray()

    @property
    def begun(self) -> bool:
        """Whether some but not all of a PDU is here."""
        return bool(self.left or self._header)

    @property
    def at_boundary(self) -> bool:
        """Whether the next byte is the first of a PDU."""
        return not self.left and not self._header

    def take_header(self, data: memoryview, position: int) -> tuple[int, bool]:
        """Read the next header, or what of it is here; sets ``kind`` and ``left`` when it is whole.

        Returns:
            Where the header or the data ends, and whether the header is whole.
        """
        header = self._header
        stop = min(position + _HEADER_BYTES - len(header), len(data))
        header += data[position:stop]
        if len(header) < _HEADER_BYTES:
            return stop, False
        self.kind, self.left = PDU_HEADER.unpack(header)
        header.clear()
        return stop, True

    def take_body(self, data: memoryview, position: int) -> int:
        """Read on in the body; of a gathered one, keep what is here.

        Memory grows with what has been received, never with what a length field promises.

        Returns:
            Where the body or the data ends.
        """
        stop = min(position + self.left, len(data))
        self.left -= stop - position
        if self.body is Body.GATHERED:
            self._gathered += data[position:stop]
        return stop

    def whole(self) -> bytes:
        """The gathered body, once."""
        body = bytes(self._gathered)
        self._gathered.clear()
        return body
