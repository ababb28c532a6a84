"""The bars of a job's life."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hilum import states
from hilum.ledger.shown import DeliveryView, GroupView, JobView
from hilum.model import DeliveryId, GroupId, JobId
from hilum.web.pages import spans

T0 = datetime(2026, 11, 22, 13, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def a_group(**other: Any) -> GroupView:
    values: dict[str, Any] = {
        "id": GroupId(1),
        "state": states.Group.PLANNED,
        "ae": "HILUM",
        "kind": "Study",
        "key": "",
        "calling": "CT1",
        "host": "10.0.0.5",
        "opened_at": at(0),
        "last_received_at": at(20),
        "closes_at": at(30),
        "closed_at": at(30),
        "awaited": False,
        "instances": 3,
        "bytes": 3000,
        "jobs": 1,
        "why": "",
        "remove_at": None,
    }
    return GroupView(**values | other)


def a_job(**other: Any) -> JobView:
    values: dict[str, Any] = {
        "id": JobId("a" * 32),
        "name": "hilum-lung",
        "state": states.Job.RUNNING,
        "group_id": GroupId(1),
        "ae": "HILUM",
        "workflow_name": "lung",
        "workflow": "lung",
        "engine": "local",
        "destinations": ("PACS",),
        "folder": "/payloads/hilum-lung",
        "instances": 3,
        "bytes": 3000,
        "attempt": 1,
        "last_attempt": 1,
        "created_at": at(31),
        "started_at": at(40),
        "finished_at": None,
        "completed_at": None,
        "not_before": at(31),
        "remove_at": None,
        "why": "",
        "results": 0,
        "due": 0,
        "delivered": 0,
        "given_up": 0,
    }
    return JobView(**values | other)


def a_delivery(number: int, **other: Any) -> DeliveryView:
    values: dict[str, Any] = {
        "id": DeliveryId(number),
        "job_id": JobId("a" * 32),
        "job_name": "hilum-lung",
        "destination": "PACS",
        "path": f"{number}.dcm",
        "sop_instance": f"1.2.{number}",
        "size": 100,
        "state": states.Delivery.DELIVERED,
        "sending": False,
        "attempts": 1,
        "queued_at": at(80),
        "not_before": at(80),
        "ended_at": at(100),
        "status": 0,
        "why": "",
        "next_try": None,
        "destination_down": "",
    }
    return DeliveryView(**values | other)


def test_one_step_follows_the_other_and_the_last_goes_on() -> None:
    found = spans.of_job(a_job(), a_group(), [], at(100))
    assert [(one.name, one.took.total_seconds(), one.goes_on) for one in found] == [
        ("received", 20, False),
        ("waited for more", 10, False),
        ("made ready", 1, False),
        ("queued", 9, False),
        ("ran", 60, True),
    ]
    assert [(one.left, one.width) for one in found] == [(0, 20), (20, 10), (30, 1), (31, 9), (40, 60)]


def test_each_file_has_its_way() -> None:
    done = a_job(state=states.Job.COLLECTED, finished_at=at(80))
    waits = a_delivery(2, state=states.Delivery.DUE, ended_at=None, why="the connection was refused")
    found = spans.of_job(done, a_group(), [waits, a_delivery(1)], at(120))
    assert [(one.name, one.goes_on, one.went_wrong) for one in found[-2:]] == [
        ("1.dcm to PACS", False, False),
        ("2.dcm to PACS", True, True),
    ]
    assert all(0 <= one.left <= one.left + one.width <= 100 for one in found)


def test_what_failed_is_marked_and_what_never_ran_does_not_go_on() -> None:
    failed = spans.of_job(a_job(state=states.Job.FAILED, finished_at=at(50)), a_group(), [], at(900))
    assert [(one.name, one.went_wrong) for one in failed][-1] == ("ran", True)
    assert not any(one.goes_on for one in failed)
    never = spans.of_job(a_job(state=states.Job.CANCELLED, started_at=None), a_group(), [], at(900))
    assert [one.name for one in never][-1] == "queued"
    assert not any(one.goes_on for one in never)


def test_a_job_that_nobody_made_through_hilum_has_no_reception() -> None:
    found = spans.of_job(a_job(group_id=None), None, [], at(100))
    assert [one.name for one in found] == ["queued", "ran"]


def test_what_took_no_time_is_seen_all_the_same() -> None:
    [one] = spans.of_job(a_job(state=states.Job.QUEUED, started_at=None), None, [], at(31))
    assert one.width > 0
    assert one.left + one.width <= 100
