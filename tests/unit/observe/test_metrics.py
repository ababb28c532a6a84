"""What is counted, from what the parts of a gateway tell."""

from __future__ import annotations

import random
import string
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from hilum.observe.durations import Durations
from hilum.observe.meter import Change, Phase
from hilum.observe.metrics import Metrics
from hilum.observe.names import Names

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NAMES = Names(
    called=frozenset({"HILUM"}),
    calling=frozenset({"CT1"}),
    destinations=frozenset({"PACS"}),
    workflows=frozenset({"lung"}),
    engines=frozenset({"gpu"}),
)


@pytest.fixture
def metrics() -> Metrics:
    made = Metrics()
    made.know(NAMES)
    return made


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"hilum_{name}", labels)


def change(
    machine: str, event: str, about: Mapping[str, str], *, after: str = "", before: str = "", **since: float
) -> Change:
    """A line of history, with how many seconds ago each of its moments was."""
    moments = {name: NOW - timedelta(seconds=seconds) for name, seconds in since.items()}
    return Change(machine=machine, event=event, at=NOW, before=before, after=after, about=about, since=moments)


LUNG = {"workflow_name": "lung", "engine": "gpu"}


def ended(metrics: Metrics, calling: str, took: Durations | None = None) -> None:
    metrics.ended(
        "HILUM",
        calling,
        "released",
        lasted=timedelta(seconds=2),
        instances={"stored": 3, "ignored": 1, "refused": 2},
        echoes=1,
        data_bytes=1000,
        took=took or Durations(),
    )


def test_an_association_is_counted_with_all_that_came_over_it(metrics: Metrics) -> None:
    took = Durations()
    for _ in range(6):
        took.add(2_000_000)
    metrics.accepted("HILUM", "CT1")
    ended(metrics, "CT1", took)
    peers = {"called": "HILUM", "calling": "CT1"}
    assert value(metrics, "associations_accepted_total", **peers) == 1
    assert value(metrics, "associations_ended_total", **peers, how="released") == 1
    assert value(metrics, "association_seconds_sum", called="HILUM") == 2
    for outcome, number in {"stored": 3, "ignored": 1, "refused": 2}.items():
        assert value(metrics, "instances_total", **peers, outcome=outcome) == number
    assert value(metrics, "received_bytes_total", **peers) == 1000
    assert value(metrics, "echoes_total", **peers) == 1
    assert value(metrics, "instance_receive_seconds_count", called="HILUM") == 6
    assert value(metrics, "instance_receive_seconds_bucket", called="HILUM", le="0.001") == 0
    assert value(metrics, "instance_receive_seconds_bucket", called="HILUM", le="0.0025") == 6
    assert value(metrics, "instance_receive_seconds_sum", called="HILUM") == pytest.approx(0.012)


def test_a_thousand_names_of_strangers_are_one_label(metrics: Metrics) -> None:
    chance = random.Random(7)
    before = series(metrics)
    for _ in range(1000):
        stranger = "".join(chance.choices(string.ascii_letters + string.digits + ' "\n\\{}', k=16))
        metrics.accepted("HILUM", stranger)
        metrics.rejected(stranger, stranger, "calling AE title not recognized")
        ended(metrics, stranger)
    other = {"called": "other", "calling": "other", "reason": "calling AE title not recognized"}
    assert value(metrics, "associations_rejected_total", **other) == 1000
    assert value(metrics, "associations_accepted_total", called="HILUM", calling="other") == 1000
    assert series(metrics) - before < 40


def series(metrics: Metrics) -> int:
    return sum(len(family.samples) for family in metrics.registry.collect())


def test_names_that_left_the_configuration_are_other(metrics: Metrics) -> None:
    metrics.know(Names())
    metrics.changed([change("job", "made", LUNG), change("delivery", "accepted", {"destination": "PACS"})])
    assert value(metrics, "job_events_total", workflow="other", event="made") == 1
    assert value(metrics, "delivery_events_total", destination="other", event="accepted") == 1


def test_what_can_happen_begins_at_zero(metrics: Metrics) -> None:
    assert value(metrics, "job_events_total", workflow="lung", event="failed") == 0
    assert value(metrics, "delivery_events_total", destination="PACS", event="failed for good") == 0
    assert value(metrics, "destination_events_total", destination="PACS", event="failed") == 0


def test_the_life_of_a_job(metrics: Metrics) -> None:
    metrics.changed(
        [
            change("job", "made", LUNG, after="queued", created_at=0),
            change("job", "started", LUNG, before="queued", created_at=60, not_before=40),
            change("job", "attempt failed", LUNG, before="running", created_at=60, started_at=20),
            change("job", "succeeded", LUNG, before="running", created_at=60, started_at=200),
            change("job", "settled", LUNG, before="collected", created_at=900, started_at=200),
        ]
    )
    assert value(metrics, "job_events_total", workflow="lung", event="attempt failed") == 1
    assert value(metrics, "job_wait_seconds_sum", workflow="lung") == 40
    run = {"workflow": "lung", "engine": "gpu"}
    assert value(metrics, "job_run_seconds_sum", **run, outcome="attempt failed") == 20
    assert value(metrics, "job_run_seconds_sum", **run, outcome="succeeded") == 200
    assert value(metrics, "job_seconds_sum", workflow="lung") == 900
    assert value(metrics, "history_lines_total", machine="job", event="settled") == 1


def test_a_job_that_is_being_stopped_has_run_until_it_is_stopped(metrics: Metrics) -> None:
    metrics.changed([change("job", "cancel asked", LUNG, before="running", started_at=5)])
    assert value(metrics, "job_run_seconds_count", workflow="lung", engine="gpu", outcome="cancel asked") is None
    metrics.changed([change("job", "cancelled", LUNG, before="cancelling", started_at=9)])
    assert value(metrics, "job_run_seconds_sum", workflow="lung", engine="gpu", outcome="cancelled") == 9


def test_groups_are_counted_by_what_closed_them(metrics: Metrics) -> None:
    ours = {"ae": "HILUM"}
    metrics.changed(
        [
            change("group", "made", ours, after="closed", opened_at=3),
            change("group", "made", ours, after="open", opened_at=0),
            change("group", "window ended", ours, before="open", after="closed", opened_at=30),
            change("group", "planned", ours, before="closed", opened_at=31),
        ]
    )
    assert value(metrics, "groups_opened_total", called="HILUM") == 2
    assert value(metrics, "groups_closed_total", called="HILUM", reason="association released") == 1
    assert value(metrics, "groups_closed_total", called="HILUM", reason="window ended") == 1
    assert value(metrics, "groups_planned_total", called="HILUM", outcome="planned") == 1
    assert value(metrics, "group_open_seconds_sum", called="HILUM") == 33


def test_a_clock_that_was_put_back_makes_no_negative_time(metrics: Metrics) -> None:
    metrics.changed([change("delivery", "accepted", {"destination": "PACS"}, queued_at=-100)])
    assert value(metrics, "delivery_seconds_sum", destination="PACS") == 0


def test_a_line_that_is_about_no_row_is_counted_as_such(metrics: Metrics) -> None:
    metrics.changed([Change(machine="job", event="no receipt", at=NOW)])
    assert value(metrics, "history_lines_total", machine="job", event="no receipt") == 1


def test_what_cannot_be_counted_is_logged_and_harms_nobody(metrics: Metrics) -> None:
    with capture_logs() as lines:
        metrics.changed([change("job", "started", {"something": "else"})])
    assert [line["event"] for line in lines] == ["metrics.fault"]


def test_what_a_step_can_come_to_begins_at_zero(metrics: Metrics) -> None:
    metrics.begins("deliver")
    assert value(metrics, "step_works_total", step="deliver", outcome="failed") == 0
    assert value(metrics, "leases_lost_total", step="deliver") == 0
    assert value(metrics, "ledger_failures_total", kind="write") == 0


def test_steps_and_ledger(metrics: Metrics) -> None:
    metrics.stepped("deliver", Phase.ACT, 0.2)
    metrics.worked("deliver", ok=True)
    metrics.worked("deliver", ok=False)
    metrics.renewed("deliver", 3, ok=True)
    metrics.renewed("deliver", 3, ok=False)
    metrics.lease_lost("deliver")
    metrics.transaction("write", waited=0.5, seconds=0.002)
    metrics.transaction("read", waited=0, seconds=0.002)
    metrics.transaction_failed("note")
    metrics.checkpoint(seconds=0.1, ok=True)
    metrics.checkpoint(seconds=0.1, ok=False)
    assert value(metrics, "step_seconds_sum", step="deliver", phase="act") == 0.2
    assert value(metrics, "step_works_total", step="deliver", outcome="done") == 1
    assert value(metrics, "step_works_total", step="deliver", outcome="failed") == 1
    assert value(metrics, "leases_renewed_total", step="deliver") == 3
    assert value(metrics, "lease_renewals_failed_total", step="deliver") == 1
    assert value(metrics, "leases_lost_total", step="deliver") == 1
    assert value(metrics, "ledger_transaction_seconds_count", kind="write") == 1
    assert value(metrics, "ledger_wait_seconds_sum", kind="write") == 0.5
    assert value(metrics, "ledger_wait_seconds_count", kind="read") is None
    assert value(metrics, "ledger_failures_total", kind="note") == 1
    assert value(metrics, "ledger_checkpoint_seconds_count") == 2
    assert value(metrics, "ledger_checkpoints_failed_total") == 1
