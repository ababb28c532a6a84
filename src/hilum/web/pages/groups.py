"""Groups: what is being received, how long each stays open, and what became of it."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from hilum import states
from hilum.explain import standing
from hilum.ledger import contents, views
from hilum.ledger.shown import GroupView
from hilum.web import paging
from hilum.web.desk import Desk
from hilum.web.pages.frame import ROWS, Frame, choice, personal, written

_STATES: Final = tuple(state.value for state in states.Group)
_SERIES: Final = 200


def router(desk: Desk, frame: Frame) -> APIRouter:
    """``/groups`` and ``/groups/NUMBER``."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/groups", response_class=HTMLResponse)
    @frame.shown
    def groups(request: Request) -> Response:
        state = choice(request, "state", _STATES)
        after = paging.decode(request.query_params.get("cursor"), (_moment_or_none, paging.number))
        study, patient = written(request, "study"), written(request, "patient")
        wanted = (states.Group(state),) if state else ()
        with desk.database.read() as connection:
            found = views.list_groups(
                connection,
                states_wanted=wanted,
                study=study or None,
                patient=patient or None,
                after=after,
                limit=ROWS + 1,
            )
        now = desk.clock()
        sheet = paging.page(found, ROWS, _key)
        return frame.page(
            request,
            "groups.html",
            "Groups",
            groups=sheet.items,
            older=sheet.next,
            standing={one.id: standing.of_group(one, now) for one in sheet.items},
            states=_STATES,
            state=state,
            study=study,
            patient=patient,
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


def _moment_or_none(value: object) -> datetime | None:
    return None if value is None else paging.moment(value)


def _key(group: GroupView) -> tuple[object, ...]:
    return group.closes_at if group.state is states.Group.OPEN else None, group.id
