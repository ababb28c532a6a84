"""What came in and went out, minute by minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from hilum import states
from hilum.ledger import rates, tables
from hilum.ledger.database import Database
from hilum.ledger.transition import note

NOW = datetime(2026, 11, 22, 13, 10, 30, tzinfo=UTC)


def test_minutes_are_counted_by_when_things_ended(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'hilum.db'}")
    database.migrate()
    with database.write() as connection:
        for name, minutes, event in (("a", 2, "released"), ("b", 2, "broken"), ("c", 200, "released")):
            at = NOW - timedelta(minutes=minutes)
            row = {
                "id": name,
                "state": states.Association.RELEASED,
                "owner": "test",
                "calling": "CT1",
                "called": "HILUM",
                "host": "10.0.0.5",
                "port": 1024,
                "opened_at": at - timedelta(minutes=5),
                "ended_at": at,
                "instances": 10,
                "bytes": 1000,
                "folder": name,
            }
            connection.execute(tables.associations.insert(), row)
            note(connection, "association", name, event, now=at)
        note(connection, "association", "10.0.0.9", "rejected", now=NOW)
        for number in range(3):
            note(connection, "delivery", str(number), "accepted", now=NOW - timedelta(seconds=number))
        note(connection, "delivery", "9", "failed for now", now=NOW)
    with database.read() as connection:
        found = rates.per_minute(connection, now=NOW, minutes=5)
    database.close()
    assert [one.begin for one in found] == [NOW.replace(minute=minute, second=0) for minute in (6, 7, 8, 9, 10)]
    assert [(one.received, one.bytes, one.delivered) for one in found] == [
        (0, 0, 0),
        (0, 0, 0),
        (20, 2000, 0),
        (0, 0, 0),
        (0, 0, 3),
    ]
