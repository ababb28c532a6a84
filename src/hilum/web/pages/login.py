"""The way in and out of a dashboard with a token."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs

import structlog
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from hilum.ledger import logins
from hilum.web import session
from hilum.web.desk import Desk
from hilum.web.pages.frame import Frame

_log = structlog.get_logger(__name__)

#: Of the form; a token is much shorter.
_MOST_BYTES: Final = 8192


def router(desk: Desk, frame: Frame) -> APIRouter:
    """``/login`` and ``/logout``; without a token both lead to the overview."""
    routes = APIRouter(include_in_schema=False)
    token = desk.settings().web.token
    patience = session.Patience()
    sessions = session.sessions_of(desk)

    def page(request: Request, status: int = 200, why: str = "") -> Response:
        answer = frame.page(request, "login.html", "Log in", status=status, why=why, nav=())
        # With the policy of all others the browser would not tell where the form comes from.
        answer.headers["Referrer-Policy"] = "same-origin"
        return answer

    @routes.get("/login", response_class=HTMLResponse)
    @frame.shown
    def ask(request: Request) -> Response:
        if sessions is None or sessions.holds(session.session_of(request.headers)):
            return RedirectResponse("/", status_code=303)
        return page(request)

    @routes.post("/login", response_class=HTMLResponse)
    async def come_in(request: Request) -> Response:
        if token is None or sessions is None:
            return RedirectResponse("/", status_code=303)
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > _MOST_BYTES:
                return page(request, 413, "this is longer than any token")
        given = parse_qs(body.decode("utf-8", "replace")).get("token", [""])[0].strip()
        peer = request.client.host if request.client else ""
        right = await patience.judge(peer, lambda: session.is_token(given.encode(), token))
        if right is None:
            return page(request, 429, "too many wrong tokens from this address; wait a moment, then try again")
        if not right:
            _log.warning("web.wrong_token", host=peer)
            return page(request, 401, "this is not the value of web.token in the gateway's configuration")
        answer = RedirectResponse("/", status_code=303)
        answer.set_cookie(
            session.COOKIE,
            sessions.new(),
            max_age=session.SESSION_SECONDS,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return answer

    @routes.post("/logout")
    def go_out(request: Request) -> Response:
        cookie = session.session_of(request.headers)
        if sessions is not None and cookie and sessions.holds(cookie):
            with desk.database.write() as connection:
                logins.end(connection, session.id_of(cookie), now=desk.clock())
        answer = Response(status_code=204, headers={"HX-Redirect": "/login"})
        answer.delete_cookie(session.COOKIE, httponly=True, samesite="strict")
        return answer

    return routes
