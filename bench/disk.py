"""What it costs to have a file on disk, by the way it is put there. `make bench ARGS=disk`.

These are the choices that a receiver has, without the receiver: the same bytes are written by a loop, by one process
and by four side by side.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

from bench import session
from bench.machine import machine
from bench.report import bullets
from bench.settings import Settings

_SIZES: Final = {"512 KB": 525_000, "9 KB": 9_000}
_WRITERS: Final = (1, 4)
_FILES: Final = 240
#: As many as Hilum syncs together with durability "association".
_BATCH: Final = 8
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


def _create(folder: int, number: int, content: bytes) -> int:
    descriptor = os.open(f"{number}.part", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=folder)
    os.write(descriptor, content)
    return descriptor


def _name(folder: int, number: int) -> None:
    os.rename(f"{number}.part", f"{number}.dcm", src_dir_fd=folder, dst_dir_fd=folder)


def _nothing(folder: int, number: int, content: bytes) -> None:
    descriptor = _create(folder, number, content)
    _name(folder, number)
    os.close(descriptor)


def _synced_then_named(folder: int, number: int, content: bytes) -> None:
    descriptor = _create(folder, number, content)
    os.fdatasync(descriptor)
    _name(folder, number)
    os.fsync(folder)
    os.close(descriptor)


def _named_then_synced(folder: int, number: int, content: bytes) -> None:
    descriptor = _create(folder, number, content)
    _name(folder, number)
    os.fdatasync(descriptor)
    os.fsync(folder)
    os.close(descriptor)


class _Batches:
    """Syncs several files together.

    Args:
        before: Is given their descriptors and the folder's before they are synced one by one.
    """

    def __init__(self, before: Callable[[list[int], int], None]) -> None:
        self._before = before
        self._batch: list[int] = []

    def __call__(self, folder: int, number: int, content: bytes) -> None:
        self._batch.append(_create(folder, number, content))
        _name(folder, number)
        if len(self._batch) < _BATCH:
            return
        self._before(self._batch, folder)
        for descriptor in self._batch:
            os.fdatasync(descriptor)
            os.close(descriptor)
        self._batch.clear()


def _begun(descriptors: list[int], _: int) -> None:
    for descriptor in descriptors:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def _whole_file_system(_: list[int], folder: int) -> None:
    if _LIBC.syncfs(folder) != 0:
        raise OSError(ctypes.get_errno(), "syncfs")


#: Makes a way anew for each process.
_WAYS: Final[Mapping[str, Callable[[], Callable[[int, int, bytes], None]]]] = {
    "written, not synced": lambda: _nothing,
    "synced, renamed, folder synced (Hilum, `instance`)": lambda: _synced_then_named,
    "renamed, synced, folder synced": lambda: _named_then_synced,
    f"{_BATCH} together, one after the other": lambda: _Batches(lambda *_: None),
    f"{_BATCH} together, all begun first (Hilum, `association`)": lambda: _Batches(_begun),
    f"{_BATCH} together, `syncfs` first": lambda: _Batches(_whole_file_system),
}


class Disk:
    """Measures them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def run(self) -> None:
        """Measure, print, and write `disk.md`."""
        columns = [(size, writers) for size in _SIZES for writers in _WRITERS]
        values: dict[str, dict[tuple[str, int], list[float]]] = {name: {one: [] for one in columns} for name in _WAYS}
        for _ in range(self._settings.rounds):
            for size, writers in columns:
                for name, way in _WAYS.items():
                    work = partial(self._written, way, os.urandom(_SIZES[size]), writers)
                    values[name][size, writers].append(session.in_empty_folder(self._settings.runs, work)["ms"])
        lines = ["# What it costs to have a file on disk", "", "Written by `make bench ARGS=disk`.", ""]
        lines += bullets(machine(self._settings.folder))
        titles = [f"{size}, {writers} writing" for size, writers in columns]
        lines += ["", f"| milliseconds a file | {' | '.join(titles)} |", "|---|" + "---:|" * len(columns)]
        for name, found in values.items():
            lines.append(f"| {name} | " + " | ".join(f"{median(found[one]):.2f}" for one in columns) + " |")
        self._settings.write("disk.md", "\n".join(lines) + "\n")

    def _written(
        self, way: Callable[[], Callable[[int, int, bytes], None]], content: bytes, writers: int, folder: Path
    ) -> Mapping[str, float]:
        count = self._settings.count(_FILES, _BATCH) // _BATCH * _BATCH
        begin = time.perf_counter()
        children = [os.fork() or _write(way(), content, count, folder / str(number)) for number in range(writers)]
        if any(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children):
            raise OSError(f"a process that writes into {folder} failed")
        return {"ms": (time.perf_counter() - begin) * 1000 / count / writers}


def _write(way: Callable[[int, int, bytes], None], content: bytes, count: int, folder: Path) -> int:
    """The work of a process of its own; does not return."""
    try:
        folder.mkdir()
        descriptor = os.open(folder, os.O_RDONLY)
        for number in range(count):
            way(descriptor, number, content)
        os._exit(0)
    finally:
        os._exit(1)
