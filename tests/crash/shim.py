"""The library that makes system calls of a gateway fail: compiled when it is wanted, armed and read while it is loaded.

``faults.c`` says what it does; this is its control block.
"""

from __future__ import annotations

import ctypes
import hashlib
import mmap
import os
import subprocess
import tempfile
from enum import IntEnum, IntFlag
from pathlib import Path
from typing import Final

_SOURCE: Final = Path(__file__).with_name("faults.c")


class Action(IntEnum):
    """What happens at the call that is hit."""

    COUNT = 0
    KILL = 1
    CUT = 2  # the file system loses its power, then the process is killed
    FAIL_ONCE = 3
    FAIL_ON = 4  # and every call after it, until disarmed
    LIE = 5  # it is not made and said to have worked
    LOG = 6


class Kind(IntFlag):
    """Which calls count."""

    READ_OPEN = 1
    MAKE = 2
    WRITE = 4
    SYNC = 8
    RENAME = 16
    LINK = 32
    REMOVE = 64
    SIZE = 128


#: Whatever can change what is on disk: between two of these calls every moment is like every other.
CHANGING: Final = ~Kind.READ_OPEN
EVERYTHING: Final = CHANGING | Kind.READ_OPEN
#: What a full disk refuses.
GROWING: Final = Kind.MAKE | Kind.WRITE | Kind.SYNC | Kind.RENAME | Kind.LINK | Kind.SIZE


class _Block(ctypes.Structure):
    _fields_ = (
        ("armed", ctypes.c_int32),
        ("pid", ctypes.c_int32),
        ("action", ctypes.c_int32),
        ("error", ctypes.c_int32),
        ("kinds", ctypes.c_int32),
        ("unused", ctypes.c_int32),
        ("at", ctypes.c_int64),
        ("count", ctypes.c_int64),
        ("hits", ctypes.c_int64),
        ("hit_ns", ctypes.c_int64),
        ("slept_ns", ctypes.c_int64),
        ("wall_ns", ctypes.c_int64),
        ("root", ctypes.c_char * 256),
        ("mount", ctypes.c_char * 256),
        ("log", ctypes.c_char * 256),
        ("call", ctypes.c_char * 32),
        ("thread", ctypes.c_char * 32),
        ("path", ctypes.c_char * 512),
    )


class Faults:
    """The control block of one gateway after another; a library maps the same file.

    Args:
        path: A file on a healthy disk.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_bytes(bytes(ctypes.sizeof(_Block)))
        self._block = mapped(path)
        self._block.log = os.fsencode(path.with_suffix(".log"))

    def aim(self, root: Path, mount: Path) -> None:
        """Turn to another site; its clocks are right.

        Args:
            root: Only calls on files below it count.
            mount: The file system that ``Action.CUT`` takes the power from.
        """
        self.disarm()
        self._block.slept_ns = self._block.wall_ns = 0
        self._block.root = os.fsencode(root)
        self._block.mount = os.fsencode(mount)

    def arm(self, action: Action, *, at: int = 1, error: int = 0, kinds: Kind = EVERYTHING) -> None:
        """From now on calls count, and the ``at``-th one is hit."""
        block = self._block
        block.armed = 0
        block.action, block.at, block.error, block.kinds = action, at, error, kinds
        block.count = block.hits = block.hit_ns = 0
        block.call = block.thread = block.path = b""
        block.armed = 1

    def disarm(self) -> None:
        """Let every call through again; what was counted stays."""
        self._block.armed = 0

    @property
    def count(self) -> int:
        """Calls since the last ``arm``."""
        return int(self._block.count)

    @property
    def hits(self) -> int:
        """How many of them were hit."""
        return int(self._block.hits)

    @property
    def hit_at(self) -> float:
        """When the first one was hit, as ``time.monotonic`` counts; before anything came of it."""
        return float(self._block.hit_ns) / 1e9

    @property
    def point(self) -> tuple[str, str, str]:
        """Thread, call and path below the root of the first hit."""
        block = self._block
        return os.fsdecode(block.thread), os.fsdecode(block.call), os.fsdecode(block.path)

    @property
    def slept(self) -> float:
        """Seconds that the machine has slept, as the gateway sees it and the next one will."""
        return float(self._block.slept_ns) / 1e9

    @slept.setter
    def slept(self, seconds: float) -> None:
        self._block.slept_ns = int(seconds * 1e9)

    @property
    def wall_ahead(self) -> float:
        """Seconds that somebody has put the wall clock forward; it stays so after a restart."""
        return float(self._block.wall_ns) / 1e9

    @wall_ahead.setter
    def wall_ahead(self, seconds: float) -> None:
        self._block.wall_ns = int(seconds * 1e9)

    def logged(self) -> list[tuple[str, str, str]]:
        """Thread, call and path of every call that ``Action.LOG`` saw."""
        lines = self.path.with_suffix(".log").read_text().splitlines()
        return [(thread, call, path) for thread, call, path in (line.split("\t") for line in lines)]


def mapped(path: Path) -> _Block:
    """The control block in that file."""
    with path.open("r+b") as file:
        return _Block.from_buffer(mmap.mmap(file.fileno(), 0))


def library() -> Path:
    """The compiled library, made by the first that needs it."""
    digest = hashlib.sha256(_SOURCE.read_bytes()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"hilum-crash-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to somebody else")
    made = folder / f"faults-{digest}.so"
    if not made.exists():
        part = made.with_name(f"{made.name}.{os.getpid()}")
        command = ["cc", "-O2", "-Wall", "-Wextra", "-fPIC", "-shared", "-o", str(part), str(_SOURCE), "-ldl"]
        subprocess.run(command, check=True)
        part.replace(made)
    return made
