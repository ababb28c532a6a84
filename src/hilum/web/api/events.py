"""Events: a stream that tells that something changed, so that nobody has to ask again and again."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Header, Request
from starlette.responses import StreamingResponse

from hilum.web.feed import Feed
from hilum.web.session import Sessions, bearer_of, session_of


class EventStream(StreamingResponse):
    """Server-sent events."""

    media_type = "text/event-stream"


def router(feed: Feed, sessions: Sessions | None) -> APIRouter:
    """``/events``."""
    routes = APIRouter(prefix="/events", tags=["events"])

    @routes.get(
        "",
        name="listen",
        response_class=EventStream,
        summary="Be told that something changed",
        responses={200: {"description": "Server-sent events: `hello` once, then `change`.", "model": str}},
    )
    async def listen(
        request: Request,
        last_event_id: Annotated[str | None, Header(description="Where to go on: the id of the last event.")] = None,
    ) -> EventStream:
        """Server-sent events until the server stops or the session ends. What it means stands in docs/api.md."""
        feed.refuse_if_full()
        known = last_event_id is not None and last_event_id.isascii() and last_event_id.isdigit()
        after = int(last_event_id[:18]) if last_event_id is not None and known else None
        if sessions is None or bearer_of(request.headers) is not None:
            events = feed.listen(after)
        else:
            events = feed.listen(after, partial(sessions.holds, session_of(request.headers)))
        return EventStream(events, headers={"X-Accel-Buffering": "no"})

    return routes
