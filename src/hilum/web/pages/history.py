"""History: everything that was refused, ignored, held, tried in vain, given up or removed, and why."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from hilum.ledger import annals
from hilum.ledger.shown import HistoryLine
from hilum.web import paging
from hilum.web.desk import Desk
from hilum.web.pages.frame import ROWS, Frame, choice, written

_MACHINES: Final = (
    "association",
    "config",
    "connection",
    "delivery",
    "destination",
    "disk",
    "folder",
    "gateway",
    "group",
    "instance",
    "job",
    "notice",
    "result",
    "session",
)
_SINCE: Final = {
    "hour": timedelta(hours=1),
    "12 hours": timedelta(hours=12),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "30 days": timedelta(days=30),
}


def router(desk: Desk, frame: Frame) -> APIRouter:
    """``/history``."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/history", response_class=HTMLResponse)
    @frame.shown
    def history(request: Request) -> Response:
        machine, since = choice(request, "machine", _MACHINES), choice(request, "since", list(_SINCE))
        text = written(request, "text")
        everything = request.query_params.get("all") == "yes"
        key = paging.decode(request.query_params.get("cursor"), (paging.number,))
        with desk.database.read() as connection:
            lines = annals.list_history(
                connection,
                since=desk.clock() - _SINCE[since] if since else None,
                before=key[0] if key else None,
                everything=everything,
                machine=machine or None,
                text=text or None,
                limit=ROWS + 1,
            )
        sheet = paging.page(lines[::-1], ROWS, lambda line: (line.id,))
        return frame.page(
            request,
            "history.html",
            "History",
            lines=sheet.items,
            older=sheet.next,
            links={line.id: _link(line) for line in sheet.items},
            machines=_MACHINES,
            machine=machine,
            spans=list(_SINCE),
            since=since,
            text=text,
            everything=everything,
        )

    return routes


def _link(line: HistoryLine) -> str:
    """The page where something can be done about it; empty: there is none."""
    match line.machine:
        case "job":
            return f"/jobs/{line.subject}"
        case "result":
            return f"/jobs/{line.subject.partition(':')[0]}"
        case "group":
            return f"/groups/{line.subject}"
        case "delivery" | "destination":
            return "/deliveries"
        case "association" | "connection":
            return "/associations"
        case "notice":
            return "/notices"
        case "config":
            return "/configuration"
        case _:
            return ""
