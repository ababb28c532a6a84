"""Deliveries: each destination with its queue, and what goes there."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from hilum import overview, states
from hilum.ledger import views
from hilum.web import paging
from hilum.web.api.destinations import standings
from hilum.web.desk import Desk
from hilum.web.pages.frame import ROWS, Frame, choice

_STATES: Final = tuple(state.value for state in states.Delivery)


def router(desk: Desk, frame: Frame) -> APIRouter:
    """``/deliveries``."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/deliveries", response_class=HTMLResponse)
    @frame.shown
    def deliveries(request: Request) -> Response:
        now = desk.clock()
        after = paging.decode(request.query_params.get("cursor"), (paging.moment, paging.number))
        with desk.database.read() as connection:
            settings = desk.settings()
            destinations = standings(connection, overview.destinations(connection, settings), settings, now)
            names = [one.name for one in destinations]
            state, name = choice(request, "state", _STATES), choice(request, "destination", names)
            found = views.list_deliveries(
                connection,
                now=now,
                state=states.Delivery(state) if state else None,
                destination=name or None,
                after=after,
                limit=ROWS + 1,
            )
        sheet = paging.page(found, ROWS, lambda one: (one.queued_at, one.id))
        return frame.page(
            request,
            "deliveries.html",
            "Deliveries",
            destinations=[one for one in destinations if not name or one.name == name],
            deliveries=sheet.items,
            older=sheet.next,
            names=names,
            name=name,
            states=_STATES,
            state=state,
        )

    return routes
