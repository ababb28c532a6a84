"""Where something is, why, and what to do; and what the doctor finds."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from hilum.doctor.examination import Examination
from hilum.web.api.explain import inquirer
from hilum.web.desk import Desk
from hilum.web.pages.frame import Frame, personal

#: The longest question; a UID has 64 characters.
_LONGEST: Final = 256


def router(desk: Desk, frame: Frame) -> APIRouter:
    """``/explain`` and ``/doctor``."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/explain", response_class=HTMLResponse)
    @frame.shown
    def explain(request: Request) -> Response:
        what = request.query_params.get("what", "").strip()[:_LONGEST]
        shown = personal(request)
        found = inquirer(desk).explain(what, now=desk.clock(), personal=shown) if what else None
        if found is not None and found.kind and found.asked != what and not shown:
            # A Patient ID that led to one study does not stay in the address and in the browser's list.
            return RedirectResponse(f"/explain?what={quote(found.asked)}", status_code=303)
        return frame.page(request, "explain.html", "Explain", what=what, found=found, personal_shown=shown)

    @routes.get("/doctor", response_class=HTMLResponse)
    @frame.shown
    def doctor(request: Request) -> Response:
        examination = Examination(settings=desk.settings(), database=desk.database, running=True)
        return frame.page(request, "doctor.html", "Doctor", found=examination.whole(desk.clock()))

    return routes
