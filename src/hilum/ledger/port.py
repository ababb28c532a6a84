"""What a kind of database is to the ledger, and what can be wrong with one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, Engine

from hilum.clock import KeptClock
from hilum.errors import PermanentError, TemporaryError


class LedgerBusyError(TemporaryError):
    """The database cannot be written or read just now: locked, full, away, or its disk fails."""


class LedgerConflictError(LedgerBusyError):
    """Another transaction was in the way and this one was undone: the same one comes off if it is repeated."""


class LedgerUnusableError(PermanentError):
    """The database cannot be used until somebody mends it; nothing in it was changed."""


class LedgerDistrustedError(LedgerUnusableError):
    """The disk failed while it synced the database: this process may not use it any more, the next one may."""


class Mode(StrEnum):
    """A kind of transaction: see ``hilum.ledger.database.Database``."""

    WRITE = "write"
    NOTE = "note"
    READ = "read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much room a database takes.

    Attributes:
        size: In bytes, without a log.
        log_size: Of the write-ahead log, in bytes; ``None``: it is the server's.
        free: The part of it that is free, from 0 to 1; ``None``: it is not known.
    """

    size: int
    log_size: int | None
    free: float | None


class Kind(Protocol):
    """A database of one kind; one object for each process that uses it, whatever the number of its threads."""

    @property
    def name(self) -> str:
        """How people are told which one it is; never a password."""

    @property
    def path(self) -> Path | None:
        """Its file; ``None``: it is on a server."""

    @property
    def engines(self) -> Sequence[Engine]:
        """What all connections come from, for who listens to their events."""

    def connect(self, mode: Mode) -> Connection:
        """A connection whose next transaction is of that kind; the caller gives it back."""

    def turn(self) -> AbstractContextManager[None]:
        """Wait for a writer's place among the threads of this process."""

    def written(self) -> None:
        """A transaction that wrote was committed; called while its place is still held."""

    def judge(self, error: Exception) -> Exception | None:
        """What an error of SQLAlchemy or of the driver means; ``None``: it is raised as it is."""

    def migrating(self) -> AbstractContextManager[Connection]:
        """A ``write`` transaction in which the tables may change, and nobody else migrates.

        Raises:
            LedgerBusyError, LedgerUnusableError: It cannot be opened.
        """

    def exists(self) -> bool:
        """Whether there is a ledger.

        Raises:
            LedgerBusyError: It cannot be seen just now.
        """

    def attend(self, heard: Callable[[str], None]) -> AbstractContextManager[None]:
        """Be a gateway on it while the block runs; whether others may be one, too, is for the kind to say.

        Args:
            heard: Called, in a thread of its own, with what other gateways ``tell``; empty: anything may have been
                missed.

        Raises:
            LedgerUnusableError: It is somebody else's.
            LedgerBusyError: It cannot be reached.
        """

    def tell(self, words: Sequence[str]) -> None:
        """Let other gateways hear something; never waits and never raises. What is lost, they find by themselves."""

    def exclusively(self) -> AbstractContextManager[None]:
        """Keep every gateway out while the block runs; readers and commands are not kept out.

        Raises:
            LedgerUnusableError: A gateway has it.
        """

    def is_attended(self) -> bool:
        """Whether a gateway has it now."""

    def extent(self, connection: Connection) -> Extent:
        """How much room it takes; in a ``read`` transaction."""

    def server(self, connection: Connection) -> Mapping[str, str]:
        """Settings of its server that what is promised rests on, by their names; empty: it has none."""

    @property
    def clock(self) -> KeptClock:
        """The time that its timers are compared with."""

    def close(self) -> None:
        """Give the connections back."""
