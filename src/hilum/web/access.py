"""Who may ask: a check before everything else, as ASGI middleware, and the headers that keep browsers in bounds.

Without a token only this machine is listened to. A page of a stranger that the operator's browser shows could still
reach a server there, by a name that resolves to it or by a form: so the name that was asked for has to be one of ours,
and whatever changes something has to come from a page of ours.

With a token the name does not matter: such a page has neither the token nor a cookie of this name. A proxy in front,
for TLS, has names that are not known here.
"""

from __future__ import annotations

import hmac
import re
from typing import Final
from urllib.parse import urlsplit

import structlog
from fastapi import HTTPException
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hilum.errors import HilumError
from hilum.web import problem
from hilum.web.session import Patience, Sessions, bearer_of, is_token, session_of

CSRF_HEADER: Final = "x-csrf-token"

#: Of the body of a request; a configuration has less.
_MOST_BYTES: Final = 4 * 1024 * 1024
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
#: Nothing in them is worth a secret, and those who ask have none.
_OPEN_TO_ALL: Final = frozenset({"/health/live", "/health/ready", "/login"})
_FILES_OPEN_TO_ALL: Final = "/static/"
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
#: Name or address, and perhaps a port. Source: RFC 9110 7.2, RFC 3986 3.2.2.
_HOST: Final = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]{1,5})?", re.IGNORECASE | re.ASCII)

#: Scripts, styles and pictures of our own files alone; nothing inline; in nobody's frame.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

_log = structlog.get_logger(__name__)


class Access:
    """ASGI middleware.

    Args:
        token: ``None``: everybody who reaches this server may do everything.
        sessions: Those of that token.
        hosts: Names and addresses by which this server may be asked for, in small letters, without port; empty: any.
    """

    def __init__(self, app: ASGIApp, *, token: str | None, sessions: Sessions | None, hosts: frozenset[str]) -> None:
        self._app = app
        self._token = token
        self._sessions = sessions
        self._hosts = hosts
        self._patience = Patience()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer for the application, or let it answer and add the headers."""
        if scope["type"] == "websocket":  # there are none
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refused = await self._refuse(scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if not _is_open_file(scope["path"]):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await (refused or self._app)(scope, _bounded(receive), send_with_headers)

    async def _refuse(self, scope: Scope) -> Response | None:
        headers, path, changes = Headers(scope=scope), scope["path"], scope["method"] not in _SAFE
        if self._hosts and _name(headers) not in self._hosts:
            named = headers.get("host", "")
            return problem.answer(421, f"this server is not {named!r}; ask for it by an address of its own")
        if changes and not _is_own(headers):
            return problem.answer(403, "this request comes from a page of another site")
        if self._token is None or self._sessions is None or path in _OPEN_TO_ALL or _is_open_file(path):
            return None
        given = bearer_of(headers)
        if given is not None:
            return await self._judge(scope, given, self._token)
        cookie = session_of(headers)
        try:
            holds = bool(cookie) and await run_in_threadpool(self._sessions.holds, cookie)
        except HilumError as error:
            return problem.answer(503, f"whether this session still holds cannot be told: {error}")
        if holds:
            said = headers.get(CSRF_HEADER, "")
            if changes and not hmac.compare_digest(said.encode(), self._sessions.csrf(cookie).encode()):
                return problem.answer(
                    403, f"the header {CSRF_HEADER} is missing or of another session; load the page again"
                )
            return None
        if "text/html" in headers.get("accept", "") and not changes:
            return RedirectResponse("/login", status_code=303)
        return _unknown("say who you are: Authorization: Bearer, with web.token")

    async def _judge(self, scope: Scope, given: str, token: str) -> Response | None:
        peer = (scope.get("client") or ("", 0))[0]
        # Headers come as Latin-1, tokens are UTF-8: bytes are what was sent.
        right = await self._patience.judge(peer, lambda: is_token(given.encode("latin-1"), token))
        if right is None:
            return problem.answer(
                429, "too many wrong tokens from this address: this one was not looked at", headers={"Retry-After": "2"}
            )
        if not right:
            _log.warning("web.wrong_token", host=peer)
            return _unknown("the token is not web.token")
        return None


def _bounded(receive: Receive) -> Receive:
    """The body of a request, as long as it is not longer than anything that is ever meant."""
    left = _MOST_BYTES

    async def bounded() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise HTTPException(413, f"a request has {_MOST_BYTES} bytes at most")
        return message

    return bounded


def own_hosts(host: str) -> frozenset[str]:
    """The names by which a server without a token, which listens on this address, may be asked for."""
    return _LOOPBACK | {f"[{host.lower()}]" if ":" in host else host.lower()}


def _unknown(detail: str) -> Response:
    return problem.answer(401, detail, headers={"WWW-Authenticate": "Bearer"})


def _is_open_file(path: str) -> bool:
    """Whether a path, with nothing encoded in it any more, leads to a file of ours and nowhere else."""
    return path.startswith(_FILES_OPEN_TO_ALL) and not {"", ".", ".."} & set(path.split("/")[1:]) and "\\" not in path


def _name(headers: Headers) -> str:
    """The name by which the server was asked for, in small letters, without port; empty: it cannot be told."""
    found = headers.getlist("host")
    match = _HOST.fullmatch(found[0]) if len(found) == 1 else None
    return match[1].lower() if match else ""


def _is_own(headers: Headers) -> bool:
    """Whether a request that changes something comes from a page of ours, or from no page at all."""
    if not {*headers.getlist("sec-fetch-site")} <= {"same-origin", "none"}:
        return False
    origins = headers.getlist("origin")
    if not origins:
        return True
    try:
        origin = urlsplit(origins[0])
    except ValueError:
        return False
    same = origin.netloc.lower() == headers.get("host", "").lower()
    return len(origins) == 1 and origin.scheme in {"http", "https"} and bool(origin.netloc) and same
