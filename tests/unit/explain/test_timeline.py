from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from hilum import states
from hilum.explain.timeline import Moment, rows, story
from hilum.ledger.shown import AssociationView, GroupView, HistoryLine
from hilum.model import AssociationId, GroupId

BEGIN = datetime(2026, 11, 22, 8, 15, tzinfo=UTC)


def line(seconds: float, machine: str, event: str, **more: str) -> HistoryLine:
    texts = {"subject": "1", "from_state": "", "to_state": "", "why": "", "remedy": "", "destination": ""} | more
    return HistoryLine(id=0, at=BEGIN + timedelta(seconds=seconds), machine=machine, event=event, **texts)


def association(seconds: float) -> AssociationView:
    return AssociationView(
        id=AssociationId("a"),
        state=states.Association.RELEASED,
        owner="gateway",
        calling="CT1",
        called="HILUM",
        host="10.0.0.5",
        port=40000,
        opened_at=BEGIN + timedelta(seconds=seconds),
        ended_at=None,
        instances=2,
        bytes=2000,
        ignored=0,
        refused=0,
        why="",
        folder="a",
        remove_at=None,
    )


GROUP = GroupView(
    id=GroupId(1),
    state=states.Group.PLANNED,
    ae="HILUM",
    kind="Study",
    key="",
    calling="CT1",
    host="10.0.0.5",
    opened_at=BEGIN + timedelta(seconds=1),
    last_received_at=BEGIN + timedelta(seconds=5),
    closes_at=BEGIN + timedelta(seconds=65),
    closed_at=None,
    awaited=False,
    instances=4,
    bytes=4_000_000,
    jobs=1,
    why="",
    remove_at=None,
)


def test_a_story_begins_with_the_first_association_and_is_in_the_order_of_time() -> None:
    history = [
        line(6, "group", "made", to_state="open"),
        line(66, "group", "window ended", to_state="closed"),
        line(66.1, "group", "planned"),
        line(66.1, "job", "made", why="workflow lung"),
        line(67, "job", "started"),
    ]
    assert [moment.line for moment in story(GROUP, [association(0), association(3)], history)] == [
        "association from CT1 (10.0.0.5) to HILUM",
        "first instance received",
        "last of 4 instances received, over 2 associations (4.0 MB)",
        "first association released",
        "group closed: its window ended",
        "job made (workflow lung)",
        "workflow started",
    ]


def test_deliveries_that_say_the_same_one_after_the_other_are_one_line() -> None:
    history = [
        line(0, "delivery", "made", destination="PACS"),
        line(1, "delivery", "accepted", destination="PACS"),
        line(2, "delivery", "accepted", destination="PACS"),
        line(3, "delivery", "accepted", destination="ARCHIVE"),
        line(4, "delivery", "failed for now", destination="PACS", why="down"),
        line(5, "delivery", "failed for now", destination="PACS", why="refused"),
    ]
    assert [(moment.line, moment.at) for moment in story(None, [], history)] == [
        ("2 results delivered to PACS", BEGIN + timedelta(seconds=2)),
        ("1 result delivered to ARCHIVE", BEGIN + timedelta(seconds=3)),
        ("1 result not delivered to PACS, will be tried again (down)", BEGIN + timedelta(seconds=4)),
        ("1 result not delivered to PACS, will be tried again (refused)", BEGIN + timedelta(seconds=5)),
    ]


@pytest.mark.parametrize(
    ("machine", "events"),
    [("job", states.JobEvent), ("group", states.GroupEvent), ("delivery", states.DeliveryEvent)],
)
def test_every_event_can_be_told(machine: str, events: type[states.JobEvent]) -> None:
    told = story(None, [], [line(0, machine, event, destination="PACS") for event in events])
    ordinary = {"group": 1}.get(machine, 0)  # "planned": the jobs say so themselves
    assert len(told) == len(events) - ordinary
    if machine == "delivery":
        assert all("PACS" in moment.line for moment in told)


def test_a_file_that_was_not_sent_is_named() -> None:
    (moment,) = story(None, [], [line(0, "result", "not sent", subject="9f3c:a:b.txt", why="not DICOM")])
    assert moment.line == "output/a:b.txt not sent (not DICOM)"


def test_rows_tell_the_day_once_and_the_time_since_the_line_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    moments = [
        Moment(at=BEGIN, text="one"),
        Moment(at=BEGIN + timedelta(milliseconds=250), text="two"),
        Moment(at=BEGIN + timedelta(days=1), text="three"),
    ]
    assert rows(moments) == [
        ("2026-11-22", "", ""),
        ("08:15:00.000", "", "one"),
        ("08:15:00.250", "+250 ms", "two"),
        ("2026-11-23", "", ""),
        ("08:15:00.000", "+1 day", "three"),
    ]
