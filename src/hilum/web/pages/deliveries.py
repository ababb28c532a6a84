"""Deliveries: each destination with its queue, and what goes there."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from hilum import overview, states
from hilum.ledger import rates, traffic, views
from hilum.web.desk import Desk
from hilum.web.pages.frame import Frame, choice, number

_STATES: Final = tuple(state.value for state in states.Delivery)
#: What the estimate of how long a queue lasts goes by.
_LATELY: Final = timedelta(minutes=10)


def router(desk: Desk, frame: Frame) -> APIRouter:
    """``/deliveries``."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/deliveries", response_class=HTMLResponse)
    @frame.shown
    def deliveries(request: Request) -> Response:
        now, settings, limit = desk.clock(), desk.settings(), number(request, "limit", 50, 500)
        with desk.database.read() as connection:
            destinations = overview.destinations(connection, settings)
            names = [one.name for one in destinations]
            state, name = choice(request, "state", _STATES), choice(request, "destination", names)
            found = views.list_deliveries(
                connection,
                now=now,
                state=states.Delivery(state) if state else None,
                destination=name or None,
                limit=limit,
            )
            lately = traffic.delivered(connection, since=now - _LATELY)
        return frame.page(
            request,
            "deliveries.html",
            "Deliveries",
            destinations=[one for one in destinations if not name or one.name == name],
            peers={one.name: one for one in settings.dicom.scu.destinations},
            lately=lately,
            minutes=_LATELY // timedelta(minutes=1),
            left={one.name: rates.left(one.due, lately.get(one.name, 0), _LATELY) for one in destinations},
            deliveries=found,
            names=names,
            name=name,
            states=_STATES,
            state=state,
            limit=limit,
        )

    return routes
