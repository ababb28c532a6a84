"""The instances that are sent, made once and kept between runs.

Their data sets are in the form that DCMTK writes (no group lengths, no padding, explicit lengths), so that each
contender that promises to keep bytes can be held to it. Values and pixels come from a seeded generator: every run, on
every machine, sends the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

EXPLICIT_LE: Final = "1.2.840.10008.1.2.1"
CT: Final = "1.2.840.10008.5.1.4.1.1.2"
SECONDARY_CAPTURE: Final = "1.2.840.10008.5.1.4.1.1.7"
ENHANCED_CT: Final = "1.2.840.10008.5.1.4.1.1.2.1"

_ROOT: Final = "1.2.826.0.1.3680043.10.999"
#: Raised when what is made changes, so that older data are made anew.
_FORM: Final = 2
_BLOCK: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What the instances of a set are like.

    Attributes:
        frames: In each instance, one after the other in its pixel data.
    """

    name: str
    sop_class: str
    rows: int
    columns: int
    bytes_per_pixel: int = 2
    frames: int = 1

    @property
    def pixels(self) -> int:
        """Bytes of pixel data in an instance."""
        return self.rows * self.columns * self.bytes_per_pixel * self.frames


CT_SLICE: Final = Shape(name="ct", sop_class=CT, rows=512, columns=512)
SMALL: Final = Shape(name="small", sop_class=SECONDARY_CAPTURE, rows=64, columns=64)
MULTI_FRAME: Final = Shape(name="multi", sop_class=ENHANCED_CT, rows=512, columns=512, frames=400)
#: An unsigned 32-bit length takes just below 4 GiB; half of that is beyond everything that counts in signed ones.
HUGE: Final = Shape(name="huge", sop_class=ENHANCED_CT, rows=1000, columns=1000, frames=1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """Files of one series in a folder of their own.

    Attributes:
        digests: SHA-256 of each data set, sorted.
        bytes: Of all files together.
    """

    folder: Path
    digests: tuple[str, ...]
    bytes: int

    @property
    def count(self) -> int:
        """How many instances."""
        return len(self.digests)

    def paths(self) -> list[Path]:
        """The files, in the order of their instance numbers."""
        return sorted(self.folder.glob("*.dcm"))

    def warm(self) -> None:
        """Read everything once, so that no contender pays for the disk that the data come from."""
        buffer = bytearray(_BLOCK)
        for path in self.paths():
            with path.open("rb", buffering=0) as file:
                while file.readinto(buffer):
                    pass


def make(parent: Path, shape: Shape, count: int, part: int = 0) -> DataSet:
    """A series of so many instances; made only if it is not there yet.

    Args:
        part: Tells series of the same shape apart: each association sends one of its own.
    """
    folder = parent / f"{shape.name}-{count}-{part}"
    manifest = parent / f"{folder.name}.json"  # beside it: senders take the folder as a whole
    if manifest.exists() and folder.is_dir():
        known = json.loads(manifest.read_text())
        if known["form"] == _FORM and known["shape"] == repr(shape):
            return DataSet(folder=folder, digests=tuple(known["digests"]), bytes=known["bytes"])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    digests, size = [], 0
    for number in range(1, count + 1):
        path = folder / f"{number:05}.dcm"
        digests.append(_write(path, shape, part, number))
        size += path.stat().st_size
    digests.sort()
    manifest.write_text(json.dumps({"form": _FORM, "shape": repr(shape), "digests": digests, "bytes": size}))
    return DataSet(folder=folder, digests=tuple(digests), bytes=size)


def _write(path: Path, shape: Shape, part: int, number: int) -> str:
    """Write one instance; the SHA-256 of its data set."""
    # The shape is told by its size, not by its name: series that differ at all differ in their UIDs.
    study = f"{_ROOT}.{shape.rows}.{shape.frames}.{part}"
    uid = f"{study}.1.{number}"
    digest = hashlib.sha256()
    with path.open("wb") as file:
        file.write(bytes(128) + b"DICM" + _meta(shape.sop_class, uid))
        for block in _data_set(shape, study, uid, number):
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def _meta(sop_class: str, uid: str) -> bytes:
    body = b"".join(
        (
            element(0x0002, 0x0001, "OB", b"\0\1"),
            element(0x0002, 0x0002, "UI", sop_class),
            element(0x0002, 0x0003, "UI", uid),
            element(0x0002, 0x0010, "UI", EXPLICIT_LE),
            element(0x0002, 0x0012, "UI", f"{_ROOT}.1"),
        )
    )
    return element(0x0002, 0x0000, "UL", struct.pack("<I", len(body))) + body


def _data_set(shape: Shape, study: str, uid: str, number: int) -> Iterator[bytes]:
    def short(value: int) -> bytes:
        return struct.pack("<H", value)

    yield b"".join(
        (
            element(0x0008, 0x0008, "CS", r"ORIGINAL\PRIMARY\AXIAL"),
            element(0x0008, 0x0016, "UI", shape.sop_class),
            element(0x0008, 0x0018, "UI", uid),
            element(0x0008, 0x0020, "DA", "20240102"),
            element(0x0008, 0x0030, "TM", "101112"),
            element(0x0008, 0x0050, "SH", "A0001"),
            element(0x0008, 0x0060, "CS", "CT"),
            element(0x0008, 0x0070, "LO", "Bench"),
            element(0x0008, 0x0090, "PN", "Referring^Doctor"),
            element(0x0008, 0x103E, "LO", "Made up"),
            element(0x0010, 0x0010, "PN", "Bench^Patient"),
            element(0x0010, 0x0020, "LO", "BENCH-1"),
            element(0x0010, 0x0030, "DA", "19700101"),
            element(0x0010, 0x0040, "CS", "O"),
            element(0x0018, 0x0050, "DS", "1.25"),
            element(0x0018, 0x0060, "DS", "120"),
            element(0x0020, 0x000D, "UI", study),
            element(0x0020, 0x000E, "UI", f"{study}.1"),
            element(0x0020, 0x0010, "SH", "1"),
            element(0x0020, 0x0011, "IS", "1"),
            element(0x0020, 0x0013, "IS", str(number)),
            element(0x0020, 0x0032, "DS", rf"-250\-250\{number}"),
            element(0x0020, 0x0037, "DS", r"1\0\0\0\1\0"),
            element(0x0028, 0x0002, "US", short(1)),
            element(0x0028, 0x0004, "CS", "MONOCHROME2"),
            element(0x0028, 0x0008, "IS", str(shape.frames)),
            element(0x0028, 0x0010, "US", short(shape.rows)),
            element(0x0028, 0x0011, "US", short(shape.columns)),
            element(0x0028, 0x0030, "DS", r"0.5\0.5"),
            element(0x0028, 0x0100, "US", short(16)),
            element(0x0028, 0x0101, "US", short(16)),
            element(0x0028, 0x0102, "US", short(15)),
            element(0x0028, 0x0103, "US", short(0)),
            element(0x0028, 0x1052, "DS", "-1024"),
            element(0x0028, 0x1053, "DS", "1"),
            struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, shape.pixels),
        )
    )
    yield from _pixels(uid, shape.pixels)


def _pixels(seed: str, size: int) -> Iterator[bytes]:
    """Noise, no two blocks of it the same: a block that is lost or out of place shows in the digest."""
    block = bytearray(random.Random(seed).randbytes(min(size, _BLOCK)))
    for start in range(0, size, _BLOCK):
        struct.pack_into("<Q", block, 0, start)
        yield bytes(block[: size - start])


def element(group: int, number: int, vr: str, value: str | bytes) -> bytes:
    """One element in explicit VR little endian."""
    raw = value if isinstance(value, bytes) else value.encode("ascii")
    raw += (b"\0" if vr in {"UI", "OB"} else b" ") * (len(raw) % 2)
    if vr in {"OB", "OW"}:
        return struct.pack("<HH2sHI", group, number, vr.encode(), 0, len(raw)) + raw
    return struct.pack("<HH2sH", group, number, vr.encode(), len(raw)) + raw
