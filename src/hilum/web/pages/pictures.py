"""Pictures of a job on a page of their own, as large as the window."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from hilum.ledger import views, work
from hilum.web.desk import Desk
from hilum.web.pages.frame import Frame


def router(desk: Desk, frame: Frame) -> APIRouter:
    """``/jobs/JOB/pictures``."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/jobs/{job}/pictures", response_class=HTMLResponse)
    @frame.shown
    def pictures(request: Request) -> Response:
        with desk.database.read() as connection:
            found = views.job(connection, work.find(connection, request.path_params["job"]).id)
        return frame.page(request, "pictures.html", f"Pictures of job {found.id[:8]}", job=found)

    return routes
