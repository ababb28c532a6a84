"""Data sets as they pass by: ``HeadScanner``."""

from __future__ import annotations

from random import Random
from typing import Final
from zlib import crc32

from hilum.store.scan import HeadScanner, Unreadable, scan_file_head
from hilum.store.walk import CAPTURE_BYTES, LOOK_AHEAD_BYTES
from hilum.wire import DEFLATED_LE, EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE

#: One of each family; the first byte of an input chooses.
FAMILIES: Final = (
    IMPLICIT_LE,
    EXPLICIT_LE,
    EXPLICIT_BE,
    DEFLATED_LE,
    "1.2.840.10008.1.2.4.70",  # encapsulated
    "1.2.840.10008.1.2.4.95",  # deflated, without pixel data
    "1.2.840.113619.5.2",  # GE's mixture of byte orders
)

_SPLITS: Final = (1, 2, 7, 8, 9, 64, LOOK_AHEAD_BYTES - 1, LOOK_AHEAD_BYTES + 1)


def head(data: bytes) -> None:
    """Nothing is raised, little is kept, and where the data set is split or skipped makes no difference."""
    transfer_syntax = FAMILIES[data[0] % len(FAMILIES)] if data else IMPLICIT_LE
    content = data[1:]
    whole = scan_file_head(content, transfer_syntax)
    if isinstance(whole, Unreadable):
        assert whole.why.isascii()
        assert 0 < len(whole.why) <= 64
    else:
        for text in (whole.sop_class, whole.sop_instance, whole.modality, whole.patient_id, whole.study, whole.series):
            assert len(text) <= 4 * CAPTURE_BYTES
    for skipping in (False, True):
        split = _in_pieces(content, transfer_syntax, Random(crc32(data)), skipping=skipping)
        assert split == whole, f"whole: {whole}; in pieces (skipping={skipping}): {split}"


def _in_pieces(content: bytes, transfer_syntax: str, random: Random, *, skipping: bool) -> object:
    view = memoryview(content)
    scanner = HeadScanner(transfer_syntax)
    start = 0
    most = _SPLITS[int(random.random() * len(_SPLITS))]
    while start < len(view):
        if skipping and scanner.unneeded:
            count = min(scanner.unneeded, len(view) - start)
            scanner.pass_over(count)
            start += count
            continue
        end = start + 1 + int(random.random() * most)
        scanner.feed(view[start:end])
        start = end
        kept = len(scanner._walk._carry)  # noqa: SLF001 - the promise of the module is that this stays small
        assert kept <= LOOK_AHEAD_BYTES, f"{kept} bytes are kept between two views"
    return scanner.finish()
