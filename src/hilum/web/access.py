"""Who may ask: a check before everything else, as ASGI middleware, and the headers that keep browsers in bounds.

Without a token only this machine is listened to. A page of a stranger that the operator's browser shows could still
reach a server there, by a name that resolves to it or by a form: so the name that was asked for has to be one of ours,
and whatever changes something has to come from a page of ours.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from http.cookies import SimpleCookie
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hilum.web import problem

COOKIE: Final = "hilum-session"
CSRF_HEADER: Final = "x-csrf-token"
SESSION_SECONDS: Final = 12 * 3600

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
#: Nothing in them is worth a secret, and those who ask have none.
_OPEN_TO_ALL: Final = ("/health/live", "/health/ready", "/login", "/static/")
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})

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


class Sessions:
    """Signed session cookies; nothing is kept, so that every gateway with the same token honours them.

    Args:
        token: The secret of the configuration; changing it ends every session.
    """

    def __init__(self, token: str, now: Callable[[], float] = time.time) -> None:
        self._key = hashlib.sha256(b"hilum session\0" + token.encode()).digest()
        self._now = now

    def new(self) -> str:
        """A cookie's value, good for ``SESSION_SECONDS``."""
        until = str(int(self._now()) + SESSION_SECONDS)
        return f"{until}.{self._sign('session', until)}"

    def holds(self, cookie: str) -> bool:
        """Whether this cookie is one of ours and not over."""
        until, _, signature = cookie.partition(".")
        # Compared before anything else: how long that takes must not tell how much of it is right.
        right = hmac.compare_digest(signature.encode(), self._sign("session", until).encode())
        return right and until.isdigit() and int(until) > self._now()

    def csrf(self, cookie: str) -> str:
        """What a page of this session has to say with everything that changes something."""
        return self._sign("csrf", cookie)

    def _sign(self, purpose: str, text: str) -> str:
        return hmac.new(self._key, f"{purpose}\0{text}".encode(), hashlib.sha256).hexdigest()


class Access:
    """ASGI middleware.

    Args:
        token: ``None``: everybody who reaches this server may do everything.
        hosts: Names and addresses by which this server may be asked for, without port; empty: any.
    """

    def __init__(self, app: ASGIApp, *, token: str | None, hosts: frozenset[str]) -> None:
        self._app = app
        self._token = token
        self._sessions = None if token is None else Sessions(token)
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer for the application, or let it answer and add the headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refused = self._refuse(scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if not scope["path"].startswith("/static/"):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await (refused or self._app)(scope, receive, send_with_headers)

    def _refuse(self, scope: Scope) -> Response | None:
        headers, path, changes = Headers(scope=scope), scope["path"], scope["method"] not in _SAFE
        host = headers.get("host", "")
        if self._hosts and urlsplit(f"//{host}").netloc.rsplit("@")[-1].removesuffix(_port(host)) not in self._hosts:
            return problem.answer(421, f"this server is not {host!r}; ask for it by an address of its own")
        if changes and not _is_own(headers, host):
            return problem.answer(403, "this request comes from a page of another site")
        if self._token is None or self._sessions is None or path.startswith(_OPEN_TO_ALL):
            return None
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            if hmac.compare_digest(given.strip().encode(), self._token.encode()):
                return None
            return problem.answer(401, "the token is not web.token", headers={"WWW-Authenticate": "Bearer"})
        cookie = session_of(headers)
        if cookie and self._sessions.holds(cookie):
            said = headers.get(CSRF_HEADER, "")
            if changes and not hmac.compare_digest(said.encode(), self._sessions.csrf(cookie).encode()):
                return problem.answer(
                    403, f"the header {CSRF_HEADER} is missing or of another session; load the page again"
                )
            return None
        if "text/html" in headers.get("accept", "") and not changes:
            return RedirectResponse("/login", status_code=303)
        return problem.answer(
            401, "say who you are: Authorization: Bearer, with web.token", headers={"WWW-Authenticate": "Bearer"}
        )


def session_of(headers: Headers) -> str:
    """The session cookie of a request, unchecked; empty if there is none."""
    found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    return found.value if found else ""


def own_hosts(host: str) -> frozenset[str]:
    """The names by which a server that listens on this address may be asked for; empty: any."""
    if host in {"0.0.0.0", "::"}:  # noqa: S104  what others call this machine cannot be known
        return frozenset()
    return _LOOPBACK | {f"[{host}]" if ":" in host else host}


def _port(host: str) -> str:
    """``:8080`` at the end of a Host header, if a port is there."""
    name, colon, number = host.rpartition(":")
    return f"{colon}{number}" if colon and number.isdigit() and (not name.startswith("[") or name.endswith("]")) else ""


def _is_own(headers: Headers, host: str) -> bool:
    """Whether a request that changes something comes from a page of ours, or from no page at all."""
    if headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        return False
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == host
