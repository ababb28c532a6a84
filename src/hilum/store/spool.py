"""The files of one association, from its first instance until its instances are in jobs.

Until the release the folder is its own journal: ``association.json`` says who it is from, a ``.part`` is an instance
that was never answered, a ``.dcm`` one that is whole. All else is read from the files again after a crash.

An error of ``fsync`` is final. The kernel may report it once and then call the same data clean, so that a second call
which succeeds proves nothing: the instance is thrown away, and a folder that could not be synced takes no more.
"""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

from hilum.config import Durability
from hilum.model import AssociationInfo
from hilum.observe.durations import Durations
from hilum.store.durable import start_writing, sync_folder
from hilum.store.folders import move_folder, remove_folder, unwell
from hilum.store.leftovers import unfinished, write_association

__all__ = ["AssociationFolder", "Durability", "InstanceFile"]

_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
#: How many buffers one ``writev`` takes.
_IOV_MAX: Final = os.sysconf("SC_IOV_MAX")

#: The disk begins with a large file while the rest of it arrives, so much at a time.
_STRETCH_BYTES: Final = 8 << 20
#: With durability "association" files are synced while the next ones arrive, so that its release has little left to
#: wait for: batch by batch, since to hand over each small file costs more than to receive it.
_BATCH_FILES: Final = 8
_BATCH_BYTES: Final = 4 << 20
#: So many batches of one association may wait for it, each file with an open descriptor.
_BATCHES: Final = 2
_SYNCERS: Final = ThreadPoolExecutor(4, thread_name_prefix="hilum-sync")


class AssociationFolder:
    """The folder of an association that has stored something. Used by one thread at a time.

    Attributes:
        path: Where it is.
        prefix: That of the name of each file in it, up to its number.
        waited: For the disk, in the thread of the association: once for each instance, or once for its release.
    """

    def __init__(self, root: Path, info: AssociationInfo, durability: Durability, gateway: str = "") -> None:
        """Make ``<root>/<association id>/`` and its ``association.json``; on return both are on disk.

        The folder has its name only once it says whose it is, so that no other gateway takes it for a dead one's. What
        an attempt before this one left there, because the disk would not even let it be removed, is no hindrance.

        Args:
            gateway: To which the association has come.

        Raises:
            TemporaryError: They could not be made; nothing is left of them if it could be removed.
        """
        self.path = root / info.id
        self.prefix = f"{self.path}{os.sep}"
        self.waited = Durations()
        self._durability = durability
        self._count = 0
        self._batch: list[int] = []  # descriptors of files that are whole and that nobody syncs yet
        self._batch_bytes = 0
        self._syncing: deque[Future[None]] = deque()
        self._failed: OSError | None = None  # of a sync; final, see above
        self._refused: list[str] = []  # files of refused instances that the disk would not let go
        try:
            if self.path.is_symlink():
                raise FileExistsError(errno.EEXIST, "a link stands in its place", str(self.path))
            making = self.path if self.path.exists() else unfinished(self.path, gateway)
            try:
                making.mkdir(mode=0o700, exist_ok=True)
                write_association(making, info, gateway)
                sync_folder(making)
                if making != self.path:
                    making.rename(self.path)
                sync_folder(root)
            except OSError:
                for path in (making, self.path):
                    shutil.rmtree(path, ignore_errors=True)
                raise
        except OSError as error:
            raise unwell("the association's folder could not be made", error) from error

    def new_instance(self, meta: bytes) -> InstanceFile:
        """Begin the next file, which starts with ``meta``.

        Raises:
            TemporaryError: It could not be made, or a sync of this folder failed before.
        """
        if self._failed is not None:
            raise unwell("the association's folder could not be synced to disk", self._failed)
        self._count += 1
        try:
            return InstanceFile(self, self._count, meta)
        except OSError as error:
            raise unwell("the instance's file could not be made", error) from error

    def sync(self) -> None:
        """Put all that was committed on disk, if it is not there yet.

        Raises:
            TemporaryError: Some of it may never get there; asking again does not change that.
        """
        self._drop_refused()
        if self._durability is Durability.INSTANCE:
            return
        began = time.perf_counter_ns()
        self._await_batches()
        if self._failed is None:
            with suppress(OSError):  # which _failed keeps
                self._sync_entries()
        self.waited.add(time.perf_counter_ns() - began)
        if self._failed is not None:
            raise unwell("the association's instances could not be synced to disk", self._failed)

    def move_to(self, parent: Path) -> Path:
        """Put the folder into another one: see ``move_folder``, which also tells what it raises."""
        moved = parent / self.path.name
        if moved.is_dir() and not self.path.exists():
            self.path = moved  # by a call before, which could not sync it
        self.path = move_folder(self.path, parent)
        return self.path

    def remove(self) -> None:
        """Remove the folder and all that is in it.

        Raises:
            TemporaryError: Something is left; trying again may help.
        """
        self._await_batches()
        remove_folder(self.path.parent, self.path.name)

    def drop(self, *files: str) -> None:
        """Remove files of an instance that was not accepted, now or when the disk is well again."""
        self._refused += files
        self._drop_refused()

    def _drop_refused(self) -> None:
        left = []
        for file in self._refused:
            try:
                Path(file).unlink(missing_ok=True)
            except OSError:
                left.append(file)
        self._refused = left

    def keep(self, part: str, whole: str, descriptor: int, size: int) -> None:
        """Give a complete file its final name, as durably as configured. The descriptor is closed in any case.

        Raises:
            OSError: The file cannot be relied on; it may have either name.
        """
        if self._durability is Durability.INSTANCE:
            began = time.perf_counter_ns()
            _sync_and_close([descriptor])
            os.rename(part, whole)  # noqa: PTH104  not Path: see InstanceFile
            self._sync_entries()
            self.waited.add(time.perf_counter_ns() - began)
            return
        self._batch.append(descriptor)
        self._batch_bytes += size
        os.rename(part, whole)  # noqa: PTH104
        if len(self._batch) >= _BATCH_FILES or self._batch_bytes >= _BATCH_BYTES:
            while len(self._syncing) >= _BATCHES:
                self._await(self._syncing.popleft())
            self._syncing.append(_SYNCERS.submit(_sync_and_close, self._take_batch()))
        if self._failed is not None:
            raise self._failed

    def _take_batch(self) -> list[int]:
        batch, self._batch, self._batch_bytes = self._batch, [], 0
        return batch

    def _await_batches(self) -> None:
        try:
            _sync_and_close(self._take_batch())
        except OSError as error:
            self._failed = error
        while self._syncing:
            self._await(self._syncing.popleft())

    def _await(self, syncing: Future[None]) -> None:
        try:
            syncing.result()
        except OSError as error:
            self._failed = error

    def _sync_entries(self) -> None:
        try:
            sync_folder(self.path)
        except OSError as error:
            self._failed = error
            raise


class InstanceFile:
    """One instance on its way into the spool. It ends with ``commit`` or ``discard``.

    Attributes:
        number: Its place in the association, from 1.
        size: Of the file so far, in bytes, ``meta`` included.
    """

    __slots__ = ("_begun", "_descriptor", "_error", "_folder", "_part", "_unwritten", "_whole", "number", "size")

    def __init__(self, folder: AssociationFolder, number: int, meta: bytes) -> None:
        """Make the file; ``AssociationFolder.new_instance`` calls this.

        Raises:
            OSError: As the system says, also when somebody else made a file or link of that name.
        """
        self.number = number
        self.size = 0
        self._begun = 0  # bytes that the disk was told to begin with
        # Not Path: on a fast network making two of them for each instance shows.
        self._whole = f"{folder.prefix}{number}.dcm"
        self._part = f"{folder.prefix}{number}.part"
        self._folder = folder
        self._unwritten: tuple[bytes, ...] = (meta,)  # goes out with the first fragments: one system call less
        self._error: OSError | None = None
        # Nobody else enters this folder; but the job's folder gets a link, and the umask decides who reads that.
        self._descriptor = os.open(self._part, _CREATE, 0o644)

    @property
    def path(self) -> Path:
        """Where it is once it is committed."""
        return Path(self._whole)

    def write(self, fragments: Sequence[memoryview | bytes]) -> None:
        """Append; the fragments are not kept. After an error, which ``commit`` tells, nothing more is written."""
        if self._error is not None:
            return
        try:
            self.size += _write_all(self._descriptor, (*self._unwritten, *fragments))
            self._unwritten = ()
            if self.size - self._begun >= _STRETCH_BYTES:
                start_writing(self._descriptor, self._begun, self.size - self._begun)
                self._begun = self.size
        except OSError as error:
            self._error = error
            self.discard()  # at once: on a full disk what is already there stands in the way of others

    def commit(self) -> None:
        """Make the file whole under its final name, and as durable as configured.

        Raises:
            TemporaryError: That failed, or a write before; nothing is left of the file.
        """
        if self._unwritten:
            self.write(())
        error = self._error
        if error is None:
            descriptor, self._descriptor = self._descriptor, -1
            try:
                self._folder.keep(self._part, self._whole, descriptor, self.size)
            except OSError as failure:
                error = failure
        if error is not None:
            self.discard()
            raise unwell("the instance could not be written to disk", error) from error

    def discard(self) -> None:
        """Remove the file, committed or not. Never raises: see ``AssociationFolder.drop``."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            with suppress(OSError):
                os.close(descriptor)
        self._folder.drop(self._part, self._whole)


def _write_all(descriptor: int, buffers: Sequence[memoryview | bytes]) -> int:
    """Write every byte and tell how many they were; a write that is cut short, as on a nearly full disk, goes on."""
    total = 0
    for start in range(0, len(buffers), _IOV_MAX):
        batch = buffers[start : start + _IOV_MAX]
        written = os.writev(descriptor, batch)
        total += written
        for buffer in batch:
            if written >= len(buffer):
                written -= len(buffer)
                continue
            rest = memoryview(buffer)[written:]
            written = 0
            while rest:
                count = os.write(descriptor, rest)
                total += count
                rest = rest[count:]
    return total


def _sync_and_close(descriptors: Sequence[int]) -> None:
    """Sync files and close all of them, whatever comes of it.

    Raises:
        OSError: One could not be synced, the first one that could not.
    """
    failed: OSError | None = None
    if len(descriptors) > 1:
        for descriptor in descriptors:
            start_writing(descriptor, 0, 0)
    for descriptor in descriptors:
        try:
            if failed is None:
                os.fdatasync(descriptor)
        except OSError as error:
            failed = error
        finally:
            os.close(descriptor)
    if failed is not None:
        raise failed
