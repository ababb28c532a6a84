"""Whether there is room for more: the disk watermark."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

#: How long an answer holds. At 1 GB/s not even a fast disk gets fuller by more than a small part of any sane reserve.
_HOLDS_SECONDS: Final = 1.0


class Watermark:
    """Tells when to take nothing new, so that what was accepted can still be finished. Usable from any thread."""

    def __init__(self, paths: Iterable[Path], percent: float, reserve_bytes: int, clock: Callable[[], float]) -> None:
        """Watch the file systems of some folders.

        Args:
            paths: Folders that exist.
            percent: A file system that is fuller than this is full.
            reserve_bytes: So is one with less than this free.
            clock: Monotonic, in seconds.
        """
        self._paths = tuple(paths)
        self._clock = clock
        self._answer: str | None = None
        self.limit(percent, reserve_bytes)

    def limit(self, percent: float, reserve_bytes: int) -> None:
        """Judge by other limits from now on; for their meaning see the constructor."""
        self._percent = percent
        self._reserve_bytes = reserve_bytes
        self._holds_until = float("-inf")

    def full(self) -> str | None:
        """Why there is no room, with numbers, for the operator; ``None`` if there is. A look is at most 1 s old."""
        now = self._clock()
        if now >= self._holds_until:
            # Two threads may look at the same time and find the same.
            self._answer = next(filter(None, map(self._look, self._paths)), None)
            self._holds_until = now + _HOLDS_SECONDS
        return self._answer

    def _look(self, path: Path) -> str | None:
        try:
            found = os.statvfs(path)
        except OSError as error:
            return f"{path}: free space cannot be told: {error.strerror}"
        return judge(path, found, percent=self._percent, reserve_bytes=self._reserve_bytes)


def judge(path: Path, found: os.statvfs_result, *, percent: float, reserve_bytes: int) -> str | None:
    """Why a file system is full, or ``None``; counted as ``df`` does: what only root may use is not there.

    Args:
        path: What to call it.
    """
    used = found.f_blocks - found.f_bfree
    usable = used + found.f_bavail
    used_percent = 100 * used / usable if usable else 100.0
    if used_percent > percent:
        return f"{path}: {used_percent:.1f} % used, limit {percent:g} %"
    free_bytes = found.f_bavail * found.f_frsize
    if free_bytes < reserve_bytes:
        return f"{path}: {free_bytes / 1e9:.1f} GB free, reserve {reserve_bytes / 1e9:g} GB"
    return None
