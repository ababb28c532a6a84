"""A PostgreSQL server for one run, with the settings that it comes with: it waits for the disk."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg

from bench.process import FailedError

_USER: Final = "hilum"
#: Whom the server runs as when the bench runs as root, which PostgreSQL refuses.
_ACCOUNT: Final = "postgres"


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """An empty database on a server that accepts connections."""

    pid: int
    sockets: Path

    @property
    def url(self) -> str:
        """As ``ledger.url`` takes it."""
        return f"postgresql+psycopg://{_USER}@/postgres?host={self.sockets}"

    def counts(self) -> Mapping[str, float]:
        """What the server has done so far: transactions, syncs of its log, bytes of its log."""
        row = self._ask(
            "SELECT xact_commit + xact_rollback, wal_sync, wal_bytes"
            " FROM pg_stat_database, pg_stat_wal WHERE datname = 'postgres'"
        )
        return dict(zip(("transactions", "syncs", "log bytes"), map(float, row), strict=True))

    def connected(self) -> float:
        """Connections of others."""
        return float(self._ask("SELECT numbackends - 1 FROM pg_stat_database WHERE datname = 'postgres'")[0])

    def _ask(self, query: str) -> Sequence[Any]:
        with psycopg.connect(f"host={self.sockets} user={_USER} dbname=postgres", autocommit=True) as connection:
            row = connection.execute(query.encode()).fetchone()
        assert row is not None
        return row


@contextmanager
def server(folder: Path) -> Iterator[Database]:
    """One for the length of the block; its files are in ``folder``."""
    data = folder / "postgres"
    # The path of a socket may not be long.
    sockets = Path(tempfile.mkdtemp(prefix="hilum-bench-"))
    data.mkdir(mode=0o700)
    if os.geteuid() == 0:
        for path in (data, sockets):
            shutil.chown(path, _ACCOUNT, _ACCOUNT)
        for parent in folder.parents:  # whoever the server runs as must be able to get there
            _passable(parent)
        _passable(folder)
    log = (folder / "postgres.log").open("ab")
    _run(log, "initdb", "-D", str(data), "-U", _USER, "--auth=trust", "--encoding=UTF8")
    process = subprocess.Popen(
        _as("postgres", "-D", str(data), "-k", str(sockets), "-c", "listen_addresses=", "-c", "max_connections=200"),
        stdout=log,
        stderr=log,
        cwd=data,
    )
    try:
        _wait(process, sockets, folder / "postgres.log")
        yield Database(pid=process.pid, sockets=sockets)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
        log.close()
        shutil.rmtree(sockets, ignore_errors=True)


def _passable(folder: Path) -> None:
    mode = folder.stat().st_mode & 0o7777
    if not mode & 0o001:
        folder.chmod(mode | 0o001)


def _as(program: str, *arguments: str) -> list[str]:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise FailedError("PostgreSQL's server is not installed; `make bench ARGS=cluster` as root installs it")
    drop = ["setpriv", f"--reuid={_ACCOUNT}", f"--regid={_ACCOUNT}", "--init-groups", "--"]
    return [*(drop if os.geteuid() == 0 else []), str(found[-1]), *arguments]


def _run(log: Any, program: str, *arguments: str) -> None:  # noqa: ANN401
    if subprocess.run(_as(program, *arguments), stdout=log, stderr=log, check=False, cwd="/").returncode:
        raise FailedError(f"{program} failed: {Path(log.name).read_text()[-2000:]}")


def _wait(process: subprocess.Popen[bytes], sockets: Path, log: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        try:
            psycopg.connect(f"host={sockets} user={_USER} dbname=postgres").close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise FailedError(f"PostgreSQL does not answer:\n{log.read_text()[-2000:]}")
