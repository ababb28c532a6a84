"""Notices: how each channel does, and whom the gateway told of what."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from hilum import states
from hilum.ledger import noticeboard
from hilum.model import Topic
from hilum.web import paging
from hilum.web.desk import Desk
from hilum.web.pages.frame import ROWS, Frame, choice

_STATES: Final = tuple(state.value for state in states.Notice)
_TOPICS: Final = tuple(topic.value for topic in Topic)


def router(desk: Desk, frame: Frame) -> APIRouter:
    """``/notices``."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/notices", response_class=HTMLResponse)
    @frame.shown
    def notices(request: Request) -> Response:
        key = paging.decode(request.query_params.get("cursor"), (paging.number,))
        told = desk.settings().notifications
        names = sorted({*told.webhooks, *told.mail})
        state, topic = choice(request, "state", _STATES), choice(request, "topic", _TOPICS)
        name = choice(request, "channel", names)
        with desk.database.read() as connection:
            channels = noticeboard.channels(connection, names)
            found = noticeboard.list_notices(
                connection,
                state=states.Notice(state) if state else None,
                channel=name or None,
                topic=Topic(topic) if topic else None,
                before=key[0] if key else None,
                limit=ROWS + 1,
            )
        sheet = paging.page(found, ROWS, lambda one: (one.id,))
        return frame.page(
            request,
            "notices.html",
            "Notices",
            channels=[one for one in channels if not name or one.name == name],
            notices=sheet.items,
            older=sheet.next,
            names=names,
            name=name,
            states=_STATES,
            state=state,
            topics=_TOPICS,
            topic=topic,
        )

    return routes
