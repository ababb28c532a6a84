"""A picture that says why there is none, drawn without any library."""

from __future__ import annotations

import struct
import textwrap
import zlib
from typing import Final

from hilum.pictures.lettering import GLYPHS, HEIGHT, WIDTH

_BACKGROUND: Final = 0x2A
_INK: Final = 0xD0
_LINE: Final = HEIGHT + 4


def draw(text: str, size: int) -> bytes:
    """A square grey PNG with a sentence in it, which is cut if it is too long.

    Args:
        size: Of its sides, pixels.
    """
    scale = max(1, min(3, size // 170))
    columns = max(1, (size // scale - 8) // (WIDTH + 1))
    lines = textwrap.wrap(text, columns)[: max(1, (size // scale - 8) // _LINE)]
    rows = [bytearray([_BACKGROUND]) * size for _ in range(size)]
    top = (size - len(lines) * _LINE * scale) // 2
    for index, line in enumerate(lines):
        left = (size - len(line) * (WIDTH + 1) * scale) // 2
        _write(rows, line, max(0, left), max(0, top + index * _LINE * scale), scale)
    return grey_png(rows)


def _write(rows: list[bytearray], line: str, left: int, top: int, scale: int) -> None:
    for place, character in enumerate(line):
        columns = GLYPHS.get(character, GLYPHS["?"])
        for x, bits in enumerate(columns):
            for y in range(HEIGHT):
                if bits >> y & 1:
                    _dot(rows, left + (place * (WIDTH + 1) + x) * scale, top + y * scale, scale)


def _dot(rows: list[bytearray], left: int, top: int, scale: int) -> None:
    for row in rows[top : top + scale]:
        end = min(left + scale, len(row))
        row[left:end] = bytes([_INK]) * max(0, end - left)


def grey_png(rows: list[bytearray]) -> bytes:
    """Rows of 8-bit grey as a PNG file.

    Source: PNG (RFC 2083) 4.1.
    """
    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 0, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows), 6)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
