"""Looks at the machine: its clock, its disks, what may be written, the ports, the file descriptors."""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from hilum import words
from hilum.config import Settings
from hilum.doctor.check import Check, Grade
from hilum.store.disk import judge

#: No clock that is set says anything earlier.
_FIRST: Final = datetime(2025, 1, 1, tzinfo=UTC)
#: Clocks of one machine may differ by as much.
_TOLERANCE: Final = timedelta(seconds=1)
#: So near to its watermark a disk will soon be full.
_NEAR_PERCENT: Final = 5
_FEW_INODES: Final = 0.05
#: A sync of a few bytes on a disk that is well.
_SLOW_SYNC: Final = 0.05
_BAD_SYNC: Final = 0.5
#: Descriptors of a gateway beside those of its peers and jobs.
_OWN_FILES: Final = 128
_FILES_PER_ASSOCIATION: Final = 6
#: ``adjtimex`` returns it when nothing keeps the clock right. Source: adjtimex(2).
_TIME_ERROR: Final = 5


def clock(now: datetime, last: datetime | None) -> Iterator[Check]:
    """Whether the clock goes on from what the ledger has, and whether something keeps it right."""
    remedy = "set the clock, and let it be kept right (chrony, systemd-timesyncd)"
    behind = last is not None and now < last - _TOLERANCE
    if now < _FIRST or behind:
        found = f"the system clock says {now:%Y-%m-%d %H:%M:%S} UTC"
        expected = (
            "a date of today"
            if last is None or not behind
            else f"not before the ledger's last line, {last:%Y-%m-%d %H:%M:%S} UTC"
        )
        yield Check(area="clock", subject="time", grade=Grade.WRONG, found=found, expected=expected, remedy=remedy)
    else:
        since = "" if last is None else f", {words.duration(now - last)} after the last line of the ledger"
        yield Check(area="clock", subject="time", grade=Grade.OK, found=f"{now:%Y-%m-%d %H:%M:%S} UTC{since}")
    kept = _is_kept_right()
    if kept is not None:
        yield Check(
            area="clock",
            subject="synchronisation",
            grade=Grade.OK if kept else Grade.LOOK,
            found="the kernel says that something keeps the clock right"
            if kept
            else "the kernel says that nothing keeps the clock right",
            expected="" if kept else "a time service; DICOM peers do not tell their time, so theirs is not known here",
            remedy="" if kept else remedy,
        )


def _is_kept_right() -> bool | None:
    """What the kernel knows; ``None``: it cannot be asked."""
    buffer = ctypes.create_string_buffer(512)  # more than a struct timex has; modes 0 = only look
    with suppress(OSError, AttributeError):
        state = ctypes.CDLL(None).adjtimex(buffer)
        return None if state < 0 else state != _TIME_ERROR
    return None


def folders_of(settings: Settings, ledger: Path | None) -> Mapping[str, Path]:
    """The folders that a gateway writes to, by what the configuration calls them."""
    storage = settings.storage
    return {
        "storage.temporary": storage.temporary,
        "storage.payloads": storage.payloads,
        "storage.output": storage.output,
        **({} if ledger is None else {"ledger.url": ledger.parent}),
    }


def disk(settings: Settings, ledger: Path | None) -> Iterator[Check]:
    """Room and inodes of each file system, the time of a sync in each folder, and whether inputs can be links."""
    storage = settings.storage
    reserve = int(storage.reserve_gb * 1_000_000_000)
    told: set[int] = set()
    for name, folder in folders_of(settings, ledger).items():
        subject = f"{name} {folder}"
        try:
            found, device = os.statvfs(folder), folder.stat().st_dev
        except OSError as error:
            remedy = "hilum serve makes it" if error.errno == errno.ENOENT else "look after the disk and its mount"
            grade = Grade.LOOK if error.errno == errno.ENOENT else Grade.WRONG
            why = f"cannot be looked at: {error.strerror}"
            yield Check(area="disk", subject=subject, grade=grade, found=why, expected="a folder", remedy=remedy)
            continue
        full = judge(folder, found, percent=storage.watermark_percent, reserve_bytes=reserve)
        if device not in told:
            yield _room(subject, found, full, storage.watermark_percent)
            if found.f_files:
                yield _inodes(subject, found.f_favail, found.f_files)
        told.add(device)
        yield _sync(subject, folder)
    yield from _one_file_system(storage.temporary, storage.payloads)


def _room(subject: str, found: os.statvfs_result, full: str | None, watermark: int) -> Check:
    used = found.f_blocks - found.f_bfree
    percent = 100 * used / max(1, used + found.f_bavail)
    free = f"{percent:.1f} % used, {words.size(found.f_bavail * found.f_frsize)} free"
    if full:
        return Check(
            area="disk",
            subject=subject,
            grade=Grade.WRONG,
            found=f"full: {full}; associations are rejected and C-STOREs answered with A700H",
            expected=f"at most {watermark} % used",
            remedy="make room, or raise storage.watermark-percent; retention-days removes what is over",
        )
    near = percent > watermark - _NEAR_PERCENT
    return Check(
        area="disk",
        subject=subject,
        grade=Grade.LOOK if near else Grade.OK,
        found=free,
        expected=f"well below the watermark of {watermark} %" if near else "",
        remedy="make room before nothing new is taken" if near else "",
    )


def _inodes(subject: str, free: int, total: int) -> Check:
    few = free < total * _FEW_INODES
    return Check(
        area="disk",
        subject=f"{subject}, inodes",
        grade=Grade.WRONG if not free else Grade.LOOK if few else Grade.OK,
        found=f"{free} of {total} inodes are free",
        expected=f"at least {_FEW_INODES:.0%}" if few else "",
        remedy="remove small files, or make the file system anew with more inodes" if few else "",
    )


def _sync(subject: str, folder: Path) -> Check:
    subject = f"{subject}, sync"
    try:
        seconds = _sync_seconds(folder)
    except OSError as error:
        return Check(
            area="disk",
            subject=subject,
            grade=Grade.WRONG,
            found=f"a file cannot be written and synced: {error.strerror}",
            expected="success means stored: it has to be possible",
            remedy="look after the disk, its mount and its quota",
        )
    slow = seconds > _SLOW_SYNC
    return Check(
        area="disk",
        subject=subject,
        grade=Grade.WRONG if seconds > _BAD_SYNC else Grade.LOOK if slow else Grade.OK,
        found=f"4 kB are on the disk after {_short(seconds)}",
        expected=f"at most {words.duration(timedelta(seconds=_SLOW_SYNC))}: each instance waits for one"
        if slow
        else "",
        remedy="use a disk with a power-safe cache, or set dicom.scp.durability: association" if slow else "",
    )


def _short(seconds: float) -> str:
    return words.duration(timedelta(seconds=seconds)) if seconds >= 0.001 else "less than 1 ms"


def _sync_seconds(folder: Path) -> float:
    """The best of three: the others may have waited for somebody else's writing."""
    best = float("inf")
    # Without a name, so that nobody comes upon it and nothing is left.
    descriptor = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        for _ in range(3):
            began = time.monotonic()
            os.pwrite(descriptor, b"\0" * 4096, 0)
            os.fsync(descriptor)
            best = min(best, time.monotonic() - began)
    finally:
        os.close(descriptor)
    return best


def _one_file_system(spool: Path, payloads: Path) -> Iterator[Check]:
    with suppress(OSError):
        same = spool.stat().st_dev == payloads.stat().st_dev
        yield Check(
            area="disk",
            subject="storage.temporary and storage.payloads",
            grade=Grade.OK if same else Grade.LOOK,
            found="on one file system: inputs of jobs are links"
            if same
            else "on two file systems: each input is copied for each job",
            expected="" if same else "one file system",
            remedy="" if same else "put both folders on one file system",
        )


def permissions(settings: Settings, ledger: Path | None) -> Iterator[Check]:
    """Whether this user may do what a gateway does, and whether others may, too."""
    me = os.geteuid()
    for name, folder in folders_of(settings, ledger).items():
        subject = f"{name} {folder}"
        try:
            status = folder.stat()
        except OSError:
            continue  # the disk has said so
        mine = os.access(folder, os.R_OK | os.W_OK | os.X_OK)
        open_to_all = bool(status.st_mode & 0o002) and not status.st_mode & 0o1000
        other = status.st_uid != me
        found = f"owner {status.st_uid}, mode {status.st_mode & 0o7777:04o}, this user is {me}"
        if not mine:
            remedy = "change its owner or mode; or run the doctor as the gateway's user"
            yield Check(
                area="permissions",
                subject=subject,
                grade=Grade.WRONG,
                found=f"not writable: {found}",
                expected="to be read and written",
                remedy=remedy,
            )
        elif open_to_all:
            yield Check(
                area="permissions",
                subject=subject,
                grade=Grade.WRONG,
                found=f"everybody may write there: {found}",
                expected="only the gateway's user writes",
                remedy=f"chmod o-w {folder}",
            )
        else:
            yield Check(
                area="permissions",
                subject=subject,
                grade=Grade.LOOK if other else Grade.OK,
                found=found,
                expected="the gateway's user" if other else "",
                remedy="if this is not the gateway's user, run the doctor as that one" if other else "",
            )


def ports(settings: Settings, *, running: bool) -> Iterator[Check]:
    """Whether a gateway has its ports, or could have them."""
    scp, web = settings.dicom.scp, settings.web
    yield _port("DICOM", scp.host, scp.port, running=running)
    if web.enabled:
        yield _port("web", web.host, web.port, running=running)


def _port(what: str, host: str, port: int, *, running: bool) -> Check:
    subject = f"{what} {host} port {port}"
    if not port:
        return Check(area="ports", subject=subject, grade=Grade.OK, found="any free port is taken")
    answers = _answers(host, port)
    if running:
        return Check(
            area="ports",
            subject=subject,
            grade=Grade.OK if answers else Grade.WRONG,
            found="the running gateway listens there" if answers else "nobody listens there although a gateway runs",
            expected="" if answers else "the gateway",
            remedy="" if answers else "if the port was changed in app.yaml, restart the gateway",
        )
    try:
        _bind(host, port)
    except OSError as error:
        remedies = {
            errno.EADDRINUSE: "stop the other program, or set another port",
            errno.EACCES: "ports below 1024 need the capability CAP_NET_BIND_SERVICE; or set another port",
            errno.EADDRNOTAVAIL: "this machine has no such address: set another host",
        }
        remedy = remedies.get(error.errno or 0, "set another host or port")
        return Check(
            area="ports",
            subject=subject,
            grade=Grade.WRONG,
            found=f"cannot be listened on: {error.strerror}",
            expected="a free port",
            remedy=remedy,
        )
    return Check(area="ports", subject=subject, grade=Grade.OK, found="free; no gateway is running")


def _answers(host: str, port: int) -> bool:
    local = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  what is listened on, not asked for
    with suppress(OSError), socket.create_connection((local, port), 2):
        return True
    return False


def _bind(host: str, port: int) -> None:
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(1)


def descriptors(settings: Settings, gateway: int | None) -> Iterator[Check]:
    """Whether there are enough file descriptors for all that may be open at a time.

    Args:
        gateway: The process id of the one that runs on this machine, if it is known.
    """
    scp, scu = settings.dicom.scp, settings.dicom.scu
    needed = (
        _OWN_FILES
        + scp.limits.pre_association
        + _FILES_PER_ASSOCIATION * (scp.max_associations + scu.max_associations * max(1, len(scu.destinations)))
    )
    limit, used = _limit_of(gateway)
    enough = limit >= needed
    of_it = f", {used} in use by the gateway" if used is not None else ""
    yield Check(
        area="descriptors",
        subject="open files",
        grade=Grade.OK if enough and (used is None or used < 0.8 * limit) else Grade.WRONG,
        found=f"at most {limit} files may be open{of_it}",
        expected="" if enough else f"at least {needed}, for the associations that are allowed",
        remedy=""
        if enough
        else "raise the limit (LimitNOFILE in the unit, ulimit -n), or lower the limits of dicom.scp",
    )


def _limit_of(process: int | None) -> tuple[int, int | None]:
    if process is not None:
        with suppress(OSError, ValueError, IndexError):
            lines = Path(f"/proc/{process}/limits").read_text().splitlines()
            line = next(line for line in lines if line.startswith("Max open files"))
            soft = line.split()[3]
            used = len(os.listdir(f"/proc/{process}/fd"))  # noqa: PTH208  only how many
            return (1 << 30 if soft == "unlimited" else int(soft)), used
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]  # a gateway takes all that it may have
    return (1 << 30 if hard == resource.RLIM_INFINITY else hard), None


def look(
    settings: Settings, ledger: Path | None, now: datetime, last: datetime | None, gateway: int | None, *, running: bool
) -> Sequence[Check]:
    """All of the machine."""
    return [
        *clock(now, last),
        *disk(settings, ledger),
        *permissions(settings, ledger),
        *ports(settings, running=running),
        *descriptors(settings, gateway),
    ]
