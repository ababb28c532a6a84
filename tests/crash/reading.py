"""What there is of a site after a fault: read from its database and its folders, with no code of the gateway."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg


class NotYetError(Exception):
    """The database cannot be read just now, or has no tables yet."""


_PARKED: Final = (
    "id IN (SELECT association_id FROM instances JOIN groups ON groups.id = group_id"
    " WHERE groups.state IN ('parked', 'stored only'))"
)
#: Nothing of these is left once everything has come to its end.
_UNFINISHED: Final = (
    ("associations", f"state IN ('open', 'accepting') OR (state = 'released' AND spooled AND NOT {_PARKED})"),
    ("groups", "state IN ('open', 'closed')"),
    ("jobs", "state IN ('queued', 'running', 'finished', 'collected', 'cancelling')"),
    ("deliveries", "state = 'due'"),
)
#: What only an operator sets going again.
_SET_ASIDE: Final = (
    ("group", "SELECT 'group:' || id FROM groups WHERE state IN ('parked', 'stored only')"),
    ("job", "SELECT name FROM jobs WHERE state IN ('failed', 'cancelled')"),
    ("delivery", "SELECT 'delivery:' || id FROM deliveries WHERE state = 'given up'"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where a site keeps things.

    Attributes:
        ledger: A file of SQLite, or the URL of a database on a PostgreSQL server.
    """

    ledger: Path | str
    spool: Path
    payloads: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """A job and what the ledger says should be in its folder: SOP Instance UIDs, and result files below ``output/``."""

    name: str
    state: str
    folder: str
    inputs: frozenset[str]
    results: frozenset[str]


@dataclass(slots=True, kw_only=True)
class Site:
    """Rows and files of a site.

    Attributes:
        associations: State and folder of those whose folder should be there, by their id.
        spooled: Files that should be in those folders, below the spool.
        files: SHA-256 of the data set of every file, by its path; empty for what is no part 10 file.
        delivered: How many deliveries the ledger has as delivered.
    """

    associations: dict[str, tuple[str, str]] = field(default_factory=dict)
    spooled: dict[str, str] = field(default_factory=dict)
    jobs: list[JobRow] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    integrity: str = "ok"


def unfinished(places: Places) -> str:
    """What still has to come to an end, in words; empty if nothing has."""
    with _opened(places) as connection:
        counts = {
            table: connection.execute(f"SELECT count(*) FROM {table} WHERE {where}").fetchone()[0]
            for table, where in _UNFINISHED
        }
    return ", ".join(f"{count} {table}" for table, count in counts.items() if count)


def set_aside(places: Places) -> list[str]:
    """What was given up, as ``hilum retry`` wants to have it named."""
    with _opened(places) as connection:
        return [str(row[0]) for _, query in _SET_ASIDE for row in connection.execute(query)]


def delivered(places: Places) -> int:
    """How many deliveries are recorded as accepted."""
    with _opened(places) as connection:
        count: int = connection.execute("SELECT count(*) FROM deliveries WHERE state = 'delivered'").fetchone()[0]
        return count


def read_site(places: Places) -> Site:
    """All of it; the gateway may run, but should have nothing to do."""
    site = Site()
    try:
        with _opened(places) as connection:
            if isinstance(connection, sqlite3.Connection):
                connection.execute("BEGIN")
                site.integrity = connection.execute("PRAGMA integrity_check").fetchone()[0]
            _read_rows(connection, site)
    except NotYetError as error:
        site.integrity = str(error)
    for root in (places.spool, places.payloads):
        for path, is_folder in _walk(root):
            if is_folder:
                site.folders.append(path)
            else:
                site.files[path] = data_set_digest(path)
    return site


def one(places: Places, query: str, *values: object) -> int:
    """The only number that a query finds."""
    with _opened(places) as connection:
        (number,) = connection.execute(query, values).fetchone()
    return int(number)


def failures(places: Places) -> dict[str, int]:
    """How many attempts of each job have failed, by its id."""
    with _opened(places) as connection:
        query = (
            "SELECT subject, count(*) FROM history WHERE machine = 'job' AND event = 'attempt failed' GROUP BY subject"
        )
        return dict(connection.execute(query).fetchall())


def _read_rows(connection: Any, site: Site) -> None:
    for key, state, folder in connection.execute("SELECT id, state, folder FROM associations WHERE spooled"):
        site.associations[key] = state, folder
    for association, number, uid in connection.execute("SELECT association_id, number, sop_instance FROM instances"):
        if association in site.associations:
            site.spooled[f"{site.associations[association][1]}/{number}.dcm"] = uid
    inputs: dict[Any, set[str]] = {}
    for group, uid in connection.execute("SELECT group_id, sop_instance FROM instances WHERE fate = 'grouped'"):
        inputs.setdefault(group, set()).add(uid)
    results: dict[Any, set[str]] = {}
    for job, path in connection.execute("SELECT job_id, path FROM results"):
        results.setdefault(job, set()).add(path)
    for key, name, state, group, folder in connection.execute("SELECT id, name, state, group_id, folder FROM jobs"):
        site.jobs.append(
            JobRow(
                name=name,
                state=state,
                folder=folder,
                inputs=frozenset(inputs.get(group, ())),
                results=frozenset(results.get(key, ())),
            )
        )


@contextmanager
def _opened(places: Places) -> Iterator[Any]:
    """The ledger, read-only: the last one to close a file after writing would tidy up what a fault has left.

    Raises:
        NotYetError: See there.
    """
    if isinstance(places.ledger, str):
        try:
            with psycopg.connect(places.ledger.replace("+psycopg", "")) as server:
                server.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
                yield server
        except (psycopg.OperationalError, psycopg.errors.UndefinedTable) as error:
            raise NotYetError(f"the ledger cannot be read: {error}") from error
        return
    try:
        with closing(
            sqlite3.connect(f"file:{places.ledger}?mode=ro", uri=True, timeout=10, isolation_level=None)
        ) as connection:
            yield connection
    except sqlite3.DatabaseError as error:
        raise NotYetError(f"the ledger cannot be read: {error}") from error


def _walk(root: Path) -> Iterator[tuple[str, bool]]:
    for folder, folders, files in os.walk(root):
        yield from ((f"{folder}/{name}", True) for name in folders)
        yield from ((f"{folder}/{name}", False) for name in files)


def data_set_digest(path: str | Path) -> str:
    """SHA-256 of what follows group 0002; empty if the file does not begin as PS3.10 7.1 says."""
    content = Path(path).read_bytes()
    if len(content) < 144 or content[128:140] != b"DICM\x02\x00\x00\x00UL\x04\x00":
        return ""
    return hashlib.sha256(content[144 + struct.unpack_from("<I", content, 140)[0] :]).hexdigest()
