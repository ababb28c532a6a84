"""File systems that lose their power, fill up, fail, freeze or turn read-only; and an ordinary folder."""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Literal, Self

from harness.waiting import eventually

_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_FS_IOC_SHUTDOWN: Final = 0x8004587D  # _IOR('X', 125, __u32)
_NOLOGFLUSH: Final = struct.pack("I", 2)
_FIFREEZE: Final = 0xC0045877
_FITHAW: Final = 0xC0045878
_MS_RDONLY: Final = 1
_MS_REMOUNT: Final = 32
_MNT_DETACH: Final = 2

Kind = Literal["ext4", "xfs"]
#: Options that widen the window between a write and the moment it reaches the disk by itself.
_OPTIONS: Final = {"ext4": "commit=300", "xfs": ""}
_MAKE: Final = {"ext4": ("mkfs.ext4", "-q", "-F"), "xfs": ("mkfs.xfs", "-q", "-f")}
_ROOM: Final = 2 * 1024**3


def cannot_mount(kind: Kind = "ext4") -> str:
    """Why no file system can be made and mounted here; empty if it can."""
    if os.geteuid() != 0:
        return "needs root: a file system is mounted, to cut its power"
    if not Path("/dev/loop-control").exists():
        return "needs loop devices (/dev/loop-control): a file system is mounted, to cut its power"
    path = os.pathsep.join((os.environ["PATH"], "/usr/sbin", "/sbin"))
    missing = [name for name in (_MAKE[kind][0], "losetup") if shutil.which(name, path=path) is None]
    return f"needs {' and '.join(missing)}" if missing else ""


@contextmanager
def healthy_folder() -> Iterator[Path]:
    """A new folder on a disk that no test hurts: in memory if there is room, since tests start thousands of times."""
    shared = Path("/dev/shm")
    with suppress(OSError):
        if shutil.disk_usage(shared).free < _ROOM or not os.access(shared, os.W_OK):
            shared = Path(tempfile.gettempdir())
    folder = Path(tempfile.mkdtemp(prefix="hilum-crash-", dir=shared if shared.is_dir() else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


class Folder:
    """An ordinary folder: enough for whoever only kills processes, since what they wrote stays in memory.

    Attributes:
        root: Where files go.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.root, ignore_errors=True)


class LoopDisk:
    """A file system in a file.

    Attributes:
        root: Where it is mounted.
    """

    def __init__(self, folder: Path, kind: Kind = "ext4", *, megabytes: int = 320, options: str = "") -> None:
        self.kind = kind
        self.root = folder / "disk"
        self._image = folder / "disk.img"
        self._megabytes = megabytes
        self._options = ",".join(filter(None, (_OPTIONS[kind], options)))
        self._device = ""
        self._mounted = False

    def __enter__(self) -> Self:
        self.root.mkdir(parents=True)
        with self._image.open("wb") as image:
            image.truncate(self._megabytes * 1024**2)
        _run(*_MAKE[self.kind], str(self._image))
        self._device = _run("losetup", "--find", "--show", str(self._image)).strip()
        try:
            self.mount()
        except BaseException:
            self._detach()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self.thaw()
        try:
            self.unmount()
        except (OSError, AssertionError):
            _check(_LIBC.umount2(os.fsencode(self.root), _MNT_DETACH))
            raise
        finally:
            self._detach()
            self._image.unlink()

    def _detach(self) -> None:
        _run("losetup", "--detach", self._device)

    @property
    def name(self) -> str:
        """Of the block device, as below ``/sys/fs/ext4``."""
        return Path(self._device).name

    def mount(self) -> None:
        """Mount it; the journal is replayed."""
        source, target, kind, options = (
            os.fsencode(one) for one in (self._device, self.root, self.kind, self._options)
        )
        _check(_LIBC.mount(source, target, kind, 0, options))
        self._mounted = True

    def unmount(self, seconds: float = 10) -> None:
        """Unmount it, as soon as whoever had files open is gone, and whoever had copied the mount."""
        known = Path("/sys/fs", self.kind, self.name)

        def gone() -> bool:
            if not self._mounted:
                return not known.exists()
            if _LIBC.umount2(os.fsencode(self.root), 0) == 0:
                self._mounted = False
                return not known.exists()
            number = ctypes.get_errno()
            if number != 16:  # EBUSY
                raise OSError(number, os.strerror(number), str(self.root))
            return False

        eventually(gone, seconds=seconds, what=f"{self.root} to be free", pause=0.002)

    def cut(self) -> float:
        """Take the power: nothing that is not on disk by now gets there any more; when it was, monotonic."""
        descriptor = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            now = time.monotonic()
            fcntl.ioctl(descriptor, _FS_IOC_SHUTDOWN, _NOLOGFLUSH)
        finally:
            os.close(descriptor)
        return now

    def power_up(self) -> None:
        """After ``cut``, once every process of the machine is gone."""
        self.unmount()
        self.mount()

    def freeze(self) -> None:
        """Let whoever writes wait."""
        self._control(_FIFREEZE)

    def thaw(self) -> None:
        """Let them go on."""
        self._control(_FITHAW)

    def _control(self, request: int) -> None:
        descriptor = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(descriptor, request, 0)
        finally:
            os.close(descriptor)


class MemoryDisk:
    """A small file system in memory, to be filled.

    Attributes:
        root: Where it is mounted.
    """

    def __init__(self, folder: Path, *, megabytes: int) -> None:
        self.root = folder
        self._megabytes = megabytes

    def __enter__(self) -> Self:
        self.root.mkdir(parents=True)
        options = f"size={self._megabytes}m,mode=0700".encode()
        _check(_LIBC.mount(b"hilum-crash", os.fsencode(self.root), b"tmpfs", 0, options))
        return self

    def __exit__(self, *_: object) -> None:
        _check(_LIBC.umount2(os.fsencode(self.root), _MNT_DETACH))
        self.root.rmdir()


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _run(*command: str) -> str:
    path = os.pathsep.join((os.environ["PATH"], "/usr/sbin", "/sbin"))
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=dict(os.environ) | {"PATH": path})
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout
