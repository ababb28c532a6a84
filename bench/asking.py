"""What it costs to ask a large ledger: the claims of every step, and every view."""

from __future__ import annotations

import inspect
import logging
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

import structlog
from sqlalchemy import Connection, update

from bench import site
from bench.filling import Filled
from bench.process import FailedError
from hilum import config, states
from hilum.ledger import annals, tables, views
from hilum.ledger.database import Database
from hilum.ledger.lease import drop_leases
from hilum.ledger.vitals import vitals
from hilum.serve import Gateway

_REPEATS: Final = 9
#: Rows of each kind that wait for a step, at most.
_WAITING: Final = 40
#: Fewer jobs than this leave no row of each kind.
LEAST_JOBS: Final = 20


def claims(filled: Filled, folder: Path) -> Mapping[str, float]:
    """Milliseconds of each step's claim, its transactions included, with work waiting for every one of them."""
    with _busy_gateway(filled, folder) as (gateway, database):
        found: dict[str, float] = {}
        # The composition root alone knows the steps and what each is made of.
        for step in gateway.parts.steps():
            found[f"claim of {step.name}"] = _milliseconds(lambda step=step: _claim(step), lambda: _free(database))
        return found


def _claim(step: Any) -> None:  # noqa: ANN401
    now = datetime.now(UTC)
    step.claim(now, now + timedelta(seconds=60), step.concurrency)
    step.next_due(now)


def _free(database: Database) -> None:
    with database.write() as connection:
        drop_leases(connection)
        _make_waiting(connection, datetime.now(UTC))


@contextmanager
def _busy_gateway(filled: Filled, folder: Path) -> Iterator[tuple[Gateway, Database]]:
    url = f"sqlite:///{filled.copy_to(folder)}"
    keys = site.merged(site.receiving(0, 0, "instance"), site.passing_through(["true"], 1, "PACS"))
    keys = site.merged(keys, {"ledger": {"url": url}, "storage": {"payloads": str(filled.payloads)}})
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    gateway, database = Gateway(config.load(site.write(folder, keys), {})), Database(url)
    try:
        yield gateway, database
    finally:
        gateway.stop(timedelta())
        gateway.parts.database.close()  # by itself only one that was started: its shared memory is a file of the folder
        database.close()


def _make_waiting(connection: Connection, now: datetime) -> None:
    """Put the newest rows into the states that steps look for, a few into each."""
    count = connection.exec_driver_sql("SELECT max(id) FROM groups").scalar() or 0
    wanted = [
        states.Job.QUEUED,
        states.Job.RUNNING,
        states.Job.FINISHED,
        states.Job.COLLECTED,
        states.Job.CANCELLING,
        states.Job.FAILED,
    ]
    waiting = min(_WAITING, count // (LEAST_JOBS // 2))
    for place, state in enumerate(wanted):
        last = count - place * waiting
        rows = tables.jobs.c.group_id.between(last - waiting + 1, last)
        connection.execute(update(tables.jobs).where(rows).values(state=state, not_before=now, started_at=now))
    last = count - len(wanted) * waiting
    numbers = (last - waiting + 1, last)
    closed = {"state": states.Group.CLOSED, "closed_at": now, "not_before": None}
    connection.execute(update(tables.groups).where(tables.groups.c.id.between(*numbers)).values(closed))
    due = {"state": states.Delivery.DUE, "not_before": now, "destination": "PACS"}
    connection.execute(update(tables.deliveries).where(tables.deliveries.c.id.between(*numbers)).values(due))
    held = {"state": states.Association.HELD, "remove_at": now - timedelta(seconds=1)}
    keys = [row.key for row in connection.execute(tables.groups.select().where(tables.groups.c.id.between(*numbers)))]
    connection.execute(update(tables.associations).where(tables.associations.c.id.in_(keys[:5])).values(held))


def dashboard(filled: Filled, folder: Path) -> Mapping[str, float]:
    """Milliseconds until a browser has the overview, and what its chart draws, of a gateway that runs."""
    with _busy_gateway(filled, folder) as (gateway, _):
        gateway.start()
        address = gateway.dashboard
        if address is None:
            raise FailedError("the gateway of the bench has no dashboard")
        found = {path: partial(_load, address.rstrip("/") + path) for path in ("/", "/overview/rates")}
        return {f"GET {path}": _milliseconds(load) for path, load in found.items()}


def _load(address: str) -> None:
    with urllib.request.urlopen(address, timeout=30) as answer:
        answer.read()


def pages(filled: Filled, folder: Path) -> Mapping[str, float]:
    """Milliseconds of each view, with arguments that make it look at much."""
    database = Database(f"sqlite:///{filled.copy_to(folder)}")
    try:
        with database.write() as connection:
            _make_waiting(connection, datetime.now(UTC))
        return {name: _milliseconds(lambda view=view: _read(database, view)) for name, view in _views(database)}
    finally:
        database.close()


def _read(database: Database, view: Callable[[Connection], object]) -> None:
    with database.read() as connection:
        view(connection)


def _views(database: Database) -> Iterator[tuple[str, Callable[[Connection], object]]]:
    """What Prometheus asks for; every public function of ``views`` with each set of arguments worth asking."""
    with database.read() as connection:
        job = views.list_jobs(connection, limit=1)[0]
        delivery = views.list_deliveries(connection, now=datetime.now(UTC), limit=1)[0]
        held = connection.execute(
            tables.associations.select().where(tables.associations.c.state == states.Association.HELD).limit(1)
        ).one()
    known: Mapping[str, Any] = {
        "association": held.id,
        "before": None,
        "group_id": job.group_id,
        "job_id": job.id,
        "limit": 50,
        "line": 100_000,
        "machine": "job",
        "now": datetime.now(UTC),
        "number": delivery.id,
        "subject": job.id,
        "view": job,
    }
    more: Mapping[str, Sequence[Mapping[str, Any]]] = {
        "list_groups": [{"states_wanted": [state]} for state in (states.Group.CLOSED, states.Group.PLANNED)],
        "list_jobs": [{"state": states.Job.COMPLETE}, {"state": states.Job.FAILED}, {"workflow": "pass-through"}],
        "list_deliveries": [{"state": states.Delivery.DUE}, {"destination": "PACS1"}, {"job_id": job.id}],
        "list_history": [{"everything": True}, {"since": datetime.now(UTC) - timedelta(days=1)}, {"before": 100_000}],
    }
    yield "vitals()", vitals
    functions = [one for module in (views, annals) for one in inspect.getmembers(module, inspect.isfunction)]
    for name, function in functions:
        if function.__module__ not in {views.__name__, annals.__name__} or name.startswith("_"):
            continue
        needed = [key for key, one in inspect.signature(function).parameters.items() if one.default is one.empty][1:]
        if not set(needed) <= known.keys():
            raise FailedError(f"nobody has told the bench what to ask {name} for: {needed}")
        for extra in ({}, *more.get(name, ())):
            arguments = {key: known[key] for key in needed} | dict(extra)
            yield (
                f"{name}({', '.join(extra)}{_state(extra)})",
                lambda connection, f=function, a=arguments: f(connection, **a),
            )


def _state(extra: Mapping[str, Any]) -> str:
    """Which state is asked for, if one is: the same question about another one costs something else."""
    state = extra.get("state") or next(iter(extra.get("states_wanted", ())), None)
    return f" {state}" if state else ""


def _milliseconds(work: Callable[[], object], before: Callable[[], object] = lambda: None) -> float:
    """The median of some repetitions after one that is not counted."""
    taken = []
    for _ in range(_REPEATS + 1):
        before()
        begin = time.perf_counter()
        work()
        taken.append((time.perf_counter() - begin) * 1000)
    return median(taken[1:])
