"""The ledger on a server: PostgreSQL, for one gateway or several."""

from __future__ import annotations

import select as sockets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from types import MappingProxyType
from typing import Any, Final

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.pq import ConnStatus, TransactionStatus
from psycopg.types.string import StrDumperUnknown
from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnectionFreeError
from sqlalchemy.pool import ConnectionPoolEntry

from hilum.clock import KeptClock, MeasuredClock
from hilum.errors import LocalError
from hilum.ledger.port import Extent, LedgerBusyError, LedgerConflictError, LedgerUnusableError, Mode
from hilum.ledger.presence import ATTENDED, MIGRATING, Presence

#: How long a transaction waits for a lock that another one has.
_LOCK_SECONDS: Final = 10
#: How long a statement may take, and how long a transaction may lie idle in the middle of its work, as one does whose
#: gateway was stopped: the server then gives its locks to others.
_STATEMENT_SECONDS: Final = 60
_IDLE_SECONDS: Final = 30
#: How long a thread waits until one of the connections is free.
_POOL_SECONDS: Final = 30

#: A server that is gone is noticed within half a minute, instead of after the hours that TCP would wait.
_REACHABLE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "application_name": "hilum",
        "connect_timeout": "10",
        "target_session_attrs": "primary",
        "keepalives_idle": "10",
        "keepalives_interval": "5",
        "keepalives_count": "3",
        "tcp_user_timeout": "20000",
    }
)
_ALL_SESSIONS: Final[Mapping[str, str]] = MappingProxyType(
    {"TimeZone": "UTC", "lock_timeout": f"{_LOCK_SECONDS}s", "statement_timeout": f"{_STATEMENT_SECONDS}s"}
)
_WRITING: Final[Mapping[str, str]] = MappingProxyType({"idle_in_transaction_session_timeout": f"{_IDLE_SECONDS}s"})
#: What is not waited for is what a commit is: a server that waits for less would break what ``write`` promises.
_SESSIONS: Final[Mapping[Mode, Mapping[str, str]]] = MappingProxyType(
    {
        Mode.WRITE: {**_ALL_SESSIONS, **_WRITING},
        Mode.NOTE: {**_ALL_SESSIONS, **_WRITING, "synchronous_commit": "off"},
        Mode.READ: {
            **_ALL_SESSIONS,
            "default_transaction_isolation": r"repeatable\ read",
            "default_transaction_read_only": "on",
        },
    }
)

#: Characters of a statement that are told of it.
_SHOWN: Final = 300

_CONFLICTS: Final = frozenset({"40001", "40P01", "23505"})
#: Classes and codes of errors that pass: connection, resources, an operator who restarts it, locks, its disk.
_PASSING: Final = ("08", "53", "57", "58", "28", "55P03", "25P03", "25006")
_OTHER_FORM: Final = frozenset({"42P01", "42703", "3F000"})
_DAMAGED: Final = frozenset({"XX001", "XX002"})
_READ_ONLY: Final = "25006"


class Postgres:
    """A database on a server. See ``hilum.ledger.port.Kind``.

    Args:
        url: ``postgresql+psycopg://user:password@host:port/name?option=value``; options are those of libpq.
        connections: At most, in three pools; and one more while it is attended to.
    """

    path: Final = None

    def __init__(self, url: str, *, connections: int) -> None:
        try:
            self._url = make_url(url)
        except ArgumentError:
            raise LedgerUnusableError("ledger.url cannot be read as a URL") from None
        self.name = _name(self._url)
        self.clock: KeptClock
        self.clock = self._clock = MeasuredClock("the clock of the database server")
        self._connections = connections
        part = max(1, connections // 3)
        sizes = {Mode.WRITE: part, Mode.NOTE: part, Mode.READ: max(1, connections - 2 * part)}
        self._engines = {mode: _engine(self._url, mode, size) for mode, size in sizes.items()}
        self._presence: Presence | None = None

    @property
    def engines(self) -> Sequence[Engine]:
        """One for each mode."""
        return tuple(self._engines.values())

    def connect(self, mode: Mode) -> Connection:
        """One of the pool of that kind."""
        return self._engines[mode].connect()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """The server has room for many writers."""
        yield

    def written(self) -> None:
        """The server moves its log by itself."""

    def judge(self, error: Exception) -> Exception | None:
        """By its SQLSTATE. Nothing of it is told but the message: details quote what was being written."""
        if isinstance(error, NoConnectionFreeError):
            return LedgerBusyError(f"all {self._connections} connections to the ledger are in use: ledger.connections")
        if not isinstance(error, DBAPIError):
            return None
        cause = error.orig
        assert cause is not None
        state = getattr(cause, "sqlstate", None) or ""
        why = _message(cause)
        if state in _CONFLICTS:
            return LedgerConflictError(f"another transaction was in the way: {why}")
        passing = not state and isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError)
        if passing or state.startswith(_PASSING):
            return LedgerBusyError(f"the ledger {self.name} cannot be used just now: {why}")
        if state in _OTHER_FORM:
            return LedgerUnusableError(
                f"the ledger {self.name} does not fit this version of Hilum: {why}; "
                "start the gateway on it, which brings it up to date"
            )
        if state in _DAMAGED:
            return LedgerUnusableError(
                f"the ledger {self.name} is damaged: {why}; stop all gateways, keep its files, restore a backup"
            )
        statement = " ".join((error.statement or "").split())[:_SHOWN]
        return LocalError(f"the ledger {self.name} refused a statement ({state}): {why}; {statement}")

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        """Under a lock of its own, however long it takes."""
        try:
            with self.connect(Mode.WRITE) as connection, connection.begin():
                for limit in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"):
                    connection.exec_driver_sql(f"SET LOCAL {limit} = 0")
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (MIGRATING,))
                yield connection
        except SQLAlchemyError as error:
            found = self.judge(error)
            if found is None:
                raise
            raise found from None

    def exists(self) -> bool:
        """Whether there are its tables."""
        return bool(self._ask(lambda connection: inspect(connection).has_table("alembic_version")))

    def _ask(self, question: Callable[[Connection], Any]) -> Any:  # noqa: ANN401
        try:
            with self.connect(Mode.READ) as connection, connection.begin():
                return question(connection)
        except SQLAlchemyError as error:
            raise (self.judge(error) or error) from None

    @contextmanager
    def attend(self, heard: Callable[[str], None]) -> Iterator[None]:
        """With a connection of its own, which shows that a gateway is there and hears what others tell."""
        presence = Presence(self._open, clock=self._clock, heard=heard, name=self.name)
        presence.start()
        self._presence = presence
        try:
            yield
        finally:
            self._presence = None
            presence.stop()

    def _open(self) -> psycopg.Connection[Any]:
        """A connection outside the pools, for whom waiting for the disk is of no use."""
        engine = self._engines[Mode.NOTE]
        _, place = engine.dialect.create_connect_args(engine.url)
        return psycopg.connect(**place, autocommit=True)

    def tell(self, words: Sequence[str]) -> None:
        """By the connection that attends; who does not attend tells nobody."""
        presence = self._presence
        if presence is not None:
            presence.tell(words)

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Hold the lock of which every gateway holds a share."""
        try:
            connection = self._open()
        except psycopg.Error as error:
            raise LedgerBusyError(f"the ledger {self.name} cannot be used just now: {_message(error)}") from None
        with closing(connection):
            row = connection.execute("SELECT pg_try_advisory_lock(%s)", (ATTENDED,)).fetchone()
            if row is None or not row[0]:
                raise LedgerUnusableError(f"a gateway is running on the ledger {self.name}; stop all of them first")
            try:
                yield
            finally:
                with suppress(psycopg.Error):  # closing alone frees it some time later
                    connection.execute("SELECT pg_advisory_unlock(%s)", (ATTENDED,))

    def is_attended(self) -> bool:
        """Whether somebody has a share of that lock."""
        high, low = ATTENDED >> 32, ATTENDED & 0xFFFFFFFF
        locks = text(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 "
            "AND classid = :high AND objid = :low AND database = "
            "(SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        try:
            return bool(self._ask(lambda connection: connection.execute(locks, {"high": high, "low": low}).scalar()))
        except LedgerBusyError:
            return False

    def extent(self, connection: Connection) -> Extent:
        """Of all that is in the database."""
        size: int = connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one()
        return Extent(size=size, log_size=None, free=None)

    def server(self, connection: Connection) -> Mapping[str, str]:
        """As ``SHOW`` tells them."""
        names = ("server_version", "fsync", "full_page_writes", "max_connections")
        return {name: str(connection.exec_driver_sql(f"SHOW {name}").scalar_one()) for name in names}

    def close(self) -> None:
        """No connection stays."""
        for engine in self._engines.values():
            engine.dispose()


class _Text(StrDumperUnknown):
    """Text as a peer may send it, with a NUL in it: the server takes none, so it is written as foreign bytes are."""

    def dump(self, obj: str) -> Buffer | None:
        return super().dump(obj.replace("\0", "\\x00"))


class _WholeNumber(Loader):
    """Sums of 64-bit numbers, which the server counts without end; the ledger has no other numbers of that type."""

    def load(self, data: Buffer) -> int:
        return int(bytes(data))


def _engine(url: URL, mode: Mode, size: int) -> Engine:
    engine = create_engine(
        url.update_query_dict({**_REACHABLE, **url.query, "options": _options(url, _SESSIONS[mode])}),
        pool_size=size,
        max_overflow=0,
        pool_timeout=_POOL_SECONDS,
        pool_use_lifo=True,
        hide_parameters=True,  # an error that is logged must not show what was being written: patient IDs
        paramstyle="format",  # by place, as SQLite's: see hilum.ledger.prepared
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: psycopg.Connection[Any], _record: ConnectionPoolEntry) -> None:
        connection.autocommit = True  # transactions are begun below, not by the driver
        connection.adapters.register_loader("numeric", _WholeNumber)
        connection.adapters.register_dumper(str, _Text)
        if mode is Mode.WRITE:
            _insist_on_disk(connection)

    @event.listens_for(engine, "checkout")
    def look(connection: psycopg.Connection[Any], _record: ConnectionPoolEntry, _proxy: object) -> None:
        # A server that was restarted has said so on each connection: nothing needs to be asked to know it.
        if _is_gone(connection):
            raise DisconnectionError("the server has closed this connection")

    _begin_with_the_first_statement(engine)

    @event.listens_for(engine, "handle_error")
    def leave(context: Any) -> None:  # noqa: ANN401  SQLAlchemy's ExceptionContext
        # A server that has become a standby keeps its connections; only new ones find the one in its place.
        if getattr(context.original_exception, "sqlstate", None) == _READ_ONLY:
            context.is_disconnect = True

    return engine


def _begin_with_the_first_statement(engine: Engine) -> None:
    """BEGIN travels with it, where the driver would wait for an answer to it first."""

    @event.listens_for(engine, "do_execute")
    def execute(cursor: psycopg.Cursor[Any], statement: str, parameters: Sequence[Any], _context: object) -> bool:
        if not _is_idle(cursor.connection):
            return False
        if isinstance(cursor, psycopg.ServerCursor):  # which a pipeline does not take
            cursor.connection.execute("BEGIN")
            return False
        with cursor.connection.pipeline():
            cursor.connection.execute("BEGIN")
            cursor.execute(statement, parameters)
        return True

    @event.listens_for(engine, "do_executemany")
    def execute_many(
        cursor: psycopg.Cursor[Any], statement: str, parameters: Sequence[Sequence[Any]], _context: object
    ) -> bool:
        if not _is_idle(cursor.connection):
            return False
        with cursor.connection.pipeline():
            cursor.connection.execute("BEGIN")
            cursor.executemany(statement, parameters)
        return True

    @event.listens_for(engine, "after_cursor_execute")
    def check(_connection: Connection, cursor: psycopg.Cursor[Any], statement: str, *_rest: object) -> None:
        if _is_idle(cursor.connection):
            raise LocalError(f"a statement was made outside of a transaction: {statement[:_SHOWN]}")


def _is_idle(connection: psycopg.Connection[Any]) -> bool:
    return connection.info.transaction_status is TransactionStatus.IDLE


def _insist_on_disk(connection: psycopg.Connection[Any]) -> None:
    """Where a commit does not wait for the disk by itself, it does here; more than that is left as it is."""
    connection.execute(
        "SELECT set_config('synchronous_commit', 'on', false) "
        "WHERE current_setting('synchronous_commit') IN ('off', 'local')"
    )


def _is_gone(connection: psycopg.Connection[Any]) -> bool:
    if connection.closed:
        return True
    readable, _, _ = sockets.select([connection.fileno()], [], [], 0)
    if not readable:
        return False
    try:
        connection.pgconn.consume_input()
    except psycopg.Error:
        return True
    return connection.pgconn.status != ConnStatus.OK or bool(sockets.select([connection.fileno()], [], [], 0)[0])


def _options(url: URL, settings: Mapping[str, str]) -> str:
    own = url.query.get("options", "")
    ours = " ".join(f"-c {name}={value}" for name, value in settings.items())
    return f"{ours} {own if isinstance(own, str) else ' '.join(own)}".strip()


def _name(url: URL) -> str:
    """Without anything that could be a secret: options may hold one, too."""
    place = URL.create("postgresql", url.username, host=url.host, port=url.port, database=url.database)
    return place.render_as_string()


def _message(error: BaseException) -> str:
    primary = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    return primary or " ".join(str(error).split())
