"""Whether what lies in the spool is still what was received: looked at before a job gets it."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

from hilum.errors import PermanentError, TemporaryError
from hilum.ledger.planning import DamagedMember, GroupMember
from hilum.store.digest import digest_of
from hilum.store.folders import put_aside
from hilum.store.part10 import HEAD_BYTES, NotDicom, read_meta
from hilum.store.receive import QUARANTINE

_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
#: Reading and digesting both leave the interpreter: two threads read a study twice as fast as one.
_READERS: Final = ThreadPoolExecutor(2, thread_name_prefix="hilum-inspect")


def quarantine_damaged(members: Sequence[GroupMember], spool: Path) -> tuple[DamagedMember, ...]:
    """Compare each file with the digest that was taken as it came, and put those that differ into quarantine.

    Idempotent: what a call before this one put aside is found there. Members without a digest are passed over.

    Raises:
        TemporaryError: A damaged file could not be put aside.
        PermanentError: A file is gone, or the disk cannot read it.
    """
    known = [member for member in members if member.digest]
    verdicts = _READERS.map(lambda member: damage(member, spool), known)
    return tuple(_put_aside(member, why, spool) for member, why in zip(known, verdicts, strict=True) if why)


def damage(member: GroupMember, spool: Path) -> str:
    """What is wrong with a member's file; empty if nothing is.

    Raises:
        PermanentError: It is gone, or the disk cannot read it.
    """
    path = spool / member.spool
    try:
        descriptor = os.open(path, _READ)
    except FileNotFoundError as error:
        if (spool / QUARANTINE / _name(member)).exists():
            return "found so before"
        raise PermanentError(f"{path} is gone from the spool; it was received, but is not there") from error
    except OSError as error:
        raise _unreadable(path, error) from error
    try:
        return _compare(descriptor, member)
    except OSError as error:
        raise _unreadable(path, error) from error
    finally:
        os.close(descriptor)


def _compare(descriptor: int, member: GroupMember) -> str:
    size = os.fstat(descriptor).st_size
    if size != member.size:
        return f"the file has {size} bytes, {member.size} were received"
    meta = read_meta(os.pread(descriptor, HEAD_BYTES, 0))
    if isinstance(meta, NotDicom):
        return meta.why
    found = digest_of(descriptor, meta.data_set_offset)
    return "" if found == member.digest else f"the data set has the digest {found}, {member.digest} was received"


def _unreadable(path: Path, error: OSError) -> Exception:
    if error.errno == errno.EIO:
        return PermanentError(f"{path} cannot be read: {error.strerror}; look after the disk of storage.temporary")
    return TemporaryError(f"{path} cannot be read just now: {error.strerror}")


def _put_aside(member: GroupMember, why: str, spool: Path) -> DamagedMember:
    kept = spool / QUARANTINE / _name(member)
    if (spool / member.spool).exists():
        kept = put_aside(spool / member.spool, kept.parent, kept.name, why)
    else:
        with suppress(OSError):  # of the call before
            why = kept.with_name(f"{kept.name}.txt").read_text(encoding="utf-8").strip()
    return DamagedMember(member=member, why=why, kept=kept)


def _name(member: GroupMember) -> str:
    path = Path(member.spool)
    return f"{path.parent.name}-{path.name}"
