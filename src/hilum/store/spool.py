"""The files of one association, from its first instance until its instances are in jobs.

Until the release the folder is its own journal: ``association.json`` says who it is from, a ``.part`` is an instance that
was never answered, a ``.dcm`` one that is whole. Everything else can be read from the files again: see ``rescan``.

An error of ``fsync`` is final. The kernel may report it once and then call the same data clean, so a second call that
succeeds proves nothing: the instance is thrown away, and a folder whose entries could not be synced takes no more.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePath
from typing import Final

from hilum.config import Durability
from hilum.errors import LocalError, PermanentError, TemporaryError
from hilum.model import AETitle, AssociationId, AssociationInfo, Header
from hilum.store.durable import sync_folder, write_file
from hilum.store.part10 import HEAD_BYTES, MetaInfo, NotDicom, read_meta
from hilum.store.scan import HeadScanner, Unreadable

__all__ = [
    "AssociationFolder",
    "Durability",
    "InstanceFile",
    "Leftover",
    "Rescan",
    "leftovers",
    "read_association",
    "remove_folder",
    "rescan",
]

_ASSOCIATION_FILE: Final = "association.json"
_INSTANCE_FILE: Final = re.compile(r"([1-9][0-9]{0,17})\.(part|dcm)")
#: Below ``storage.temporary`` but no associations; ``lost+found`` is there if it is a file system of its own.
_NO_ASSOCIATIONS: Final = frozenset({"held", "quarantine", "lost+found"})

_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
#: How many buffers one ``writev`` takes.
_IOV_MAX: Final = os.sysconf("SC_IOV_MAX")
#: With durability "association" so many files are synced at the same time, and so many are open for it: measured, and
#: few enough that neither a release nor the limit of open files is ever a surprise.
_SYNCING_THREADS: Final = 4
_SYNCING_FILES: Final = 16
_CHUNK_BYTES: Final = 1 << 16


class AssociationFolder:
    """The folder of an open association. Used by one thread at a time.

    Attributes:
        path: Where it is.
    """

    def __init__(self, root: Path, info: AssociationInfo, durability: Durability) -> None:
        """Make ``<root>/<association id>/`` and its ``association.json``; on return both are on disk.

        Raises:
            TemporaryError: They could not be made; nothing is left of them.
        """
        self.path = root / info.id
        self._durability = durability
        self._count = 0
        self._unsound: OSError | None = None
        self._syncing: deque[Future[None]] = deque()
        self._pool = ThreadPoolExecutor(_SYNCING_THREADS, thread_name_prefix="hilum-sync")
        try:
            self.path.mkdir(mode=0o700)
            try:
                write_file(self.path / _ASSOCIATION_FILE, _dump(info))
                sync_folder(self.path)
                sync_folder(root)
            except OSError:
                shutil.rmtree(self.path, ignore_errors=True)
                raise
        except OSError as error:
            raise _temporary("the folder of the association could not be made", error) from error

    def new_instance(self, meta: bytes) -> InstanceFile:
        """Begin the next file with its preamble and group 0002.

        Raises:
            TemporaryError: The file could not be made, or the disk failed this folder before.
        """
        if self._unsound is not None:
            raise _temporary("the disk failed to keep the association's folder", self._unsound)
        self._count += 1
        try:
            return InstanceFile(self, self._count, meta)
        except OSError as error:
            raise _temporary("the instance's file could not be made", error) from error

    def sync(self) -> None:
        """Put everything that was committed on disk; the promise of a release is given after this.

        Raises:
            TemporaryError: Some of it may not be there; asking again gives the same answer.
        """
        while self._syncing:
            self._await_oldest()
        if self._durability is Durability.ASSOCIATION and self._unsound is None:
            self._sync_entries()
        if self._unsound is not None:
            raise _temporary("the disk failed to keep the association's instances", self._unsound)

    def move_to(self, parent: Path) -> Path:
        """Put the folder below another one on the same file system, which is made if needed; on return that is on disk.

        Raises:
            TemporaryError: It could not be moved or the move may not outlive a power cut; moving again is harmless.
        """
        target = parent / self.path.name
        try:
            if not parent.is_dir():
                parent.mkdir(mode=0o700, exist_ok=True)
                sync_folder(parent.parent)
            if target != self.path:
                source, self.path = self.path, self.path.rename(target)
                sync_folder(parent)
                sync_folder(source.parent)
        except OSError as error:
            raise _temporary("the association's folder could not be moved", error) from error
        return self.path

    def remove(self) -> None:
        """Remove the folder and all that is in it.

        Raises:
            TemporaryError: Something is left; it may be tried again.
        """
        while self._syncing:
            self._await_oldest()
        remove_folder(self.path.parent, self.path.name)

    def keep(self, part: Path, whole: Path, descriptor: int) -> None:
        """Give a complete file its final name, as durable as configured; the descriptor is closed in any case.

        Raises:
            OSError: The file is not durable; it may have either name.
        """
        if self._durability is Durability.INSTANCE:
            _sync_and_close(descriptor)
            part.rename(whole)
            self._sync_entries()
            return
        self._syncing.append(self._pool.submit(_sync_and_close, descriptor))
        part.rename(whole)
        if len(self._syncing) > _SYNCING_FILES:
            self._await_oldest()
        if self._unsound is not None:
            raise self._unsound

    def _await_oldest(self) -> None:
        try:
            self._syncing.popleft().result()
        except OSError as error:
            self._unsound = error

    def _sync_entries(self) -> None:
        try:
            sync_folder(self.path)
        except OSError as error:
            self._unsound = error
            raise
