"""The overview: what needs attention first, then how everything stands."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from hilum import states
from hilum.ledger import rates, views
from hilum.overview import ACTIVE, look
from hilum.web.desk import Desk
from hilum.web.pages.frame import Frame

#: Of the chart.
_MINUTES: Final = 60


def router(desk: Desk, frame: Frame) -> APIRouter:
    """``/`` and what its chart draws."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/", response_class=HTMLResponse)
    @frame.shown
    def overview(request: Request) -> Response:
        found = look(desk.database, desk.settings(), desk.path, desk.clock(), running=True)
        with desk.database.read() as connection:
            groups = views.group_counts(connection)
            minutes = rates.per_minute(connection, now=desk.clock(), minutes=_MINUTES)
        return frame.page(
            request,
            "overview.html",
            "Overview",
            found=found,
            owner=desk.owner,
            talking=desk.talking(),
            groups_open=groups[states.Group.OPEN],
            active=[(state, found.jobs[state]) for state in ACTIVE],
            due=sum(one.due for one in found.destinations),
            minutes=minutes,
            received=sum(one.received for one in minutes),
            bytes=sum(one.bytes for one in minutes),
            delivered=sum(one.delivered for one in minutes),
        )

    @routes.get("/overview/rates")
    def chart() -> dict[str, list[Any]]:
        with desk.database.read() as connection:
            minutes = rates.per_minute(connection, now=desk.clock(), minutes=_MINUTES)
        return {
            "times": [one.begin.timestamp() for one in minutes],
            "received": [one.received for one in minutes],
            "delivered": [one.delivered for one in minutes],
        }

    return routes
