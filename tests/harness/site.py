"""A gateway in the process of the test, configured by an ``app.yaml`` as a user would write it."""

from __future__ import annotations

import copy
import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from sqlalchemy import select

from harness.waiting import eventually
from hilum import config
from hilum.clock import Clock, utc_now
from hilum.ledger import tables
from hilum.ledger.database import Database
from hilum.ledger.rows import AnyRow
from hilum.serve import Gateway
from hilum.store.rescan import Scanned, rescan

#: A workflow that hands back what it got; `sh` and `cp` start faster than anything in Python.
COPY = ["sh", "-c", 'cp "$HILUM_INPUT"/* "$HILUM_OUTPUT"/']

_DEFAULT: Mapping[str, Any] = {
    "dicom": {
        "scp": {
            "port": 0,
            "host": "127.0.0.1",
            "ae-titles": [{"ae-title": "HILUM"}],
            "reject-unknown-sources": False,
            "max-associations": 5,
        },
        "scu": {"ae-title": "HILUM-SCU", "destinations": [], "retry": {"waits": [0.2]}},
    },
    "workflows": [],
    # The machine that runs the tests may have a rather full disk.
    "storage": {
        "temporary": "spool",
        "payloads": "payloads",
        "output": "output",
        "watermark-percent": 100,
        "reserve-gb": 0,
        "scan-seconds": 0.05,
    },
    "web": {"enabled": False},
    "engines": {"copy": {"type": "process", "command": COPY, "max-jobs": 4}},
}


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``over`` on top of ``base``: mappings are merged, everything else is replaced."""
    result = copy.deepcopy(dict(base))
    for key, value in over.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return result


class Site:
    """A gateway, its folder and its ledger. ``start`` and ``stop`` as often as wanted; the folder stays.

    Args:
        folder: Where everything lies; ``app.yaml`` is written here.
        ledger: The URL of its ledger; ``None``: a file in the folder.
        keys: What differs from the default of tests: one AE title HILUM that takes everybody, engine ``copy``.
    """

    def __init__(
        self, folder: Path, keys: Mapping[str, Any], *, clock: Clock = utc_now, ledger: str | None = None
    ) -> None:
        self.folder = folder
        self.path = folder / "app.yaml"
        self.clock = clock
        self._ledger = {} if ledger is None else {"ledger": {"url": ledger}}
        self.port = 0
        self.gateway: Gateway | None = None
        self.configure(keys)

    @classmethod
    def beside(cls, other: Site) -> Site:
        """Another gateway on the same configuration, so on the same ledger and folders."""
        site = cls.__new__(cls)
        site.folder, site.path, site.clock = other.folder, other.path, other.clock
        site.settings, site.port, site.gateway = other.settings, 0, None
        return site

    def configure(self, keys: Mapping[str, Any]) -> None:
        """Write ``app.yaml``; a running gateway sees the change."""
        text = io.StringIO()
        YAML(typ="safe").dump(merged(merged(_DEFAULT, self._ledger), keys), text)
        self.path.write_text(text.getvalue(), encoding="utf-8")
        self.settings = config.load(self.path, {})

    def start(self) -> Site:
        """Start the gateway; ``port`` is where it listens."""
        self.gateway = Gateway(self.settings, self.path, clock=self.clock)
        self.port = self.gateway.start()
        self.database = Database(self.settings.ledger.url)
        return self

    def stop(self) -> None:
        """Stop it in an orderly way."""
        if self.gateway is not None:
            from datetime import timedelta

            self.gateway.stop(timedelta(seconds=2))
            self.database.close()
            self.gateway = None

    def __enter__(self) -> Site:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def web(self) -> str:
        """The beginning of every address of the running gateway's web, without the last slash."""
        assert self.gateway is not None
        assert self.gateway.web_port is not None, 'it needs {"web": {"enabled": True, "port": 0}}'
        return f"http://127.0.0.1:{self.gateway.web_port}"

    # --- what the ledger says

    def rows(self, table: str, **where: object) -> Sequence[AnyRow]:
        """Rows of a table of the ledger, in the order they were made."""
        columns = tables.metadata.tables[table]
        query = select(columns).where(*(columns.c[name] == value for name, value in where.items()))
        order = (
            columns.c.created_at
            if table == "jobs"
            else columns.c.opened_at
            if table == "associations"
            else columns.c.id
        )
        with self.database.read() as connection:
            return connection.execute(query.order_by(order)).all()

    def history(self, **where: object) -> Sequence[AnyRow]:
        """Lines of history."""
        return self.rows("history", **where)

    def wait_for_jobs(self, count: int, state: str = "complete", *, seconds: float = 30) -> Sequence[AnyRow]:
        """All jobs, once there are so many of them in a state."""

        def look() -> Sequence[AnyRow]:
            jobs = self.rows("jobs")
            return jobs if sum(job.state == state for job in jobs) >= count else ()

        try:
            return eventually(look, seconds=seconds, what=f"{count} jobs in state {state}")
        except AssertionError as error:
            raise AssertionError(
                f"{error}; jobs: {[(job.name, job.state, job.why) for job in self.rows('jobs')]}"
            ) from None

    @property
    def spool(self) -> Path:
        """``storage.temporary``."""
        return self.settings.storage.temporary

    @property
    def payloads(self) -> Path:
        """``storage.payloads``."""
        return self.settings.storage.payloads

    def inputs(self, job: AnyRow) -> list[Path]:
        """A job's input files."""
        return sorted((Path(job.folder) / "input").iterdir())


def data_set_digest(path: Path) -> str:
    """SHA-256 of a part 10 file's data set: what must come out as it went in."""
    found = rescan(path)
    assert isinstance(found, Scanned), (path, found)
    return hashlib.sha256(path.read_bytes()[found.meta.data_set_offset :]).hexdigest()
