"""Looks at the ledger and at the engines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, assert_never

from hilum import words
from hilum.assembly import engine_of
from hilum.config import Engine, FolderEngine, HttpEngine, ProcessEngine, RayEngine, Settings
from hilum.doctor.check import Check, Grade
from hilum.engine.port import Unhealthy
from hilum.ledger.condition import Condition

#: A log that is not shortened has a reader that stays: an export, a backup, a command that hangs.
_LONG_LOG: Final = 256_000_000
_MUCH_FREE: Final = 0.5
_WORTH_SHRINKING: Final = 100_000_000


def ledger(subject: str, found: Condition, *, connections: int = 0) -> Iterator[Check]:
    """What its condition means; pure.

    Args:
        subject: The database file, or where on which server it is.
        connections: That a gateway has to its server at most.
    """
    if found.damage:
        yield Check(
            area="ledger",
            subject=subject,
            grade=Grade.WRONG,
            found=f"damaged: {'; '.join(found.damage[:3])}",
            expected="a sound database",
            remedy="stop the gateway, keep the file, restore a backup, then run hilum fsck",
        )
    else:
        checked = "sound" if found.damage is not None else "not checked as a whole: hilum fsck does, whatever its size"
        yield Check(
            area="ledger",
            subject=subject,
            grade=Grade.OK,
            found=f"{checked}; version {found.version}, {words.size(found.extent.size)}",
        )
    if found.extent.log_size is not None:
        yield _log(subject, found.extent.log_size)
    if found.extent.free is not None:
        yield _free(subject, found.extent.size, found.extent.free)
    if found.server:
        yield from _server(subject, found.server, connections)


#: Settings of a server without which a power cut can take what was promised.
_DURABLE: Final = ("fsync", "full_page_writes")


def _server(subject: str, server: Mapping[str, str], connections: int) -> Iterator[Check]:
    careless = [name for name in _DURABLE if server.get(name) != "on"]
    yield Check(
        area="ledger",
        subject=f"{subject}, disk",
        grade=Grade.WRONG if careless else Grade.OK,
        found=", ".join(f"{name} is {server.get(name)}" for name in _DURABLE),
        expected="both on" if careless else "",
        remedy="turn them on at the server: a power cut there can lose what senders were promised" if careless else "",
    )
    most = int(server["max_connections"])
    few = most <= connections
    yield Check(
        area="ledger",
        subject=f"{subject}, connections",
        grade=Grade.LOOK if few else Grade.OK,
        found=f"PostgreSQL {server['server_version']} takes {most}; a gateway has up to {connections}",
        expected=f"more than {connections} for each gateway" if few else "",
        remedy="raise max_connections at the server, or lower ledger.connections" if few else "",
    )


def _log(subject: str, size: int) -> Check:
    long = size > _LONG_LOG
    return Check(
        area="ledger",
        subject=f"{subject}-wal",
        grade=Grade.LOOK if long else Grade.OK,
        found=f"the write-ahead log has {words.size(size)}",
        expected=f"at most {words.size(_LONG_LOG)}" if long else "",
        remedy="see what reads the ledger for so long: a backup, an export, a command that hangs" if long else "",
    )


def _free(subject: str, size: int, free: float) -> Check:
    hollow = free > _MUCH_FREE and size > _WORTH_SHRINKING
    return Check(
        area="ledger",
        subject=f"{subject}, free pages",
        grade=Grade.LOOK if hollow else Grade.OK,
        found=f"{free:.0%} of it are free",
        expected=f"at most {_MUCH_FREE:.0%}" if hollow else "",
        remedy="it does no harm; sqlite3 FILE VACUUM makes it smaller while no gateway runs" if hollow else "",
    )


def engines(settings: Settings) -> Iterator[Check]:
    """Ask each whether it could take a job."""
    used = {one.engine for one in settings.workflows}
    for name, entry in settings.engines.items():
        health = engine_of(settings, name).probe()
        if isinstance(health, Unhealthy):
            yield Check(
                area="engines",
                subject=name,
                grade=Grade.WRONG if name in used else Grade.LOOK,
                found=health.why,
                expected="an engine that takes jobs",
                remedy=f"mend engines.{name} in app.yaml, or what it names; hilum check shows it, too",
            )
        else:
            unused = "" if name in used else "; no workflow uses it"
            yield Check(area="engines", subject=name, grade=Grade.OK, found=_what(entry) + unused)


def _what(entry: Engine) -> str:
    """What an engine that is well does."""
    match entry:
        case FolderEngine():
            return "waits for output/job.done"
        case ProcessEngine():
            return f"runs {entry.command[0]}"
        case HttpEngine():
            return f"the platform at {entry.url} answers"
        case RayEngine():
            return f"the Ray cluster at {entry.url} answers, and has a node that may run {entry.command[0]}"
        case never:
            assert_never(never)
