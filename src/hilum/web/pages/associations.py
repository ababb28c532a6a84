"""Associations: who sends now, what is held, who was turned away and why, and what was."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from hilum.ledger import annals, searches, views
from hilum.web import paging
from hilum.web.desk import Desk
from hilum.web.pages.frame import ROWS, Frame, written

_TURNED_AWAY: Final = 20


def router(desk: Desk, frame: Frame) -> APIRouter:
    """``/associations``."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/associations", response_class=HTMLResponse)
    @frame.shown
    def associations(request: Request) -> Response:
        key = paging.decode(request.query_params.get("cursor"), (paging.text,))
        calling = written(request, "calling")
        with desk.database.read() as connection:
            held = views.held_associations(connection)
            found = searches.list_associations(
                connection, calling=calling or None, after=key[0] if key else None, limit=ROWS + 1
            )
            rejected = annals.list_history(connection, machine="association", event="rejected", limit=_TURNED_AWAY)
            dropped = annals.list_history(connection, machine="connection", limit=_TURNED_AWAY)
        turned_away = sorted([*rejected, *dropped], key=lambda line: line.at, reverse=True)[:_TURNED_AWAY]
        sheet = paging.page(found, ROWS, lambda one: (one.id,))
        return frame.page(
            request,
            "associations.html",
            "Associations",
            talking=desk.talking(),
            held=held[::-1],
            past=sheet.items,
            older=sheet.next,
            calling=calling,
            turned_away=turned_away,
        )

    return routes
