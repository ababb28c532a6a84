"""Groups: what is being received, how long each stays open, and what became of it."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from hilum import states
from hilum.explain import standing
from hilum.ledger import contents, views
from hilum.web.desk import Desk
from hilum.web.pages.frame import Frame, choice, number, personal, written

_STATES: Final = tuple(state.value for state in states.Group)
_SERIES: Final = 200


def router(desk: Desk, frame: Frame) -> APIRouter:
    """``/groups`` and ``/groups/NUMBER``."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/groups", response_class=HTMLResponse)
    @frame.shown
    def groups(request: Request) -> Response:
        state, limit = choice(request, "state", _STATES), number(request, "limit", 50, 500)
        study, patient = written(request, "study"), written(request, "patient")
        wanted = (states.Group(state),) if state else ()
        with desk.database.read() as connection:
            found = views.list_groups(
                connection, states_wanted=wanted, study=study or None, patient=patient or None, limit=limit
            )
        now = desk.clock()
        return frame.page(
            request,
            "groups.html",
            "Groups",
            groups=found,
            standing={one.id: standing.of_group(one, now) for one in found},
            states=_STATES,
            state=state,
            study=study,
            patient=patient,
            limit=limit,
            personal=personal(request),
        )

    @routes.get("/groups/{group_id}", response_class=HTMLResponse)
    @frame.shown
    def group(request: Request) -> Response:
        text = request.path_params["group_id"]
        with desk.database.read() as connection:
            found = views.group(connection, int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1)
            senders = views.senders(connection, found.id)
            series = contents.series(connection, found.id, limit=_SERIES)
            jobs = views.list_jobs(connection, group_id=found.id)
        return frame.page(
            request,
            "group.html",
            f"Group {found.id}",
            group=found,
            standing=standing.of_group(found, desk.clock()),
            senders=senders,
            series=series,
            jobs=jobs,
            results={one.id: standing.of_results(one) for one in jobs},
            personal=personal(request),
        )

    return routes
