"""Jobs: what runs, what ran, what came of it; run again, stop."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter
from sqlalchemy import Connection

from hilum import orders, states
from hilum.ledger import views, work
from hilum.ledger.shown import HistoryLine, JobView, ResultView
from hilum.web.desk import Desk
from hilum.web.paging import Cursor, Limit, decode, page
from hilum.web.shape import Page, shape
from hilum.web.words import Done


def router(desk: Desk) -> APIRouter:
    """``/jobs``."""
    routes = APIRouter(prefix="/jobs", tags=["jobs"])

    @routes.get("", response_model=Page[shape(JobView)], summary="List jobs")  # type: ignore[misc]
    def list_jobs(
        state: states.Job | None = None,
        ae: str | None = None,
        workflow: str | None = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Page[JobView]:
        """The newest first; all but removed ones unless a state is asked for."""
        after = decode(cursor, (str,))
        with desk.database.read() as connection:
            found = views.list_jobs(connection, state=state, ae=ae, workflow=workflow, limit=limit + 1)
        assert after is None
        return page(found, limit, lambda job: (job.id,))

    @routes.get("/{job}", response_model=shape(JobView), summary="One job")
    def one(job: str) -> JobView:
        """By its id or its name, or the beginning of either."""
        with desk.database.read() as connection:
            return _find(connection, job)

    @routes.get("/{job}/timeline", response_model=list[shape(HistoryLine)], summary="All that happened to it")  # type: ignore[misc]
    def timeline(job: str) -> Sequence[HistoryLine]:
        """Of the job, its group, its results and its deliveries, in the order of time."""
        with desk.database.read() as connection:
            return views.job_history(connection, _find(connection, job))

    @routes.get("/{job}/results", response_model=list[shape(ResultView)], summary="What it wrote")  # type: ignore[misc]
    def results(job: str) -> Sequence[ResultView]:
        """Its DICOM files, by path."""
        with desk.database.read() as connection:
            return views.job_results(connection, _find(connection, job).id)

    @routes.post(
        "/{job}/retry", response_model=Done, status_code=202, summary="Run it again, or what it could not deliver"
    )
    def retry(job: str) -> Done:
        """As `hilum retry JOB`."""
        with desk.database.write() as connection:
            done = orders.retry_job(connection, _find(connection, job), desk.settings(), desk.clock())
        desk.wake()
        return Done(done=done)

    @routes.post("/{job}/cancel", response_model=Done, status_code=202, summary="Stop it")
    def cancel(job: str) -> Done:
        """As `hilum cancel JOB`."""
        with desk.database.write() as connection:
            _, done = orders.cancel_job(connection, _find(connection, job), desk.settings(), desk.clock())
        desk.wake()
        return Done(done=done)

    return routes


def _find(connection: Connection, job: str) -> JobView:
    return views.job(connection, work.find(connection, job).id)
