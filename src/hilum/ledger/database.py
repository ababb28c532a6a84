"""The connection to the database, its transactions and its migrations."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog
from sqlalchemy import Connection, Engine, inspect
from sqlalchemy.exc import SQLAlchemyError

from hilum.clock import KeptClock
from hilum.ledger import sqlite
from hilum.ledger.port import Extent, Kind, LedgerConflictError, LedgerUnusableError, Mode
from hilum.observe.meter import SILENT, Change, Meter

_log = structlog.get_logger("hilum.ledger")
_TOLD: Final = "what is told when it is over"
#: How the URL of a database on a server begins.
_POSTGRES: Final = "postgresql+psycopg://"
#: Connections to a server at most, for who does not say how many it may have.
_CONNECTIONS: Final = 12
#: How often a transaction that others undid is repeated at once. Each time somebody else's came off.
_REPEATS: Final = 5

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class _Told:
    """What a transaction did, for those who hear of it once it is over.

    Attributes:
        lines: For the log.
    """

    lines: list[dict[str, Any]] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)


class Database:
    """The ledger's database: a file of SQLite's for one gateway, or a database on a PostgreSQL server for several.

    Three kinds of transaction, so that each caller pays for what it needs:

    * ``write``: on disk before it returns. Everything a promise rests on.
    * ``note``: survives a kill, not necessarily a power cut. Only for what can be told again: that an association is
      open, that a peer was refused.
    * ``read``: a snapshot; never waits for writers.

    Nobody may hold two of them at once in one thread.

    Args:
        url: ``sqlite:////absolute/path`` or ``postgresql+psycopg://user@host/name``.
        connections: To a server at most; they are opened when they are needed.
        distrusted: Told why, once, when a sync of the file has failed.
        meter: Told of each transaction once it is over, and of what it changed.

    Source: ours, docs/adr/0003-sqlite-first.md.
    """

    def __init__(
        self,
        url: str,
        *,
        connections: int = _CONNECTIONS,
        distrusted: Callable[[str], None] = lambda _why: None,
        meter: Meter = SILENT,
    ) -> None:
        self._kind = _kind(url, connections, distrusted, meter)
        self._meter = meter

    @property
    def name(self) -> str:
        """For people: the file, or where on which server it is; never a password."""
        return self._kind.name

    @property
    def path(self) -> Path | None:
        """Its file; ``None``: it is on a server."""
        return self._kind.path

    @property
    def clock(self) -> KeptClock:
        """The time that its timers are compared with: the same for all gateways that attend to it."""
        return self._kind.clock

    @property
    def engines(self) -> Sequence[Engine]:
        """What all its connections come from, for who counts statements by their events."""
        return self._kind.engines

    def write(self) -> AbstractContextManager[Connection]:
        """A transaction that is durable once the block is left.

        Raises:
            LedgerConflictError: Nothing was changed; see ``repeat``.
            LedgerBusyError: Nothing was changed, or, if the disk or the connection failed during the commit, it is
                not known.
        """
        return self._writing(Mode.WRITE)

    def note(self) -> AbstractContextManager[Connection]:
        """A transaction that a power cut may undo; see the class."""
        return self._writing(Mode.NOTE)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view of what is committed."""
        began = time.perf_counter()
        with self._transaction(Mode.READ) as connection:
            yield connection
        self._meter.transaction(Mode.READ, waited=0, seconds=time.perf_counter() - began)

    def repeat(self, mode: Mode, work: Callable[[Connection], Value]) -> Value:
        """Do ``work`` in a transaction of its own, again if it was undone because of somebody else's.

        For who cannot wait: a step of the flow finds its work again at its next turn.

        Args:
            work: Touches nothing but the connection, and may run several times.
        """
        for _ in range(_REPEATS):
            try:
                with self._writing(mode) as connection:
                    return work(connection)
            except LedgerConflictError as error:
                _log.info("ledger.repeated", why=str(error))
        with self._writing(mode) as connection:
            return work(connection)

    @contextmanager
    def _writing(self, mode: Mode) -> Iterator[Connection]:
        told = _Told()
        asked = time.perf_counter()
        with self._kind.turn():
            began = time.perf_counter()
            with self._transaction(mode) as connection:
                connection.info[_TOLD] = told
                yield connection
            seconds = time.perf_counter() - began
            self._kind.written()
        # Of a transaction that failed nothing is told, and nobody waits for the log or for who counts.
        for line in told.lines:
            _log.log(**line)
        self._meter.changed(told.changes)
        self._meter.transaction(mode, waited=began - asked, seconds=seconds)

    @contextmanager
    def _transaction(self, mode: Mode) -> Iterator[Connection]:
        try:
            with self._kind.connect(mode) as connection, connection.begin():
                yield connection
        except SQLAlchemyError as error:
            found = self._kind.judge(error)
            if found is None:
                raise
            self._meter.transaction_failed(mode)
            # Without what it came from: what a driver says of an error may hold what was being written.
            raise found from None

    def migrate(self) -> None:
        """Bring the tables to the version of this program; a new database gets all of them.

        Of several gateways that start at once, one does it and the others wait.

        Raises:
            LedgerUnusableError: The database cannot be made or opened, or was written by a newer program.
            LedgerBusyError: The server cannot be reached.
        """
        # Alembic costs 0.1 s to import and only a gateway's start needs it.
        from alembic import command  # noqa: PLC0415
        from alembic.script import ScriptDirectory  # noqa: PLC0415

        config = _alembic()
        with self._kind.migrating() as connection:
            found = _revision(connection)
            known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
            if found and found not in known:
                raise LedgerUnusableError(
                    f"the ledger {self.name} was written by a newer Hilum (schema {found}); use that version"
                )
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def exists(self) -> bool:
        """Whether a gateway has made it.

        Raises:
            LedgerBusyError: Its server cannot be reached.
        """
        return self._kind.exists()

    def attend(self, heard: Callable[[str], None] = lambda _word: None) -> AbstractContextManager[None]:
        """Be a gateway on this ledger while the block runs: the only one on a file, one of several on a server.

        Args:
            heard: Called, in a thread of its own, with each word that another gateway ``tell``s; with an empty one if
                some may have been missed.

        Raises:
            LedgerUnusableError: Another gateway has the file, or somebody has the ledger ``exclusively``.
            LedgerBusyError: Its server cannot be reached.
        """
        return self._kind.attend(heard)

    def tell(self, words: Sequence[str]) -> None:
        """Let other gateways hear something; never waits and never raises. What is lost, they find by themselves."""
        self._kind.tell(words)

    def exclusively(self) -> AbstractContextManager[None]:
        """Keep every gateway out while the block runs; readers and commands are not kept out.

        Raises:
            LedgerUnusableError: A gateway has it.
        """
        return self._kind.exclusively()

    def is_attended(self) -> bool:
        """Whether a gateway has it now; not, if that cannot be seen."""
        return self._kind.is_attended()

    def extent(self, connection: Connection) -> Extent:
        """How much room it takes."""
        return self._kind.extent(connection)

    def server(self, connection: Connection) -> Mapping[str, str]:
        """Settings of its server that what is promised rests on, by their names; empty: it has none."""
        return self._kind.server(connection)

    def close(self) -> None:
        """Give the connections back; the object is of no use afterwards."""
        self._kind.close()


def log_when_done(connection: Connection, level: int, event: str, **about: str) -> None:
    """Log that something happened once the transaction is committed.

    Args:
        level: As in ``logging``.
    """
    connection.info[_TOLD].lines.append({"level": level, "event": event, **about})


def tell_when_done(connection: Connection, change: Change) -> None:
    """Let the meter know of a change once the transaction is committed."""
    connection.info[_TOLD].changes.append(change)


def _kind(url: str, connections: int, distrusted: Callable[[str], None], meter: Meter) -> Kind:
    if url.startswith(sqlite.SCHEME):
        return sqlite.Sqlite(url, distrusted=distrusted, meter=meter)
    if not url.startswith(_POSTGRES):
        scheme = url.partition(":")[0]
        raise LedgerUnusableError(
            f"ledger.url of the kind {scheme!r}: a ledger is a file (sqlite:///path) or on a PostgreSQL server "
            f"({_POSTGRES}user@host/name)"
        )
    try:
        # Who keeps a ledger in a file need not have the driver, nor wait until it is loaded.
        from hilum.ledger.postgres import Postgres  # noqa: PLC0415
    except ImportError as error:
        raise LedgerUnusableError(
            f"ledger.url names a PostgreSQL server, and its driver cannot be loaded: {error}; "
            "pip install 'hilum[postgres]'"
        ) from error
    return Postgres(url, connections=connections)


def _revision(connection: Connection) -> str:
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() or "")


def _alembic() -> Any:  # noqa: ANN401  alembic's Config is untyped where it matters
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    return config
