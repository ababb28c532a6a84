"""Where the ledgers of tests are: files of their own, or databases on a server of their own."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Protocol

from hilum.ledger.database import Database


class Ledgers(Protocol):
    """Makes ledgers; each URL is of one that nobody else has."""

    def new(self, folder: Path) -> str:
        """The URL of an empty ledger, as a gateway has just made it; a file of it is in ``folder``."""

    def url(self, folder: Path) -> str:
        """The URL of a ledger that its gateway has still to make."""

    def remove(self, url: str) -> None:
        """It is needed no more: a whole run would leave more files behind than can be removed while a test may last."""

    def hasty(self, url: str) -> str:
        """The same ledger for somebody who waits next to nothing for what another one has locked."""

    def locked(self, url: str) -> AbstractContextManager[None]:
        """While this lasts nobody else can write into a ledger."""


class Files:
    """SQLite. Made by the migrations once; tests get copies, which takes a tenth of the time."""

    def __init__(self, folder: Path) -> None:
        self._made = folder / "new.db"

    def new(self, folder: Path) -> str:
        if not self._made.exists():
            database = Database(f"sqlite:///{self._made}")
            database.migrate()
            database.close()
        shutil.copy(self._made, folder / "hilum.db")
        return self.url(folder)

    def url(self, folder: Path) -> str:
        return f"sqlite:///{folder / 'hilum.db'}"

    def remove(self, url: str) -> None:
        """It is in the folder of its test."""

    def hasty(self, url: str) -> str:
        return url  # see hilum.ledger.sqlite.BUSY_SECONDS

    @contextmanager
    def locked(self, url: str) -> Iterator[None]:
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
