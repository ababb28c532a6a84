"""Reads the few attributes Hilum needs from a data set while it passes by, and finds out whether it is whole."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Final

from hilum.model import Header
from hilum.store import walk
from hilum.wire import uids

#: Of a deflated data set no more than this is inflated: a few milliseconds of work, whatever the peer sends.
MAX_INFLATED_BYTES: Final = 1 << 20

#: Deflated as a whole: Deflated Explicit VR LE and the two JPIP Referenced Deflate. Source: PS3.5 A.5, A.7, A.12.
_DEFLATED: Final = frozenset({uids.DEFLATED_LE, "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """The data set cannot be taken.

    Attributes:
        why: At most 64 characters of ASCII without personal data: fit for an Error Comment, (0000,0902).
    """

    why: str


class HeadScanner:
    """Scans one data set.

    Call ``feed`` with each piece in order, split anywhere, then ``finish``. Never raises for what a peer sent.

    A deflated data set is inflated up to ``MAX_INFLATED_BYTES`` and only so far known to be whole.
    """

    __slots__ = ("_inflater", "_walk")

    def __init__(self, transfer_syntax: str) -> None:
        self._walk = walk.Walk(walk.coding_of(transfer_syntax))
        self._inflater = _Inflater(self._walk) if transfer_syntax in _DEFLATED else None

    def feed(self, view: memoryview | bytes) -> None:
        """Take the next bytes; a view has one byte per item, and nothing of it is kept after return."""
        if self._inflater is None:
            self._walk.feed(view)
        else:
            self._inflater.feed(view)

    @property
    def unneeded(self) -> int:
        """How many of the next bytes need not even be read: the rest of a value; may exceed the data set."""
        return self._walk.skip if self._inflater is None else 0

    def pass_over(self, count: int) -> None:
        """Let ``count`` bytes, at most ``unneeded``, go by unread."""
        self._walk.skip -= count

    def finish(self) -> Header | Unreadable:
        """The data set has ended: tell what was in it."""
        if self._inflater is not None:
            self._inflater.finish()
        why = self._walk.finish()
        if why:
            return Unreadable(why=why)
        return Header(
            sop_class=self._text(walk.SOP_CLASS),
            sop_instance=self._text(walk.SOP_INSTANCE),
            modality=self._text(walk.MODALITY),
            patient_id=self._text(walk.PATIENT_ID),
            study=self._text(walk.STUDY),
            series=self._text(walk.SERIES),
        )

    def _text(self, tag: int) -> str:
        return self._walk.values.get(tag, b"").decode("utf-8", "backslashreplace").strip(" \0")


def scan_file_head(data: memoryview | bytes, transfer_syntax: str) -> Header | Unreadable:
    """Scan a whole data set that is in memory or mapped; of a mapped one only pages with headers are touched."""
    scanner = HeadScanner(transfer_syntax)
    scanner.feed(data)
    return scanner.finish()


class _Inflater:
    """Shows a walk the beginning of a deflated data set: raw as PS3.5 A.5 wants it, or with a zlib header."""

    __slots__ = ("_head", "_inflated", "_stream", "_walk")

    #: So little at a time that neither what goes in nor what comes out is ever held in bulk.
    _IN_BYTES: Final = 1 << 14
    _OUT_BYTES: Final = 1 << 16

    def __init__(self, elements: walk.Walk) -> None:
        self._walk = elements
        self._head: bytes | None = b""  # until the first two bytes are here and tell which of the two it is
        self._stream = zlib.decompressobj(-zlib.MAX_WBITS)
        self._inflated = 0

    def feed(self, view: memoryview | bytes) -> None:
        if self._head is not None:
            view = self._head + bytes(view)
            if len(view) < 2:
                self._head = view
                return
            self._head = None
            # A raw stream could start so only with an uncompressed block whose padding is not zero.
            if view[0] & 0x0F == 8 and (view[0] << 8 | view[1]) % 31 == 0:
                self._stream = zlib.decompressobj()
        for start in range(0, len(view), self._IN_BYTES):
            if self._walk.stopped or self._stream.eof:
                return
            try:
                self._inflate(view[start : start + self._IN_BYTES])
            except zlib.error:
                self._walk.stop("the deflated stream is damaged")

    def finish(self) -> None:
        if not self._walk.stopped and not self._stream.eof:
            nothing = self._head == b""
            self._walk.stop("the data set is empty" if nothing else "truncated: the deflated stream has no end")

    def _inflate(self, data: memoryview | bytes) -> None:
        while True:
            wanted = min(self._OUT_BYTES, MAX_INFLATED_BYTES - self._inflated)
            piece = self._stream.decompress(data, wanted)
            self._walk.feed(piece)
            self._inflated += len(piece)
            if self._walk.stopped or self._stream.eof or len(piece) < wanted:
                return
            if self._inflated == MAX_INFLATED_BYTES:
                found = self._walk.identified
                self._walk.stop("" if found else "no identifiers in the first MiB of the inflated data set")
                return
            data = self._stream.unconsumed_tail
