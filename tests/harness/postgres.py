"""A PostgreSQL server of the tests' own, and databases on it that cost little."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
from sqlalchemy import make_url

from harness.waiting import eventually
from hilum.ledger.database import Database
from hilum.ledger.tables import metadata

_USER = "hilum"
#: Whom the server runs as when the tests run as root, which PostgreSQL refuses.
_ACCOUNT = "postgres"
#: What tests do not wait for; a test about durability says otherwise.
_CARELESS = ("fsync=off", "synchronous_commit=on", "full_page_writes=off")
_SETTINGS = ("listen_addresses=", "max_connections=400", "shared_buffers=64MB", "autovacuum=off", "timezone=Asia/Tokyo")


def programs() -> Path:
    """Where Debian's package has its programs, of the newest version that is there."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    assert found, "the tests need PostgreSQL: apt-get install postgresql"
    return found[-1]


class Server:
    """One server on a socket in a folder of its own.

    Args:
        folder: Short enough for the path of a socket; made anew if it is not given.
        settings: Added to its own, ``name=value``.
    """

    def __init__(self, folder: Path | None = None, settings: Sequence[str] = _CARELESS) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="hilum-pg-")) if folder is None else folder
        self._settings = (*_SETTINGS, *settings)
        self._process: subprocess.Popen[bytes] | None = None
        self._template = ""
        data = self.folder / "data"
        if not data.exists():
            data.mkdir(mode=0o700, parents=True)
            if os.geteuid() == 0:
                shutil.chown(self.folder, _ACCOUNT, _ACCOUNT)
                shutil.chown(data, _ACCOUNT, _ACCOUNT)
            self._run("initdb", "-D", str(data), "-U", _USER, "--auth=trust", "--no-sync", "--encoding=UTF8")
        self.start()

    def _as(self, program: str, *arguments: str) -> list[str]:
        command = [str(programs() / program), *arguments]
        # It ends with who started it, however that ends.
        drop = [f"--reuid={_ACCOUNT}", f"--regid={_ACCOUNT}", "--init-groups"] if os.geteuid() == 0 else []
        return ["setpriv", *drop, "--pdeathsig=QUIT", "--", *command]

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(self._as(program, *arguments), check=True, capture_output=True, cwd=self.folder)

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        options = [part for setting in self._settings for part in ("-c", setting)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._as("postgres", "-D", str(self.folder / "data"), "-k", str(self.folder), *options),
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )
        eventually(self._answers, seconds=60, what="a PostgreSQL server that answers")

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "log").read_text()
        try:
            psycopg.connect(self.conninfo("postgres")).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self, *, at_once: bool = False) -> None:
        """End it: connections are closed first, or cut off as by a crash."""
        if self._process is not None:
            # SIGINT is a fast shutdown, SIGQUIT an immediate one.
            self._process.send_signal(3 if at_once else 2)
            self._process.wait(60)
            self._process = None

    def discard(self) -> None:
        """End it and leave nothing."""
        self.stop(at_once=True)
        subprocess.run(["rm", "-rf", self.folder], check=True)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def conninfo(self, database: str) -> str:
        """As libpq takes it."""
        return f"host={self.folder} user={_USER} dbname={database}"

    def url_of(self, database: str) -> str:
        """As ``ledger.url`` takes it."""
        return f"postgresql+psycopg://{_USER}@/{database}?host={self.folder}"

    def new(self, _folder: Path | None = None) -> str:
        """The URL of an empty ledger, as a gateway has just made it."""
        if not self._template:
            name = f"template_{uuid.uuid4().hex[:12]}"
            self._create(name)
            database = Database(self.url_of(name))
            database.migrate()
            database.close()
            self._template = name
        return self._database(self._template)

    def url(self, _folder: Path | None = None) -> str:
        """The URL of a database in which a gateway has still to make its ledger."""
        return self._database("template0")

    def remove(self, url: str) -> None:
        """Whoever still has a connection to it loses it."""
        with psycopg.connect(self.conninfo("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {make_url(url).database} WITH (FORCE)".encode())

    def hasty(self, url: str) -> str:
        return f"{url}&options=-c%20lock_timeout%3D50ms"

    @contextmanager
    def locked(self, url: str) -> Iterator[None]:
        with psycopg.connect(url.partition("&")[0].replace("+psycopg", "")) as connection:
            tables = ", ".join(sorted(metadata.tables))
            connection.execute(f"LOCK TABLE {tables} IN EXCLUSIVE MODE".encode())
            yield

    def _database(self, template: str) -> str:
        name = f"ledger_{uuid.uuid4().hex[:12]}"
        self._create(name, template)
        return self.url_of(name)

    def _create(self, name: str, template: str = "template0") -> None:
        with psycopg.connect(self.conninfo("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy".encode())
