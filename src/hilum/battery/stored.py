"""Files that the peer has stored, for whoever can look into its folder.

Source: PS3.10 7.1.
"""

from __future__ import annotations

import os
import stat
import struct
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hilum.battery.verdict import MalformedError

#: Longer files are not of this battery.
_LONGEST: Final = 1 << 20
#: Seconds between two looks.
_PAUSE: Final = 0.05
_LONG_VRS: Final = frozenset(
    {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
)


@dataclass(frozen=True, slots=True)
class File:
    """A file as it lies there."""

    path: Path
    content: bytes


@dataclass(frozen=True, slots=True)
class Part10:
    """A DICOM file, read strictly.

    Attributes:
        preamble: Its first 128 bytes.
        group_length: (0002,0000); ``None`` if the file does not begin with it.
        length: What it should be.
        meta: Values of the other elements of group 0002 by number.
        data_set: All that follows.
    """

    preamble: bytes
    group_length: int | None
    length: int
    meta: Mapping[int, bytes]
    data_set: bytes

    @classmethod
    def read(cls, content: bytes) -> Part10:
        """Take it apart.

        Raises:
            MalformedError: It is no DICOM file.
        """
        if content[128:132] != b"DICM":
            raise MalformedError("a file without DICM")
        position, meta = 132, {}
        first = None
        while content[position : position + 2] == b"\x02\0":
            number, start, end = _explicit(content, position)
            if first is None:
                first = end
            meta[number] = content[start:end]
            position = end
        length = meta.pop(0, None)
        return cls(
            preamble=content[:128],
            group_length=None if length is None else int.from_bytes(length, "little"),
            length=position - (first or position),
            meta=meta,
            data_set=content[position:],
        )

    def text(self, number: int) -> str | None:
        """A value of group 0002 that is text, padding removed; ``None`` if there is none."""
        value = self.meta.get(number)
        return None if value is None else value.decode("ascii", "backslashreplace").rstrip(" \0")


def _explicit(content: bytes, position: int) -> tuple[int, int, int]:
    """Number, and begin and end of the value, of an element of group 0002 in Explicit VR Little Endian."""
    try:
        _, number, vr, length = struct.unpack_from("<HH2sH", content, position)
        start = position + 8
        if vr in _LONG_VRS:
            length, start = struct.unpack_from("<I", content, start)[0], start + 4
    except struct.error:
        raise MalformedError("a file that ends within group 0002") from None
    if not vr.isalpha() or not vr.isupper() or start + length > len(content):
        raise MalformedError("a group 0002 that is not in Explicit VR")
    return number, start, start + length


@dataclass(frozen=True, slots=True)
class Shelf:
    """The folder in which the peer keeps what it stores, and all below it.

    Attributes:
        since: Older files are not looked at; seconds since the epoch.
    """

    folder: Path
    since: float = field(default_factory=lambda: time.time() - 1)

    def holding(self, sop_instance: str) -> list[File]:
        """DICOM files in which a UID stands, whole or not, each once, however many names it has."""
        seen = set()
        found = []
        for path, key in self._paths():
            if key not in seen:
                seen.add(key)
                try:
                    content = path.read_bytes()
                except OSError:
                    continue  # moved or removed meanwhile
                if content[128:132] == b"DICM" and sop_instance.encode() in content:
                    found.append(File(path, content))
        return found

    def wait(self, sop_instance: str, seconds: float) -> Part10 | None:
        """A DICOM file of an instance, as soon as there is one.

        Raises:
            MalformedError: There is one, but nobody can read it.
        """
        until = time.monotonic() + seconds
        while not (found := self.holding(sop_instance)):
            if time.monotonic() > until:
                return None
            time.sleep(_PAUSE)
        return Part10.read(found[0].content)

    def wait_without(self, sop_instance: str, seconds: float) -> bool:
        """Whether no file holds an instance, at the latest after so many seconds."""
        until = time.monotonic() + seconds
        while self.holding(sop_instance):
            if time.monotonic() > until:
                return False
            time.sleep(_PAUSE)
        return True

    def _paths(self) -> Iterator[tuple[Path, tuple[int, int]]]:
        """Regular files of the battery's time, with what tells two names of one file."""
        for path in self.names():
            try:
                found = path.lstat()
            except OSError:
                continue
            if stat.S_ISREG(found.st_mode) and found.st_size <= _LONGEST and found.st_mtime >= self.since:
                yield path, (found.st_dev, found.st_ino)

    def names(self) -> Iterator[Path]:
        """Everything but folders; what is moved or removed meanwhile may be missing."""
        for folder, _, files in os.walk(self.folder):
            yield from (Path(folder, file) for file in files)
