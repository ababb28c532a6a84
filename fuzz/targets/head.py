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

_DAMAGED: Final = Unreadable(why="the deflated stream is damaged")

#: Longest pieces, in bytes.
_MOST: Final = (1, 2, 7, 9, 64, 256, LOOK_AHEAD_BYTES + 1)
#: So many bytes are split finely; the rest would only cost time.
_FINE_BYTES: Final = 64


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
    random = Random(crc32(data))
    for skipping in (False, True):
        split = _in_pieces(content, transfer_syntax, random, skipping=skipping)
        # Of a damaged deflated stream the inflater gives out more or less before the damage, as it is fed.
        if _DAMAGED not in (split, whole):
            assert split == whole, f"whole: {whole}; in pieces (skipping={skipping}): {split}"


def _in_pieces(content: bytes, transfer_syntax: str, random: Random, *, skipping: bool) -> object:
    view = memoryview(content)
    scanner = HeadScanner(transfer_syntax)
    start = 0
    most = _MOST[int(random.random() * len(_MOST))]
    fine_from = int(random.random() * len(view))
    fine_to = fine_from + _FINE_BYTES
    while start < len(view):
        if skipping and scanner.unneeded:
            count = min(scanner.unneeded, len(view) - start)
            scanner.pass_over(count)
            start += count
            continue
        end = start + 1 + int(random.random() * most)
        if not fine_from <= start < fine_to:
            end += 128
        scanner.feed(view[start:end])
        start = end
        kept = len(scanner._walk._carry)
        assert kept <= LOOK_AHEAD_BYTES, f"{kept} bytes are kept between two views"
    return scanner.finish()
