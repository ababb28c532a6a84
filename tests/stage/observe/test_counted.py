"""What the ledger records is counted once, when it is committed, and with the names of its rows."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness.pacs import Pacs
from hilum.errors import LeaseLostError, TemporaryError
from hilum.ledger.database import Database
from hilum.ledger.transition import note
from hilum.model import Answer
from hilum.observe.metrics import Metrics
from hilum.runner import Runner, Wake
from stage.deliver.sending import Sending
from stage.ledger.clock import MovableClock
from stage.ledger.reception_desk import Reception


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(f"hilum_{name}", labels) or 0


def counted_lines(metrics: Metrics) -> Counter[tuple[str, str]]:
    (family,) = (one for one in metrics.registry.collect() if one.name == "hilum_history_lines")
    return Counter(
        {
            (sample.labels["machine"], sample.labels["event"]): int(sample.value)
            for sample in family.samples
            if sample.name.endswith("_total")
        }
    )


def test_every_line_of_history_is_counted(
    desk: Reception, pacs: Pacs, tmp_path: Path, clock: MovableClock, metrics: Metrics
) -> None:
    """Nobody can forget to count: whoever writes history is counted."""
    sending = Sending(desk, tmp_path / "payloads")
    sending.to("PACS", pacs.port)
    desk.send("1.1", "1.1", "1.2")
    sending.job("1.5", "1.6", name="a")
    pacs.answer = lambda request: Answer(status=0xC000 if request.sop_instance == "1.5" else 0)
    sending.run()
    for _ in range(3):
        clock.forward(1000)
        sending.run()
    sending.settle()
    written = Counter((row.machine, row.event) for row in desk.history())
    assert counted_lines(metrics) == written
    assert written["delivery", "failed for good"] == 1
    assert value(metrics, "delivery_events_total", destination="PACS", event="failed for good") == 1
    assert value(metrics, "delivery_events_total", destination="PACS", event="failed for now") == 2
    assert value(metrics, "delivery_events_total", destination="PACS", event="accepted") == 1
    assert value(metrics, "job_events_total", workflow="lung", event="settled") == 1


def test_times_are_those_of_the_rows(
    desk: Reception, pacs: Pacs, tmp_path: Path, clock: MovableClock, metrics: Metrics
) -> None:
    sending = Sending(desk, tmp_path / "payloads")
    sending.to("PACS", pacs.port)
    sending.job("1.5", name="a")
    clock.forward(7)
    sending.run()
    clock.forward(3)
    sending.settle()
    assert value(metrics, "delivery_seconds_sum", destination="PACS") == 7
    assert value(metrics, "job_seconds_sum", workflow="lung") == 10


def test_names_that_are_not_configured_are_other(desk: Reception, metrics: Metrics) -> None:
    desk.send("1.1", ae="GONE")
    assert value(metrics, "groups_opened_total", called="other") == 1
    assert value(metrics, "groups_opened_total", called="GONE") == 0


def test_what_was_taken_back_is_not_counted(database: Database, metrics: Metrics) -> None:
    for kind in (database.write, database.note):
        with suppress(ZeroDivisionError), kind() as connection:
            note(connection, "gateway", "test", "started", now=datetime.now(UTC))
            raise ZeroDivisionError
    assert counted_lines(metrics) == {}
    assert value(metrics, "ledger_transaction_seconds_count", kind="write") == 0


def test_transactions_by_kind(database: Database, metrics: Metrics) -> None:
    for kind in (database.write, database.note, database.read, database.read):
        with kind():
            pass
    counts = {kind: value(metrics, "ledger_transaction_seconds_count", kind=kind) for kind in ("write", "note", "read")}
    assert counts == {"write": 1, "note": 1, "read": 2}


@pytest.mark.sqlite
def test_checkpoints(database: Database, metrics: Metrics) -> None:
    for _ in range(200):
        with database.note():
            pass
    assert value(metrics, "ledger_checkpoint_seconds_count") == 1
    assert value(metrics, "ledger_checkpoints_failed_total") == 0


@pytest.mark.sqlite
def test_a_ledger_that_cannot_be_used_is_counted(
    database: Database, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        for engine in database.engines:
            with engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA busy_timeout = 1")
        with pytest.raises(TemporaryError), database.write():
            pass
        with pytest.raises(TemporaryError), database.note():
            pass
    failures = {kind: value(metrics, "ledger_failures_total", kind=kind) for kind in ("write", "note")}
    assert failures == {"write": 1, "note": 1}


class Losing:
    """A step whose lease is lost each time."""

    name = "losing"
    concurrency = 1

    def claim(self, *_: object) -> list[str]:
        return []

    def act(self, _work: str) -> None:
        """Nothing is to be done."""

    def record(self, *_: object) -> None:
        raise LeaseLostError("somebody else has it")

    def failed(self, *_: object) -> None:
        """Nothing is leased."""

    def renew(self, *_: object) -> None:
        """Nothing is leased."""

    def next_due(self, _now: datetime) -> None:
        return None


def test_a_lease_that_was_lost_is_counted(metrics: Metrics) -> None:
    runner = Runner(Losing(), lambda: datetime.now(UTC), Wake(), meter=metrics)
    runner._work("one")
    assert value(metrics, "leases_lost_total", step="losing") == 1
    assert value(metrics, "step_works_total", step="losing", outcome="failed") == 1
    assert value(metrics, "step_works_total", step="losing", outcome="done") == 0
