"""Jobs: the list, and all about one."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from hilum import states
from hilum.assembly import log_tail
from hilum.explain import standing, timeline
from hilum.ledger import annals, views, work
from hilum.web import paging
from hilum.web.desk import Desk
from hilum.web.pages import spans
from hilum.web.pages.frame import ROWS, Frame, choice, written
from hilum.wire import name_of

_STATES: Final = tuple(state.value for state in states.Job)
_LOG_LINES: Final = 200
#: Deliveries and results of one job that its page shows.
_ROWS: Final = 200


def router(desk: Desk, frame: Frame) -> APIRouter:
    """``/jobs`` and ``/jobs/JOB``."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/jobs", response_class=HTMLResponse)
    @frame.shown
    def jobs(request: Request) -> Response:
        settings = desk.settings()
        after = paging.decode(request.query_params.get("cursor"), (paging.moment, paging.text))
        titles = [ae.title for ae in settings.dicom.scp.ae_titles]
        workflows = list(dict.fromkeys(one.name for one in settings.workflows))
        state, ae = choice(request, "state", _STATES), choice(request, "ae", titles)
        workflow = choice(request, "workflow", workflows)
        study, patient = written(request, "study"), written(request, "patient")
        with desk.database.read() as connection:
            found = views.list_jobs(
                connection,
                state=states.Job(state) if state else None,
                ae=ae or None,
                workflow=workflow or None,
                study=study or None,
                patient=patient or None,
                after=after,
                limit=ROWS + 1,
            )
        sheet = paging.page(found, ROWS, lambda job: (job.created_at, job.id))
        return frame.page(
            request,
            "jobs.html",
            "Jobs",
            jobs=sheet.items,
            older=sheet.next,
            results={one.id: standing.of_results(one) for one in sheet.items},
            states=_STATES,
            state=state,
            titles=titles,
            ae=ae,
            workflows=workflows,
            workflow=workflow,
            study=study,
            patient=patient,
        )

    @routes.get("/jobs/{job}", response_class=HTMLResponse)
    @frame.shown
    def job(request: Request) -> Response:
        now = desk.clock()
        with desk.database.read() as connection:
            found = views.job(connection, work.find(connection, request.path_params["job"]).id)
            group = None if found.group_id is None else views.group(connection, found.group_id)
            senders = [] if found.group_id is None else views.senders(connection, found.group_id)
            results = views.job_results(connection, found.id)
            deliveries = views.list_deliveries(connection, now=now, job_id=found.id, limit=None)
            history = annals.job_history(connection, found)
        return frame.page(
            request,
            "job.html",
            f"Job {found.id[:8]}",
            job=found,
            group=group,
            results=results[:_ROWS],
            results_more=max(0, len(results) - _ROWS),
            kinds={one.sop_class: name_of(one.sop_class).removesuffix("Storage") for one in results},
            deliveries=deliveries[:_ROWS],
            deliveries_more=max(0, len(deliveries) - _ROWS),
            spans=spans.of_job(found, group, deliveries[:_ROWS], now),
            story=timeline.story(group, senders, history),
            log=log_tail(desk.settings(), found, _LOG_LINES),
            standing=standing.of_results(found),
        )

    return routes
