"""Events: a stream that tells that something changed, so that nobody has to ask again and again."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header
from starlette.responses import StreamingResponse

from hilum.web.feed import Feed


class EventStream(StreamingResponse):
    """Server-sent events."""

    media_type = "text/event-stream"


def router(feed: Feed) -> APIRouter:
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
        last_event_id: Annotated[str | None, Header(description="Where to go on: the id of the last event.")] = None,
    ) -> EventStream:
        """Server-sent events until the server stops. What it means stands in docs/api.md."""
        feed.refuse_if_full()
        known = last_event_id is not None and last_event_id.isascii() and last_event_id.isdigit()
        after = int(last_event_id[:18]) if last_event_id is not None and known else None
        return EventStream(feed.listen(after), headers={"X-Accel-Buffering": "no"})

    return routes
