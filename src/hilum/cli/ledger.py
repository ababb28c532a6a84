"""Opens what a gateway has written, for the commands that look at it or ask it for something."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import structlog

from hilum import config
from hilum.errors import PermanentError
from hilum.ledger.condition import version
from hilum.ledger.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """A configuration and the ledger that it names.

    Attributes:
        path: The configuration file, as it was given.
    """

    path: Path
    settings: config.Settings
    database: Database

    @property
    def running(self) -> bool:
        """Whether a gateway has the ledger now."""
        return self.database.is_attended()


@contextmanager
def opened(path: Path) -> Iterator[Office]:
    """The office of a configuration; its ledger is neither made nor changed in form.

    Raises:
        ConfigError: The configuration cannot be used.
        PermanentError: There is no ledger yet, or another version of Hilum wrote it.
        TemporaryError: It cannot be read just now.
    """
    quiet()
    settings = config.load(path)
    database = Database(settings.ledger.url)
    try:
        if not database.exists():
            raise PermanentError(
                f"there is no ledger {database.name}: no gateway has run with {path} yet; `hilum serve` makes it"
            )
        check_form(database)
        yield Office(path=path, settings=settings, database=database)
    finally:
        database.close()


def quiet() -> None:
    """Let only errors through, on standard error: what a command does, it says itself."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def check_form(database: Database) -> None:
    """Refuse a ledger that is not of this version.

    Raises:
        PermanentError: It is older, or newer.
    """
    newest = max(
        entry.name.partition("_")[0]
        for entry in resources.files("hilum.ledger.migrations.versions").iterdir()
        if entry.name[0].isdigit()
    )
    with database.read() as connection:
        found = version(connection)
    if found > newest:
        raise PermanentError(f"the ledger {database.name} was written by a newer Hilum; use that version's `hilum`")
    if found != newest:
        raise PermanentError(f"the ledger {database.name} is older than this Hilum; `hilum serve` brings it up to date")
