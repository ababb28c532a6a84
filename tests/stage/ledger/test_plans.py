"""A ledger is not slower because it is old: no claim and no view looks at everything that was ever received.

Plans do not depend on what a ledger holds, since there are no statistics: a few rows show what a million would cost.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from harness.site import Site
from hilum.ledger import annals, inquiry, searches, tables, traffic, views
from hilum.ledger.database import Database
from hilum.ledger.dossier import dossier
from hilum.ledger.lease import drop_leases
from hilum.ledger.transition import note
from hilum.ledger.vitals import vitals
from hilum.serve import Gateway
from hilum.serve.roles import Role
from hilum.states import Association, Delivery, Destination, Group, Job, Notice
from stage.ledger.plans import Plan, Plans, explained

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=60)

pytestmark = pytest.mark.sqlite

#: What has nothing to do with the ledger, or nothing while a gateway runs.
NOT_IN_THE_LEDGER = {"end", "adoption", "quarantine", "senders"}
#: These look at everything, or at all of one kind, because that is what they are asked for.
COUNTS = {"job_counts", "group_counts", "destinations", "job_history", "waiting"}
#: Where the views are.
MODULES = (views, annals, searches, traffic)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A ledger with a few rows in each state, two of which were on their way when a gateway died."""
    database = Database(f"sqlite:///{tmp_path / 'hilum.db'}")
    database.migrate()
    with database.write() as connection:
        _fill(connection)
    yield database
    database.close()


def _fill(connection: Connection) -> None:
    numbers = range(1, 3)
    tried = {"begun": 1}
    for state in Association:
        rows = [_association(f"{state}{number}", state) | tried for number in numbers]
        connection.execute(tables.associations.insert(), rows)
    for place, group in enumerate(Group):
        rows = [_group(10 * place + number, group) | tried for number in numbers]
        connection.execute(tables.groups.insert(), rows)
        connection.execute(tables.instances.insert(), [_instance(row["id"]) for row in rows])
    for job in Job:
        engine = "gone" if job is Job.RUNNING else "copy"
        connection.execute(
            tables.jobs.insert(), [_job(f"{job}{number}", job) | tried | {"engine": engine} for number in numbers]
        )
    connection.execute(tables.results.insert(), [_result(number) for number in numbers])
    for destination in ("PACS", "DOWN"):
        rows = [
            _delivery(number, destination, state) | tried
            for number, state in enumerate((Delivery.DUE, Delivery.GIVEN_UP), 1)
        ]
        connection.execute(tables.deliveries.insert(), rows)
    down = {"id": "DOWN", "state": Destination.DOWN, "since": LONG_AGO, "failures": 1, "not_before": LONG_AGO}
    connection.execute(tables.destinations.insert(), down)
    connection.execute(tables.notices.insert(), [_notice(number, state) for number, state in enumerate(Notice, 1)])
    for machine, subject, event, after in (
        ("job", f"{Job.FAILED}1", "failed", ""),
        ("delivery", "2", "failed for good", ""),
        ("association", f"{Association.HELD}1", "broken", "held"),
        ("group", "1", "cannot plan", "parked"),
        ("destination", "DOWN", "answered", "up"),
    ):
        note(connection, machine, subject, event, now=LONG_AGO, after=after)


def _notice(number: int, state: Notice) -> dict[str, Any]:
    return {
        "channel": "oncall",
        "state": state,
        "topic": "destination-down",
        "phase": "began",
        "subject": "DOWN",
        "key": str(number),
        "times": 1,
        "first_at": LONG_AGO,
        "last_at": LONG_AGO,
        "examples": [],
        "due_at": LONG_AGO,
        "not_before": LONG_AGO,
    }


def _gateway(name: str) -> dict[str, Any]:
    return {
        "id": name,
        "state": "stopped",
        "host": "elsewhere",
        "machine": "elsewhere",
        "process": 1,
        "ticks": 1,
        "version": "1",
        "roles": [],
        "started_at": LONG_AGO,
        "seen_at": LONG_AGO,
        "seen_until": LONG_AGO,
        "ended_at": LONG_AGO,
    }


def _association(name: str, state: Association) -> dict[str, Any]:
    return {
        "id": name,
        "state": state,
        "owner": "another",
        "calling": "CT1",
        "called": "HILUM",
        "host": "10.0.0.5",
        "port": 40000,
        "opened_at": LONG_AGO,
        "remove_at": LONG_AGO,
        "folder": name,
    }


def _group(number: int, state: Group) -> dict[str, Any]:
    return {
        "id": number,
        "state": state,
        "ae": "HILUM",
        "kind": "Study",
        "key": f"1.{number}",
        "scope": "",
        "calling": "CT1",
        "host": "10.0.0.5",
        "opened_at": LONG_AGO,
        "last_received_at": LONG_AGO,
        "closes_at": LONG_AGO,
        "closed_at": LONG_AGO,
        "remove_at": LONG_AGO if state is Group.STORED_ONLY else None,
        "instances": 1,
        "bytes": 1,
    }


def _instance(group: int) -> dict[str, Any]:
    uids = ("sop_class", "sop_instance", "transfer_syntax", "study", "series")
    return dict.fromkeys(uids, f"1.{group}") | {
        "association_id": f"{Association.RELEASED}1",
        "number": group,
        "fate": "grouped",
        "group_id": group,
        "modality": "CT",
        "patient_id": "1",
        "size": 1,
        "received_at": LONG_AGO,
    }


def _job(name: str, state: Job) -> dict[str, Any]:
    return {
        "id": name,
        "name": name,
        "state": state,
        "group_id": 1,
        "ae": "HILUM",
        "workflow_name": "lung",
        "workflow": "lung",
        "destinations": ["PACS"],
        "folder": f"/nowhere/{name}",
        "instances": 1,
        "bytes": 1,
        "attempt": 1,
        "last_attempt": 1,
        "created_at": LONG_AGO,
        "started_at": LONG_AGO,
        "not_before": LONG_AGO,
        "remove_at": LONG_AGO if state in {Job.COMPLETE, Job.FAILED, Job.CANCELLED} else None,
    }


def _result(number: int) -> dict[str, Any]:
    uids = ("sop_class", "sop_instance", "transfer_syntax", "study")
    file = {"job_id": f"{Job.COMPLETE}1", "path": f"{number}.dcm", "offset": 1, "size": 1, "sha256": "ab"}
    return dict.fromkeys(uids, f"1.{number}") | {"id": number} | file


def _delivery(number: int, destination: str, state: Delivery) -> dict[str, Any]:
    return {
        "job_id": f"{Job.COMPLETE}1",
        "result_id": number,
        "destination": destination,
        "state": state,
        "queued_at": LONG_AGO,
        "not_before": LONG_AGO,
    }


def test_no_claim_looks_at_everything(database: Database, tmp_path: Path) -> None:
    told = {
        "webhooks": {"oncall": {"url": "http://127.0.0.1:9/"}},
        "expected": [{"source": "CT1", "by": "08:00", "timezone": "UTC"}],
    }
    site = Site(tmp_path, {"ledger": {"url": f"sqlite:///{database.path}"}, "notifications": told})
    gateway = Gateway(site.settings, None, clock=lambda: NOW)
    with database.write() as connection:
        myself = _gateway(gateway.parts.owner) | {"state": "running", "roles": list(Role)}
        connection.execute(tables.gateways.insert(), [_gateway("dead"), myself])
        connection.execute(tables.jobs.update().values(gateway=gateway.parts.owner))
    faults: dict[str, list[str]] = {}
    idle: set[str] = set()
    try:
        for step in gateway.parts.steps():
            with explained() as plans:
                claimed = step.claim(NOW, NOW + timedelta(minutes=1), step.concurrency)
                step.next_due(NOW)
            if not claimed:
                idle.add(step.name)
            if found := plans.faults():
                faults[step.name] = found
            with database.write() as connection:
                drop_leases(connection)  # of what was on its way when a gateway died, one at a time is tried again
    finally:
        gateway.stop(timedelta())
        gateway.parts.database.close()  # one that was not started leaves it open
    assert idle == NOT_IN_THE_LEDGER, "what claims nothing shows nothing: give it a row above"
    assert faults == {}


#: What each argument of a view may be; those of no default are always given.
ARGUMENTS: Mapping[str, Any] = {
    "ae": "HILUM",
    "association": f"{Association.HELD}1",
    "association_id": f"{Association.RELEASED}1",
    "before": 1000,
    "called": "HILUM",
    "calling": "CT1",
    "destination": "PACS",
    "event": "failed",
    "everything": True,
    "group_id": 1,
    "host": "10.0.0.5",
    "instance_id": 1,
    "job_id": f"{Job.COMPLETE}1",
    "line": 1,
    "number": 1,
    "machine": "job",
    "moment": NOW,
    "now": NOW,
    "patient": "1",
    "series": "1.1",
    "since": LONG_AGO,
    "sop_instance": "1.1",
    "states_wanted": list(Group),
    "study": "1.1",
    "subject": f"{Job.COMPLETE}1",
    "text": "disk",
    "until": NOW,
    "workflow": "lung",
}
STATE = {"list_jobs": Job.COMPLETE, "list_deliveries": Delivery.GIVEN_UP, "list_associations": Association.RELEASED}
#: Where each list goes on.
AFTER = {
    "job_results": "1.dcm",
    "list_associations": f"{Association.RELEASED}1",
    "list_deliveries": (NOW, 1),
    "list_groups": (None, 1000),
    "list_instances": 1000,
    "list_jobs": (NOW, "a"),
}


def _views() -> Mapping[str, Callable[..., Any]]:
    """Every function that asks a ledger, by name."""
    return {
        name: view
        for module in MODULES
        for name, view in inspect.getmembers(module, inspect.isfunction)
        if view.__module__ == module.__name__
        and not name.startswith("_")
        and "connection" in inspect.signature(view).parameters
    }


def _questions() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every view with what it must be given; then with each other argument, too, and with all."""
    for name, view in _views().items():
        known = {**ARGUMENTS, "state": STATE.get(name), "after": AFTER.get(name), "limit": 50}
        parameters = list(inspect.signature(view).parameters.values())[1:]
        needed = {one.name: known.get(one.name) for one in parameters if one.default is one.empty}
        more = {one.name: known[one.name] for one in parameters if one.name not in {*needed, "limit"}}
        if "limit" in inspect.signature(view).parameters:
            needed["limit"] = 50
        yield name, needed
        for argument, value in more.items():
            yield name, needed | {argument: value}
        if len(more) > 1:
            yield name, needed | more


def _ask(database: Database, name: str, arguments: Mapping[str, Any]) -> Plans:
    view = _views()[name]
    with database.read() as connection:
        if "view" in arguments:
            arguments = {**arguments, "view": views.job(connection, ARGUMENTS["job_id"])}
        with explained() as plans:
            view(connection, **arguments)
    return plans


@pytest.mark.parametrize(
    ("name", "arguments"),
    [pytest.param(*one, id=f"{one[0]}-{'-'.join(one[1])}") for one in _questions() if one[0] not in COUNTS],
)
def test_no_view_looks_at_everything(database: Database, name: str, arguments: Mapping[str, Any]) -> None:
    plans = _ask(database, name, arguments)
    assert plans.found
    assert plans.faults(lists="limit" in inspect.signature(_views()[name]).parameters) == []


def test_what_prometheus_asks_for_looks_at_nothing_that_is_over(database: Database) -> None:
    with database.read() as connection, explained() as plans:
        found = vitals(connection)
    assert plans.faults() == []
    assert all(found.jobs[state].number for state in (Job.QUEUED, Job.RUNNING, Job.FAILED))
    assert all(found.groups[state].number for state in (Group.OPEN, Group.CLOSED, Group.PARKED, Group.STORED_ONLY))
    assert found.deliveries.keys() == {"PACS", "DOWN"}
    assert len(found.timers) == 5


def test_destinations_are_counted_from_an_index_alone(database: Database) -> None:
    plans = _ask(database, "destinations", {})
    whole = [plan for plan in plans.found if any(look.all_rows for look in plan.looks)]
    assert [line for plan in whole for line in plan.lines] == [
        "SCAN deliveries USING COVERING INDEX ix_deliveries_state_destination_queued_at"
    ]


def _plan_of(database: Database, query: Any) -> Plan:
    with database.read() as connection, explained() as plans:
        connection.execute(query)
    return plans.found[0]


def test_what_looks_at_everything_is_recognised(database: Database) -> None:
    """Who reads plans must read them rightly: these are what claims and views must not do."""
    jobs, instances = tables.jobs, tables.instances
    over = jobs.c.state == Job.COMPLETE
    bad = {
        "looks at all jobs": select(jobs.c.id).where(jobs.c.lease_until > NOW),
        "looks at all instances": select(func.count()).select_from(instances),
        "goes through all jobs of a kind": select(jobs.c.id).where(over, jobs.c.ae == "HILUM"),
        "sorts all jobs of a kind": select(jobs.c.id).where(over).order_by(jobs.c.finished_at).limit(5),
    }
    assert {name: list(_plan_of(database, query).faults(lists=True)) for name, query in bad.items()} == {
        name: [name] for name in bad
    }
    good = select(jobs.c.id).where(over).order_by(jobs.c.created_at.desc()).limit(5)
    assert list(_plan_of(database, good).faults(lists=True)) == []


@pytest.mark.parametrize(
    "text",
    [
        "1.11",
        "1",
        f"{Job.COMPLETE}1",
        "comp",
        f"{Association.RELEASED}1",
        "release",
        "group:11",
        "delivery:1",
        "nothing",
    ],
)
def test_no_question_looks_at_everything(database: Database, text: str) -> None:
    with database.read() as connection:
        with explained() as plans:
            found = inquiry.matches(connection, text)
            for one in found:
                dossier(connection, one, now=NOW)
            inquiry.not_taken(connection, since=LONG_AGO)
        assert bool(found) == (text != "nothing")
    assert plans.faults() == []
