"""The connection to the database, its transactions and its migrations."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from hilum.errors import PermanentError, TemporaryError
from hilum.observe.meter import SILENT, Change, Meter

#: How long a writer waits for another process (a command line, a backup) that holds the write lock.
BUSY_SECONDS = 10

_log = structlog.get_logger("hilum.ledger")
_TOLD: Final = "what is told when it is over"


@dataclass(frozen=True, slots=True)
class _Told:
    """What a transaction did, for those who hear of it once it is over.

    Attributes:
        lines: For the log.
    """

    lines: list[dict[str, Any]] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)


class LedgerBusyError(TemporaryError):
    """The database cannot be written or read just now: locked, full, or its disk fails."""


class LedgerUnusableError(PermanentError):
    """The database cannot be used until somebody mends it; nothing in it was changed."""


class LedgerDistrustedError(LedgerUnusableError):
    """The disk failed while it synced the database: this process may not use it any more, the next one may."""


#: Errors of the sync itself. What was to be synced may be lost although the kernel calls it clean from now on.
_UNSYNCED: Final = frozenset({sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC})
#: Transactions after which what the log holds is moved into the database: some thousand pages.
_CHECKPOINT_EVERY: Final = 200


class Database:
    """A SQLite database in write-ahead mode.

    Three kinds of transaction, so that each caller pays for what it needs:

    * ``write``: on disk before it returns (``synchronous=FULL``). Everything a promise rests on.
    * ``note``: survives a kill, not necessarily a power cut (``synchronous=NORMAL``). Only for what can be told
      again: that an association is open, that a peer was refused. The next ``write`` puts earlier notes on disk too,
      since both append to one log.
    * ``read``: a snapshot; never waits for writers.

    A sync that failed is final. SQLite would sync the same descriptor again, be told that all is well, and build on
    a log with a hole in it, which a power cut turns into the loss of everything after the hole. So nothing more is
    written then; the next start reads the log anew, by its checksums, and moves it into freshly written pages.

    Args:
        url: ``sqlite:////absolute/path``.
        distrusted: Told why, once, when a sync has failed.
        meter: Told of each transaction once it is over, and of what it changed.

    Source: ours, docs/adr/0003-sqlite-first.md, docs/adr/0010-failed-sync-ends-the-process.md.
    """

    def __init__(
        self, url: str, *, distrusted: Callable[[str], None] = lambda _why: None, meter: Meter = SILENT
    ) -> None:
        if not url.startswith("sqlite:///"):
            raise LedgerUnusableError(f"ledger.url {url!r}: this version keeps its ledger in SQLite (sqlite:///path)")
        self.path = self.file_of(url)
        self._durable = _engine(url, "FULL")
        self._relaxed = _engine(url, "NORMAL")
        # Threads of one process queue here instead of in SQLite's busy handler, which sleeps in growing steps.
        self._writer = threading.Lock()
        self._tell_distrusted = distrusted
        self._meter = meter
        self._distrust = ""
        self._since_checkpoint = 0

    @staticmethod
    def file_of(url: str) -> Path:
        """The file that a URL names."""
        return Path(url.removeprefix("sqlite:///"))

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is durable once the block is left.

        Raises:
            LedgerBusyError: Nothing was changed, or, if the disk failed during the commit, it is not known.
        """
        with self._writing(self._durable, "write") as connection:
            yield connection

    @contextmanager
    def note(self) -> Iterator[Connection]:
        """A transaction that a power cut may undo; see the class."""
        with self._writing(self._relaxed, "note") as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view of what is committed."""
        began = time.perf_counter()
        with self._transaction(self._relaxed, "DEFERRED", "read") as connection:
            yield connection
        self._meter.transaction("read", waited=0, seconds=time.perf_counter() - began)

    @contextmanager
    def _writing(self, engine: Engine, kind: str) -> Iterator[Connection]:
        told = _Told()
        asked = time.perf_counter()
        with self._writer:
            began = time.perf_counter()
            if self._distrust:
                raise LedgerDistrustedError(self._distrust)
            with self._transaction(engine, "IMMEDIATE", kind) as connection:
                connection.info[_TOLD] = told
                yield connection
            seconds = time.perf_counter() - began
            self._since_checkpoint += 1
            if self._since_checkpoint >= _CHECKPOINT_EVERY:
                self._checkpoint("PASSIVE")
        # Of a transaction that failed nothing is told, and nobody waits for the log or for who counts.
        for line in told.lines:
            _log.log(**line)
        self._meter.changed(told.changes)
        self._meter.transaction(kind, waited=began - asked, seconds=seconds)

    def _checkpoint(self, mode: str) -> None:
        """Move what the log holds into the database. One that fails has changed nothing, and is made again later.

        SQLite would do it by itself, but keep a failed sync to itself.
        """
        self._since_checkpoint = 0
        began, ok = time.perf_counter(), True
        connection = self._durable.raw_connection()
        try:
            connection.cursor().execute(f"PRAGMA wal_checkpoint({mode})")
        except sqlite3.OperationalError as error:
            self._note_unsynced(error)
            ok = False
            _log.warning("ledger.not_checkpointed", error=str(error))
        finally:
            connection.close()
        self._meter.checkpoint(seconds=time.perf_counter() - began, ok=ok)

    def _note_unsynced(self, error: BaseException | None) -> None:
        if getattr(error, "sqlite_errorcode", None) in _UNSYNCED and not self._distrust:
            self._distrust = (
                f"the disk failed to sync the ledger {self.path} ({error}): what was written last may be lost, and "
                "only a new start may go on with it; look after that disk"
            )
            self._tell_distrusted(self._distrust)

    @contextmanager
    def _transaction(self, engine: Engine, mode: str, kind: str) -> Iterator[Connection]:
        try:
            with engine.connect().execution_options(begin_mode=mode) as connection, connection.begin():
                yield connection
        except OperationalError as error:
            self._note_unsynced(error.orig)
            self._meter.transaction_failed(kind)
            if getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:
                # Nothing about the world: a table or column is missing. Waiting would never end.
                raise LedgerUnusableError(
                    f"the ledger {self.path} does not fit this version of Hilum: {error.orig}; "
                    "start the gateway on it, which brings it up to date"
                ) from error
            raise LedgerBusyError(f"the ledger {self.path} cannot be used just now: {error.orig}") from error
        except DatabaseError as error:
            if isinstance(error.orig, sqlite3.IntegrityError | sqlite3.ProgrammingError):
                raise  # a bug of ours, not the world's
            self._meter.transaction_failed(kind)
            raise LedgerUnusableError(
                f"the ledger {self.path} is damaged: {error.orig}; stop the gateway, keep the file and restore a backup"
            ) from error

    def migrate(self) -> None:
        """Bring the tables to the version of this program; a new database gets all of them.

        Raises:
            LedgerUnusableError: The file cannot be made or opened, or was written by a newer program.
        """
        # Alembic costs 0.1 s to import and only a gateway's start needs it.
        from alembic import command  # noqa: PLC0415
        from alembic.script import ScriptDirectory  # noqa: PLC0415

        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            config = _alembic()
            with self.write() as connection:
                found = _revision(connection)
                known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
                if found and found not in known:
                    raise LedgerUnusableError(
                        f"the ledger {self.path} was written by a newer Hilum (schema {found}); use that version"
                    )
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
            with self._writer:
                self._checkpoint("TRUNCATE")
        except (LedgerBusyError, OSError) as error:
            raise LedgerUnusableError(f"the ledger {self.path} cannot be opened: {error}") from error

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Be the only gateway on this ledger while the block runs; readers and commands are not kept out.

        Raises:
            LedgerUnusableError: Another gateway has it.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.path.with_name(self.path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with ExitStack() as stack:
            stack.callback(os.close, lock)
            try:
                _lock(lock)
            except BlockingIOError:
                raise LedgerUnusableError(
                    f"another gateway is running on the ledger {self.path}; "
                    "stop it first, or give this one a ledger.url of its own"
                ) from None
            yield

    def close(self) -> None:
        """Give the connections back; the object is of no use afterwards."""
        self._durable.dispose()
        self._relaxed.dispose()


def log_when_done(connection: Connection, level: int, event: str, **about: str) -> None:
    """Log that something happened once the transaction is committed.

    Args:
        level: As in ``logging``.
    """
    connection.info[_TOLD].lines.append({"level": level, "event": event, **about})


def tell_when_done(connection: Connection, change: Change) -> None:
    """Let the meter know of a change once the transaction is committed."""
    connection.info[_TOLD].changes.append(change)


def _lock(descriptor: int) -> None:
    """Lock at once or nearly so: ``hilum status`` holds the lock for a moment to see whether a gateway has it."""
    for _ in range(10):
        with suppress(BlockingIOError):
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        time.sleep(0.02)
    return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _engine(url: str, synchronous: str) -> Engine:
    engine = create_engine(
        url,
        pool_size=8,
        max_overflow=64,
        hide_parameters=True,  # an error that is logged must not show what was being written: patient IDs
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # transactions are begun by the listener below, not by the driver
        for pragma in (
            "journal_mode=WAL",
            f"synchronous={synchronous}",
            "foreign_keys=ON",
            "temp_store=MEMORY",
            "wal_autocheckpoint=0",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A writer takes the write lock at once: a read lock that is upgraded later can fail half-way.
        connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get('begin_mode', 'DEFERRED')}")

    return engine


def _alembic() -> Any:  # noqa: ANN401  alembic's Config is untyped where it matters
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    return config


def _revision(connection: Connection) -> str | None:
    try:
        found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    except DBAPIError:
        return None
    return None if found is None else str(found)
