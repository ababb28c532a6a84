"""JPEG lossless, Huffman-coded (process 14), as a decoder plugin of pydicom.

It is what most archives compress with, and every other decoder of it comes under the GPL or with a toolkit of its own.
The differences are taken from the bits one by one, by table; what they add up to is then worked out for whole rows.

Source: ITU-T T.81, Annexes B (markers), F.2.2 (Huffman decoding), H (lossless); PS3.5 8.2.1, A.4.1.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom import uid
from pydicom.pixels.decoders.base import DecodeRunner

DECODER_DEPENDENCIES: Final = {uid.JPEGLossless: ("numpy",), uid.JPEGLosslessSV1: ("numpy",)}

_SOI, _EOI, _SOS, _DHT, _DRI, _SOF3 = 0xD8, 0xD9, 0xDA, 0xC4, 0xDD, 0xC3
_ALONE: Final = frozenset({0x01, *range(0xD0, 0xD9)})
_OTHER_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {_SOF3, _DHT, 0xC8, 0xCC}
_RESTART: Final = re.compile(rb"\xff[\xd0-\xd7]")
_MARKER: Final = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")


class LosslessError(ValueError):
    """It is not JPEG lossless, or broken."""


@dataclass(slots=True)
class _Table:
    """For any 16 bits: how many of them are a code with its difference, and which; 0: the difference is longer.

    For those, ``codes`` has the length of the code and the number of bits that follow; 0: no code begins so.
    """

    lengths: list[int]
    differences: list[int]
    codes: list[tuple[int, int]]


@dataclass(slots=True)
class _Frame:
    precision: int = 0
    rows: int = 0
    columns: int = 0
    components: list[int] = field(default_factory=list)
    planes: dict[int, NDArray[np.uint16]] = field(default_factory=dict)


def is_available(syntax: str) -> bool:
    """For pydicom."""
    return syntax in DECODER_DEPENDENCIES


def decode_frame(src: bytes, runner: DecodeRunner) -> bytearray:
    """For pydicom: the samples of a frame, pixel by pixel, in as many bytes as the header allocates."""
    samples = decode(src, most=runner.rows * runner.columns * runner.samples_per_pixel)
    runner.set_option("planar_configuration", 0)
    wide = samples.dtype.itemsize * 8 if runner.bits_allocated not in {8, 16} else runner.bits_allocated
    runner.set_option("bits_allocated", wide)
    return bytearray(samples.astype(f"<u{wide // 8}").tobytes())


def decode(data: bytes, *, most: int) -> NDArray[np.uint16]:
    """All samples: rows, columns, components.

    Args:
        most: Values that there may be.

    Raises:
        LosslessError: See there.
    """
    frame, interval = _Frame(), 0
    tables: dict[int, _Table] = {}
    try:
        for marker, content, rest in _segments(data):
            if marker == _SOF3:
                frame = _start_of_frame(content, most)
            elif marker in _OTHER_FRAMES:
                raise LosslessError(f"its frame is of kind SOF{marker - 0xC0}, not of SOF3")
            elif marker == _DHT:
                tables.update(_huffman_tables(content))
            elif marker == _DRI:
                (interval,) = struct.unpack(">H", content[:2])
            elif marker == _SOS:
                _scan(frame, content, rest, tables, interval)
    except (struct.error, IndexError, KeyError) as error:
        raise LosslessError(f"its JPEG stream is broken ({type(error).__name__})") from error
    if not frame.components or len(frame.planes) < len(frame.components):
        raise LosslessError("its JPEG stream ends before all components have come")
    return np.stack([frame.planes[one] for one in frame.components], axis=-1)


def _segments(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Marker, content, and what follows; of a scan that is its coded data.

    Source: T.81 B.1.1.
    """
    at = 0
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            raise LosslessError("its JPEG stream has no marker where one has to be")
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker == _EOI:
            return
        if marker in _ALONE:
            at += 2
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        content, at = data[at + 4 : at + 2 + length], at + 2 + max(2, length)
        rest = b""
        if marker == _SOS:
            end = _MARKER.search(data, at)
            rest, at = (data[at : end.start()], end.start()) if end else (data[at:], len(data))
        yield marker, content, rest


def _start_of_frame(content: bytes, most: int) -> _Frame:
    """Source: T.81 B.2.2."""
    precision, rows, columns, count = struct.unpack_from(">BHHB", content)
    if not 2 <= precision <= 16 or not rows or not columns or not count:
        raise LosslessError(f"its frame has {rows} rows, {columns} columns, {precision} bits")
    if rows * columns * count > most:
        raise LosslessError(f"its JPEG frame has {rows} rows and {columns} columns, more than the header says")
    parts = [struct.unpack_from(">BBB", content, 6 + 3 * at) for at in range(count)]
    if any(sampling != 0x11 for _, sampling, _ in parts):
        raise LosslessError("its components are of different sizes")
    return _Frame(precision=precision, rows=rows, columns=columns, components=[one for one, _, _ in parts])


def _huffman_tables(content: bytes) -> Iterator[tuple[int, _Table]]:
    """Source: T.81 B.2.4.2, C.2."""
    at = 0
    while at + 17 <= len(content):
        which, counts = content[at] & 0x0F, content[at + 1 : at + 17]
        values = content[at + 17 : at + 17 + sum(counts)]
        if len(values) < sum(counts) or any(value > 16 for value in values):
            raise LosslessError("one of its Huffman tables is broken")
        yield which, _table(counts, values)
        at += 17 + sum(counts)


def _table(counts: Sequence[int], values: bytes) -> _Table:
    lengths, differences, codes = [0] * 65536, [0] * 65536, [(0, 0)] * 65536
    code, used = 0, 0
    for length, count in enumerate(counts, start=1):
        for bits in values[used : used + count]:
            low, high = code << 16 - length, (code + 1) << 16 - length
            if high > 65536:
                raise LosslessError("one of its Huffman tables has more codes than there are")
            codes[low:high] = [(length, bits)] * (high - low)
            extra = 0 if bits == 16 else bits
            if length + extra <= 16:
                step = 1 << 16 - length - extra
                lengths[low:high] = [length + extra] * (high - low)
                for place in range(1 << extra):
                    start = low + place * step
                    differences[start : start + step] = [_extended(place, bits)] * step
            code += 1
        used += count
        code <<= 1
    return _Table(lengths, differences, codes)


def _extended(value: int, bits: int) -> int:
    """The difference that so many bits stand for.

    Source: T.81 F.2.2.1 (EXTEND), H.1.2.2 (16 bits: 32768, and none follow).
    """
    if bits == 16:
        return 32768
    return value if not bits or value >> bits - 1 else value - (1 << bits) + 1


def _scan(frame: _Frame, content: bytes, data: bytes, tables: dict[int, _Table], interval: int) -> None:
    """One scan: all components interleaved, or one of them.

    Source: T.81 B.2.3, H.1.1.
    """
    count = content[0]
    chosen = [(content[1 + 2 * at], content[2 + 2 * at] >> 4) for at in range(count)]
    predictor, transform = content[1 + 2 * count], content[3 + 2 * count] & 0x0F
    if not 1 <= predictor <= 7 or transform >= frame.precision:
        raise LosslessError(f"its predictor {predictor} with point transform {transform} does not exist")
    if interval % frame.columns if frame.columns else 1:
        raise LosslessError("its restart interval is not a number of whole rows")
    rows_at_once = interval // frame.columns or frame.rows
    parts = _RESTART.split(data) if interval else [data]
    planes = [np.zeros((frame.rows, frame.columns), np.uint16) for _ in chosen]
    for part, top in zip(parts, range(0, frame.rows, rows_at_once), strict=False):
        rows = min(rows_at_once, frame.rows - top)
        differences = _differences(part, [tables[table] for _, table in chosen], rows * frame.columns)
        shaped = differences.reshape(rows, frame.columns, count)
        for at, plane in enumerate(planes):
            start = 1 << frame.precision - transform - 1
            plane[top : top + rows] = _sum(shaped[:, :, at], predictor, start) << transform
    if len(parts) * rows_at_once < frame.rows:
        raise LosslessError("its coded data end before the last row")
    frame.planes.update({component: plane for (component, _), plane in zip(chosen, planes, strict=True)})


def _differences(data: bytes, tables: Sequence[_Table], count: int) -> NDArray[np.int64]:
    """So many differences of each table, in turn.

    Raises:
        LosslessError: The data end too soon, or hold what no table has.
    """
    stuffed = data.replace(b"\xff\x00", b"\xff")
    end = len(stuffed) * 8
    padded = np.frombuffer(stuffed + bytes(8), np.uint8).astype(np.int64)
    # The 32 bits from each byte on: any 16 bits are in one of them.
    windows: list[int] = (padded[:-3] << 24 | padded[1:-2] << 16 | padded[2:-1] << 8 | padded[3:]).tolist()
    found: list[int] = []
    add = found.append
    at = 0
    if len(tables) > 1 and all(table is tables[0] for table in tables):
        count, tables = count * len(tables), tables[:1]
    try:
        for _ in range(count):
            for table in tables:
                bits = windows[at >> 3] >> 16 - (at & 7) & 0xFFFF
                length = table.lengths[bits]
                if length:
                    at += length
                    add(table.differences[bits])
                    continue
                length, extra = table.codes[bits]
                if not length:
                    raise LosslessError("its coded data hold a code that is in none of its tables")
                at += length
                value = windows[at >> 3] >> 16 - (at & 7) & 0xFFFF
                add(_extended(value >> 16 - extra, extra))
                at += extra
    except IndexError:
        at = end + 1
    if at > end:
        raise LosslessError("its coded data end before the last pixel")
    return np.asarray(found, np.int64)


def _sum(differences: NDArray[np.int64], predictor: int, start: int) -> NDArray[Any]:
    """The samples, modulo 65536. The first row is predicted from the left, the first column from above.

    Source: T.81 H.1.2.1, Table H.1.
    """
    d = differences.copy()
    d[0, 0] += start
    if predictor == 1:
        d[:, 0] = np.cumsum(d[:, 0])
        return np.cumsum(d, axis=1) & 0xFFFF
    d[0] = np.cumsum(d[0])
    if predictor == 2:
        return np.cumsum(d, axis=0) & 0xFFFF
    if predictor == 4:
        # x - left - above + corner = d: what adds up to the first row stays, all else adds up both ways.
        d[0, 1:] = differences[0, 1:]
        return np.cumsum(np.cumsum(d, axis=0), axis=1) & 0xFFFF
    if predictor == 3:
        for row in range(1, len(d)):
            d[row, 0] += d[row - 1, 0]
            d[row, 1:] += d[row - 1, :-1]
        return d & 0xFFFF
    return _sum_by_pixel(d & 0xFFFF, predictor)


def _sum_by_pixel(d: NDArray[np.int64], predictor: int) -> NDArray[Any]:
    rows: list[list[int]] = d.tolist()
    for above, row in pairwise(rows):
        left = row[0] = row[0] + above[0] & 0xFFFF
        corner = above[0]
        for x in range(1, len(row)):
            up = above[x]
            if predictor == 5:
                guess = left + (up - corner >> 1)
            elif predictor == 6:
                guess = up + (left - corner >> 1)
            else:
                guess = left + up >> 1
            left = row[x] = row[x] + guess & 0xFFFF
            corner = up
    return np.asarray(rows, np.int64)
