"""Jobs: what runs, what ran, what came of it; run again, stop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy import Connection

from hilum import orders, states
from hilum.assembly import log_tail
from hilum.ledger import annals, views, work
from hilum.ledger.shown import HistoryLine, JobView, ResultView
from hilum.web.desk import Desk
from hilum.web.paging import (
    Cursor,
    Limit,
    Name,
    NameQuery,
    NumberQuery,
    Patient,
    Sheet,
    Since,
    Study,
    Until,
    decode,
    moment,
    number,
    page,
    text,
)
from hilum.web.shape import page_of, shape
from hilum.web.tagged import Tagged
from hilum.web.words import Done


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLog:
    """The end of what a job's command wrote.

    Attributes:
        attempt: Which attempt wrote it.
        lines: Safe to print; empty: there is none, e.g. of the engine `folder`.
    """

    attempt: int
    lines: tuple[str, ...]


def router(desk: Desk) -> APIRouter:
    """``/jobs``."""
    routes = APIRouter(prefix="/jobs", tags=["jobs"], route_class=Tagged)
    _lists(routes, desk)
    _details(routes, desk)
    _commands(routes, desk)
    return routes


def _lists(routes: APIRouter, desk: Desk) -> None:
    @routes.get("", name="list", response_model=page_of(JobView), summary="List jobs")
    def list_jobs(
        *,
        state: states.Job | None = None,
        ae: NameQuery = None,
        workflow: NameQuery = None,
        since: Since = None,
        until: Until = None,
        study: Study = None,
        patient: Patient = None,
        group: NumberQuery = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Sheet[JobView]:
        """The newest first; all but removed ones unless a state is asked for.

        Times are those at which jobs were made.
        """
        after = decode(cursor, (moment, text))
        with desk.database.read() as connection:
            found = views.list_jobs(
                connection,
                state=state,
                ae=ae,
                workflow=workflow,
                since=since,
                until=until,
                study=study,
                patient=patient,
                group_id=group,
                after=after,
                limit=limit + 1,
            )
        return page(found, limit, lambda job: (job.created_at, job.id))


def _details(routes: APIRouter, desk: Desk) -> None:
    @routes.get("/{job}", name="show", response_model=shape(JobView), summary="One job")
    def show(job: Name) -> JobView:
        """By its id or its name, or the beginning of either."""
        with desk.database.read() as connection:
            return _find(connection, job)

    @routes.get(
        "/{job}/timeline", name="timeline", response_model=page_of(HistoryLine), summary="All that happened to it"
    )
    def timeline(job: Name, limit: Limit = 500, cursor: Cursor = None) -> Sheet[HistoryLine]:
        """Of the job, its group, its results and its deliveries, in the order of time."""
        after = decode(cursor, (moment, number))
        with desk.database.read() as connection:
            found = annals.job_history(connection, _find(connection, job), after=after, limit=limit + 1)
        return page(found, limit, lambda line: (line.at, line.id))

    @routes.get("/{job}/results", name="results", response_model=page_of(ResultView), summary="What it wrote")
    def results(job: Name, limit: Limit = 500, cursor: Cursor = None) -> Sheet[ResultView]:
        """Its DICOM files, by path."""
        key = decode(cursor, (text,))
        with desk.database.read() as connection:
            after = None if key is None else key[0]
            found = views.job_results(connection, _find(connection, job).id, after=after, limit=limit + 1)
        return page(found, limit, lambda result: (result.path,))

    @routes.get("/{job}/log", name="log", response_model=shape(JobLog), summary="The end of its log")
    def log(job: Name, lines: Annotated[int, Query(ge=1, le=5000, description="How many at most.")] = 100) -> JobLog:
        """What the command of its present or last attempt wrote, standard output and error together."""
        with desk.database.read() as connection:
            found = _find(connection, job)
        written = log_tail(desk.settings(), found, lines)
        return JobLog(attempt=found.attempt, lines=tuple(written.splitlines()))


def _commands(routes: APIRouter, desk: Desk) -> None:
    @routes.post(
        "/{job}/retry",
        name="retry",
        response_model=Done,
        status_code=202,
        summary="Run it again, or deliver what it could not",
    )
    def retry(job: Name) -> Done:
        """As `hilum retry JOB`."""
        with desk.database.write() as connection:
            done = orders.retry_job(connection, _find(connection, job), desk.settings(), desk.clock())
        desk.wake()
        return Done(done=done)

    @routes.post("/{job}/cancel", name="cancel", response_model=Done, status_code=202, summary="Stop it")
    def cancel(job: Name) -> Done:
        """As `hilum cancel JOB`."""
        with desk.database.write() as connection:
            _, done = orders.cancel_job(connection, _find(connection, job), desk.settings(), desk.clock())
        desk.wake()
        return Done(done=done)


def _find(connection: Connection, job: str) -> JobView:
    return views.job(connection, work.find(connection, job).id)
