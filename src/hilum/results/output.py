"""Looks into a job's ``output/`` folder, where anything may lie, and reads what can be sent."""

from __future__ import annotations

import hashlib
import os
import stat
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hilum.ledger.collecting import NewResult, NotSent
from hilum.results import policy
from hilum.store.rescan import Scanned, examine
from hilum.store.scan import Unreadable

#: Digests are made without the interpreter's lock; more would leave nothing for what else goes on.
_THREADS: Final = 2
#: Smaller files are read sooner than a thread is told to.
_WORTH_A_THREAD: Final = 64 * 1024
#: Files that are open at once.
_AHEAD: Final = 8

_KINDS: Final = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISDIR, "a folder that may not be entered"),
)


class OutputChangedError(Exception):
    """A file changed while it was read: look again later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What was found below ``output/``, by path."""

    results: tuple[NewResult, ...]
    not_sent: tuple[NotSent, ...]


def snapshot(output: Path) -> policy.Snapshot:
    """Names, sizes and times of everything below; empty if the folder is not there."""
    return {path: (found.st_size, found.st_mtime_ns) for path, found, _ in _walk(output)}


def read(output: Path, *, max_bytes: int) -> Contents:
    """Read every file below ``output/`` as a result, or say why it is none. Never follows links, never blocks.

    Raises:
        OutputChangedError: Somebody still writes.
        OSError: The file system fails.
    """
    results: list[NewResult] = []
    not_sent: list[NotSent] = []
    for path, verdict in _in_order(output, max_bytes):
        if isinstance(verdict, NewResult):
            results.append(verdict)
        else:
            not_sent.append(NotSent(path=_printable(path), why=verdict))
    return Contents(results=tuple(results), not_sent=tuple(not_sent))


def _in_order(output: Path, max_bytes: int) -> Iterator[tuple[str, NewResult | str]]:
    """What each file is, as the walk finds them; large ones are read in other threads meanwhile."""
    pending: deque[tuple[str, Future[NewResult | str]]] = deque()
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="results-read") as pool:
        for path, found, folder in _walk(output):
            if path in policy.OURS:
                continue
            opened = _open(path, found, folder, max_bytes)
            if isinstance(opened, str):
                verdict = _known(opened)
            elif found.st_size < _WORTH_A_THREAD:
                verdict = _known(_read(path, found, opened))
            else:
                verdict = pool.submit(_read, path, found, opened)
            pending.append((path, verdict))
            if len(pending) > _AHEAD:
                first, verdict = pending.popleft()
                yield first, verdict.result()
        yield from ((path, verdict.result()) for path, verdict in pending)


def _known(verdict: NewResult | str) -> Future[NewResult | str]:
    future: Future[NewResult | str] = Future()
    future.set_result(verdict)
    return future


def _walk(output: Path) -> Iterator[tuple[str, os.stat_result, int]]:
    """Path below ``output``, status, and an open descriptor of its folder; of folders only those that are not entered.

    Raises:
        OSError: The file system fails, or a folder vanished meanwhile.
    """
    if not output.is_dir():
        return
    for root, folders, files, descriptor in os.fwalk(output, onerror=_fail, follow_symlinks=False):
        closed = {name for name in folders if not _may_enter(name, descriptor)}
        folders[:] = sorted(set(folders) - closed)
        for name in sorted([*files, *closed]):
            try:
                found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            except FileNotFoundError:
                continue  # removed meanwhile: the next look tells
            yield os.path.relpath(os.path.join(root, name), output), found, descriptor  # noqa: PTH118


def _fail(error: OSError) -> None:
    raise error


def _may_enter(name: str, descriptor: int) -> bool:
    is_link = stat.S_ISLNK(os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode)
    return not is_link and os.access(name, os.R_OK | os.X_OK, dir_fd=descriptor, effective_ids=True)


def _open(path: str, found: os.stat_result, folder: int, max_bytes: int) -> int | str:
    """A descriptor, for ``_read`` to close, or why it is not to be read."""
    for is_kind, kind in _KINDS:
        if is_kind(found.st_mode):
            return f"it is {kind}, not a regular file"
    if _printable(path) != path:
        return "its name is not UTF-8 text without control characters"
    if found.st_size == 0:
        return "it is empty"
    if found.st_size > max_bytes:
        return f"it has {found.st_size} bytes, more than dicom.scp.limits.object-gb allows ({max_bytes})"
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        return os.open(os.path.basename(path), flags, dir_fd=folder)  # noqa: PTH119
    except PermissionError:
        return "it cannot be read: permission denied"


def _read(path: str, found: os.stat_result, descriptor: int) -> NewResult | str:
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OutputChangedError(path)
        verdict = _judge(path, examine(descriptor))
        digest = "" if isinstance(verdict, str) else hashlib.file_digest(file, "sha256").hexdigest()
        after = os.fstat(descriptor)
        if (after.st_size, after.st_mtime_ns) != (found.st_size, found.st_mtime_ns):
            raise OutputChangedError(path)  # half a file is no DICOM, and no reason to say so
    if isinstance(verdict, str):
        return verdict
    return NewResult(
        path=path,
        # What the data set says counts: group 0002 is only a label, and C-STORE sends the data set.
        sop_class=verdict.header.sop_class,
        sop_instance=verdict.header.sop_instance,
        transfer_syntax=verdict.meta.transfer_syntax,
        study=verdict.header.study,
        offset=verdict.meta.data_set_offset,
        size=found.st_size,
        sha256=digest,
    )


def _judge(path: str, found: Scanned | Unreadable) -> Scanned | str:
    if isinstance(found, Unreadable):
        hint = "" if path.lower().endswith(".dcm") else " (only DICOM files are sent)"
        return f"it cannot be sent as DICOM: {found.why}{hint}"
    return policy.refuse_uids(found.header.sop_class, found.header.sop_instance) or found


def _printable(path: str) -> str:
    text = path.encode("utf-8", "backslashreplace").decode()
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)
