"""The digest by which damage on disk is noticed: XXH3-128 of a data set, group 0002 not included.

It tells chance from change, not friend from foe: it is an order of magnitude faster than a cryptographic digest, which
results and receipts carry.
"""

from __future__ import annotations

import os
from typing import Final

import xxhash

_CHUNK_BYTES: Final = 1 << 20


class DataSetDigest:
    """Of one data set that passes by; see ``update``, then ``text``."""

    __slots__ = ("_hash",)

    def __init__(self) -> None:
        self._hash = xxhash.xxh3_128()

    def update(self, fragment: memoryview | bytes) -> None:
        """Take the next bytes, split anywhere; nothing of them is kept."""
        self._hash.update(fragment)

    @property
    def text(self) -> str:
        """32 hexadecimal digits."""
        return self._hash.hexdigest()


def digest_of(descriptor: int, offset: int) -> str:
    """The digest of an open file's bytes from ``offset`` to its end. Nothing is mapped: see ``rescan.examine``.

    Raises:
        OSError: As the system says.
    """
    digest = DataSetDigest()
    buffer = memoryview(bytearray(_CHUNK_BYTES))
    while count := os.preadv(descriptor, [buffer], offset):
        digest.update(buffer[:count])
        offset += count
    return digest.text
