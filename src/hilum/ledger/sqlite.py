"""The ledger in a file: SQLite, for one gateway."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from hilum.clock import KeptClock, SteadyClock
from hilum.ledger.port import Extent, LedgerBusyError, LedgerDistrustedError, LedgerUnusableError, Mode
from hilum.observe.meter import Meter

#: How long a writer waits for another process (a command line, a backup) that holds the write lock.
BUSY_SECONDS: Final = 10
#: How the URL of a file begins.
SCHEME: Final = "sqlite:///"
#: Errors of the sync itself. What was to be synced may be lost although the kernel calls it clean from now on.
_UNSYNCED: Final = frozenset({sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC})
#: Transactions after which what the log holds is moved into the database: some thousand pages.
_CHECKPOINT_EVERY: Final = 200

_log = structlog.get_logger("hilum.ledger")


class Sqlite:
    """A file in write-ahead mode. See ``hilum.ledger.port.Kind``.

    ``write`` syncs (``synchronous=FULL``), ``note`` does not (``NORMAL``); both append to one log, so that the next
    ``write`` puts earlier notes on disk, too.

    A sync that failed is final. SQLite would sync the same descriptor again, be told that all is well, and build on
    a log with a hole in it, which a power cut turns into the loss of everything after the hole. So nothing more is
    written then; the next start reads the log anew, by its checksums, and moves it into freshly written pages.

    Args:
        url: ``sqlite:////absolute/path``.
        distrusted: Told why, once, when a sync has failed.
        meter: Told of checkpoints.

    Source: ours, docs/adr/0003-sqlite-first.md, docs/adr/0010-failed-sync-ends-the-process.md.
    """

    def __init__(self, url: str, *, distrusted: Callable[[str], None], meter: Meter) -> None:
        self.path = Path(url.removeprefix(SCHEME))
        self.clock: KeptClock = SteadyClock()
        self._durable = _engine(url, "FULL")
        self._relaxed = _engine(url, "NORMAL")
        # Threads of one process queue here instead of in SQLite's busy handler, which sleeps in growing steps.
        self._writer = threading.Lock()
        self._tell_distrusted = distrusted
        self._meter = meter
        self._distrust = ""
        self._since_checkpoint = 0

    @property
    def name(self) -> str:
        """Its file."""
        return str(self.path)

    @property
    def engines(self) -> Sequence[Engine]:
        """The one that syncs, and the other."""
        return (self._durable, self._relaxed)

    def connect(self, mode: Mode) -> Connection:
        """A writer takes the write lock at once: a read lock that is upgraded later can fail half-way."""
        engine = self._durable if mode is Mode.WRITE else self._relaxed
        begin_mode = "DEFERRED" if mode is Mode.READ else "IMMEDIATE"
        return engine.connect().execution_options(begin_mode=begin_mode)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """One writer at a time."""
        with self._writer:
            if self._distrust:
                raise LedgerDistrustedError(self._distrust)
            yield

    def written(self) -> None:
        """Now and then, move what the log holds into the database."""
        self._since_checkpoint += 1
        if self._since_checkpoint >= _CHECKPOINT_EVERY:
            self._checkpoint("PASSIVE")

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

    def judge(self, error: Exception) -> Exception | None:
        """Locked, full, of another form, or damaged; what breaks a rule of the tables is a bug and stays what it is."""
        if isinstance(error, OperationalError):
            self._note_unsynced(error.orig)
            if getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:
                # Nothing about the world: a table or column is missing. Waiting would never end.
                return LedgerUnusableError(
                    f"the ledger {self.path} does not fit this version of Hilum: {error.orig}; "
                    "start the gateway on it, which brings it up to date"
                )
            return LedgerBusyError(f"the ledger {self.path} cannot be used just now: {error.orig}")
        if isinstance(error, DatabaseError) and not isinstance(
            error.orig, sqlite3.IntegrityError | sqlite3.ProgrammingError
        ):
            return LedgerUnusableError(
                f"the ledger {self.path} is damaged: {error.orig}; stop the gateway, keep the file and restore a backup"
            )
        return None

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        """The write lock keeps others out."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.turn():
                with self.connect(Mode.WRITE) as connection, connection.begin():
                    yield connection
                self._checkpoint("TRUNCATE")
        except OSError as error:
            raise LedgerUnusableError(f"the ledger {self.path} cannot be opened: {error}") from error
        except DatabaseError as error:
            found = self.judge(error)
            if isinstance(found, LedgerBusyError):
                raise LedgerUnusableError(f"the ledger {self.path} cannot be opened: {found}") from error
            if found is not None:
                raise found from error
            raise

    def exists(self) -> bool:
        """Whether there is a file."""
        return self.path.exists()

    def attend(self, heard: Callable[[str], None]) -> AbstractContextManager[None]:  # noqa: ARG002
        """The only one: SQLite's locks do not reach over a network, and nobody else would hear."""
        return self.exclusively()

    def tell(self, words: Sequence[str]) -> None:
        """There is nobody else."""

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Hold the lock file beside the database."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with ExitStack() as stack:
            stack.callback(os.close, lock)
            try:
                _take(lock)
            except BlockingIOError:
                raise LedgerUnusableError(
                    f"another gateway is running on the ledger {self.path}; "
                    "stop it first, or give this one a ledger.url of its own"
                ) from None
            yield

    @property
    def _lock(self) -> Path:
        return self.path.with_name(self.path.name + ".lock")

    def is_attended(self) -> bool:
        """Whether somebody holds the lock file. Takes it for a moment if nobody does."""
        try:
            descriptor = os.open(self._lock, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def extent(self, connection: Connection) -> Extent:
        """Of the file and its log."""
        pages: int = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        free: int = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()
        log = self.path.with_name(self.path.name + "-wal")
        return Extent(
            size=self.path.stat().st_size,
            log_size=log.stat().st_size if log.exists() else 0,
            free=free / max(1, pages),
        )

    def server(self, connection: Connection) -> Mapping[str, str]:  # noqa: ARG002
        """It has none."""
        return {}

    def close(self) -> None:
        """Nothing stays behind but the file and its log."""
        self._durable.dispose()
        self._relaxed.dispose()


def _take(descriptor: int) -> None:
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
        connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get('begin_mode', 'DEFERRED')}")

    return engine
