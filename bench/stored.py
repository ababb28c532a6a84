"""What a contender stored, held against what was sent."""

from __future__ import annotations

import hashlib
import struct
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from bench.process import FailedError


def check(found: Sequence[str], sent: Iterable[str]) -> None:
    """Every data set is there as often as it was sent, byte for byte, and nothing else is.

    Raises:
        FailedError: One is missing, changed, or was never sent.
    """
    have, want = Counter(found), Counter(sent)
    missing, strange = want - have, have - want
    if missing or strange:
        raise FailedError(
            f"of {want.total()} data sets {missing.total()} are missing or changed, "
            f"and {strange.total()} are there that were not sent"
        )


def digests(paths: Iterable[Path]) -> list[str]:
    """SHA-256 of the data set of each part 10 file."""
    with ThreadPoolExecutor(2) as pool:  # hashing lets go of the interpreter
        return list(pool.map(_digest, paths))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(data_set_offset(file))
        return hashlib.file_digest(file, "sha256").hexdigest()


def data_set_offset(file: BinaryIO) -> int:
    """Where the data set of a part 10 file begins, in bytes. Source: PS3.10 7.1."""
    head = file.read(144)
    if head[128:140] != b"DICM\2\0\0\0UL\4\0":
        raise FailedError(f"{getattr(file, 'name', 'what was stored')} is no part 10 file")
    length: int = struct.unpack_from("<I", head, 140)[0]
    return 144 + length
