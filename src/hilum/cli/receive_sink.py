"""Where ``hilum receive`` puts what it gets: one folder, one file for each SOP Instance UID."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from hilum.association.sink import Ending
from hilum.model import Answer, AssociationInfo, Header, StoreRequest
from hilum.store import policy
from hilum.store.part10 import file_meta
from hilum.store.scan import HeadScanner, Unreadable
from hilum.wire import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """An instance that lies in the folder.

    Attributes:
        size: Of the file, in bytes.
        replaced: A file of the same SOP Instance UID was there before.
    """

    association: AssociationInfo
    request: StoreRequest
    header: Header
    path: Path
    size: int
    replaced: bool
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderReceiver:
    """Makes a sink for each association; see ``hilum.association.sink.Receiver``.

    Attributes:
        stored: Told of each file; called from the threads of the associations.
    """

    folder: Path
    clock: Callable[[], datetime]
    stored: Callable[[StoredFile], None]

    def congested(self) -> str | None:
        """Never: a full disk shows when it is written to."""
        return None

    def open(self, association: AssociationInfo) -> FolderSink:
        """Nothing is written until the first instance comes."""
        return FolderSink(self, association)


@dataclass(frozen=True, slots=True)
class FolderSink:
    """Stores each instance by itself: how the association ends changes nothing."""

    receiver: FolderReceiver
    association: AssociationInfo

    def begin(self, request: StoreRequest) -> FileWriter | Answer:
        """Start a file beside its final name."""
        part = self.receiver.folder / f".{request.sop_instance}.{self.association.id}.part"
        try:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        except OSError as error:
            return policy.out_of_resources(f"cannot be written: {error.strerror}")
        return FileWriter(self, request, part, descriptor)

    def release(self) -> None:
        """Everything is in its place already."""

    def broken(self, how: Ending, why: str) -> None:
        """What was answered with success stays."""


class FileWriter:
    """Writes one file; see ``hilum.association.sink.InstanceWriter``."""

    def __init__(self, sink: FolderSink, request: StoreRequest, part: Path, descriptor: int) -> None:
        self._sink = sink
        self._request = request
        self._part = part
        self._descriptor = descriptor
        self._scanner = HeadScanner(request.transfer_syntax)
        self._error: OSError | None = None
        self._size = 0
        meta = file_meta(
            sop_class=request.sop_class,
            sop_instance=request.sop_instance,
            transfer_syntax=request.transfer_syntax,
            calling=sink.association.calling,
            called=sink.association.called,
            implementation_class_uid=IMPLEMENTATION_CLASS_UID,
            implementation_version_name=IMPLEMENTATION_VERSION_NAME,
        )
        self._append(memoryview(meta))

    def write(self, fragments: Sequence[memoryview]) -> None:
        """To the file, past the scanner."""
        for fragment in fragments:
            self._scanner.feed(fragment)
            self._append(fragment)

    def _append(self, data: memoryview) -> None:
        try:
            while data and self._error is None:
                written = os.write(self._descriptor, data)
                self._size += written
                data = data[written:]
        except OSError as error:
            self._error = error  # told by finish: the rest of the data set must be read in any case

    def finish(self) -> Answer:
        """Judge the data set and give the file its name."""
        scanned = self._scanner.finish()
        refused = (
            policy.unreadable(scanned.why) if isinstance(scanned, Unreadable) else policy.after(self._request, scanned)
        )
        if self._error is not None:
            refused = policy.out_of_resources(f"cannot be written: {self._error.strerror}")
        if refused is not None or isinstance(scanned, Unreadable):
            self.discard()
            assert refused is not None
            return refused
        receiver = self._sink.receiver
        path = receiver.folder / f"{self._request.sop_instance}.dcm"
        replaced = path.exists()
        try:
            os.close(self._descriptor)  # some file systems tell only now that a write has failed
            self._part.replace(path)
        except OSError as error:
            self._part.unlink(missing_ok=True)
            return policy.out_of_resources(f"cannot be written: {error.strerror}")
        receiver.stored(
            StoredFile(
                association=self._sink.association,
                request=self._request,
                header=scanned,
                path=path,
                size=self._size,
                replaced=replaced,
                at=receiver.clock(),
            )
        )
        return policy.SUCCESS

    def discard(self) -> None:
        """Leave no trace."""
        with suppress(OSError):
            os.close(self._descriptor)
        self._part.unlink(missing_ok=True)
