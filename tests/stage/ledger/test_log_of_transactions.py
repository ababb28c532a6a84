"""The log tells what is in the ledger, and nobody waits with the ledger locked until the log has taken a line."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing, suppress

import pytest
import structlog
from structlog.testing import capture_logs
from structlog.typing import EventDict, WrappedLogger

from hilum.ledger.database import Database, log_when_done
from stage.ledger.reception_desk import Reception


def test_what_was_committed_is_logged(desk: Reception) -> None:
    with capture_logs() as lines:
        association = desk.send("1.1")
    (line,) = [line for line in lines if line["event"] == "association.released"]
    assert (line["log_level"], line["association"], line["state"]) == ("info", association.id, "released")


@pytest.mark.parametrize("kind", ["write", "note"])
def test_what_was_taken_back_is_not_logged(database: Database, kind: str) -> None:
    with (
        capture_logs() as lines,
        suppress(ZeroDivisionError),
        getattr(database, kind)() as connection,
    ):
        log_when_done(connection, logging.INFO, "job.finished")
        raise ZeroDivisionError
    assert lines == []


@pytest.mark.sqlite
@pytest.mark.parametrize("kind", ["write", "note"])
def test_a_line_is_logged_when_others_can_write_again(database: Database, kind: str) -> None:
    seen: list[str] = []

    def slow_log(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        with closing(sqlite3.connect(database.path, timeout=0, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
        with database.note():
            seen.append(event["event"])
        raise structlog.DropEvent

    processors = structlog.get_config()["processors"]
    saved = processors.copy()
    processors[:] = [slow_log]
    try:
        with getattr(database, kind)() as connection:
            log_when_done(connection, logging.INFO, "job.finished")
    finally:
        processors[:] = saved
    assert seen == ["job.finished"]
