"""Notices: whom the gateway told of what, and how its channels do."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from fastapi import APIRouter

from hilum import orders, states
from hilum.assembly import notify_of
from hilum.ledger import noticeboard
from hilum.ledger.noticeboard import ChannelView, NoticeView
from hilum.ledger.transition import NoSuchRowError
from hilum.model import Topic
from hilum.notify.port import NotTold
from hilum.notify.wording import trial
from hilum.web.desk import Desk
from hilum.web.paging import Cursor, Limit, Name, NameQuery, Number, Sheet, decode, number, page
from hilum.web.shape import page_of, shape
from hilum.web.tagged import Tagged
from hilum.web.words import Done


def router(desk: Desk) -> APIRouter:
    """``/notices``."""
    routes = APIRouter(prefix="/notices", tags=["notices"], route_class=Tagged)

    @routes.get("", name="list", response_model=page_of(NoticeView), summary="List notices")
    def list_notices(
        *,
        state: states.Notice | None = None,
        channel: NameQuery = None,
        topic: Topic | None = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Sheet[NoticeView]:
        """Whom the gateway told of what, or will; the newest first."""
        after = decode(cursor, (number,))
        with desk.database.read() as connection:
            found = noticeboard.list_notices(
                connection,
                state=state,
                channel=channel,
                topic=topic,
                before=after[0] if after else None,
                limit=limit + 1,
            )
        return page(found, limit, lambda notice: (notice.id,))

    @routes.get("/channels", name="channels", response_model=list[shape(ChannelView)], summary="How each channel does")  # type: ignore[misc]
    def channels() -> Sequence[ChannelView]:
        """Those of the configuration, by name."""
        told = desk.settings().notifications
        with desk.database.read() as connection:
            return noticeboard.channels(connection, {*told.webhooks, *told.mail})

    @routes.post(
        "/channels/{channel}/retry",
        name="retry_channel",
        response_model=Done,
        status_code=202,
        summary="Tell again what a channel did not take",
    )
    def retry_channel(channel: Name) -> Done:
        """As `hilum retry channel:NAME`, of all notices that were given up since it took one last."""
        with desk.database.write() as connection:
            done = orders.retry_channel(connection, channel, desk.settings(), desk.clock())
        desk.wake()
        return Done(done=done)

    @routes.get("/{notice}", name="show", response_model=shape(NoticeView), summary="One notice")
    def show(notice: Number) -> NoticeView:
        """By its number."""
        with desk.database.read() as connection:
            return noticeboard.notice(connection, notice)

    @routes.post("/{notice}/retry", name="retry", response_model=Done, status_code=202, summary="Tell it now")
    def retry(notice: Number) -> Done:
        """As `hilum retry notice:NUMBER`, of one that waits or was given up."""
        with desk.database.write() as connection:
            done = orders.retry_notice(connection, notice, desk.settings(), desk.clock())
        desk.wake()
        return Done(done=done)

    @routes.post(
        "/channels/{channel}/test", name="test", response_model=Done, summary="Send a test notice through a channel"
    )
    def test(channel: Name) -> Done:
        """As `hilum notify test CHANNEL`, by the configuration that is in force now."""
        settings = notify_of(desk.settings())
        route = settings.routes.get(channel)
        if route is None:
            raise NoSuchRowError(f"there is no channel {channel!r}; `hilum notify` lists them")
        outcome = route.channel.tell(trial(settings.site, key=str(uuid.uuid4()), now=desk.clock()), desk.clock)
        if isinstance(outcome, NotTold):
            return Done(done=f"{channel} did not take the test notice: {outcome.why}", ok=False)
        return Done(done=f"{channel} took the test notice: {outcome.answer}")

    return routes
