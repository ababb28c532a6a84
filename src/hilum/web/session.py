"""Sessions of browsers, as signed cookies that a logout ends, and patience with those who guess the token."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.datastructures import Headers

from hilum.ledger import logins
from hilum.web.desk import Desk

COOKIE: Final = "hilum-session"
SESSION_SECONDS: Final = 12 * 3600

#: How long a wrong token waits for its answer, and how many of one address may wait at once: two guesses a second.
_WAIT_SECONDS: Final = 2.0
_MOST_WAITING: Final = 4


class Sessions:
    """Signed session cookies, which every gateway with the same token honours; only that one has ended is kept.

    Args:
        token: The secret of the configuration; changing it ends every session.
        has_ended: Whether somebody has logged out of the session with that id, at whichever gateway.
        now: Seconds since 1970.
    """

    def __init__(self, token: str, has_ended: Callable[[str], bool], now: Callable[[], float] = time.time) -> None:
        self._key = hashlib.sha256(b"hilum session\0" + token.encode()).digest()
        self._has_ended = has_ended
        self._now = now

    def new(self) -> str:
        """A cookie's value, good for ``SESSION_SECONDS``; no two are the same."""
        session = f"{int(self._now()) + SESSION_SECONDS}.{secrets.token_hex(8)}"
        return f"{session}.{self._sign('session', session)}"

    def holds(self, cookie: str) -> bool:
        """Whether this cookie is one of ours and not over; whether it has ended is asked last."""
        session, _, signature = cookie.rpartition(".")
        # Compared before anything else: how long that takes must not tell how much of it is right.
        right = hmac.compare_digest(signature.encode(), self._sign("session", session).encode())
        return right and int(session.partition(".")[0]) > self._now() and not self._has_ended(id_of(cookie))

    def csrf(self, cookie: str) -> str:
        """What a page of this session has to say with everything that changes something."""
        return self._sign("csrf", cookie)

    def _sign(self, purpose: str, text: str) -> str:
        return hmac.new(self._key, f"{purpose}\0{text}".encode(), hashlib.sha256).hexdigest()


def sessions_of(desk: Desk) -> Sessions | None:
    """Those of a gateway's configuration and ledger; ``None``: nobody needs one."""
    token = desk.settings().web.token

    def has_ended(session: str) -> bool:
        with desk.database.read() as connection:
            return logins.has_ended(connection, session)

    return None if token is None else Sessions(token, has_ended)


def id_of(cookie: str) -> str:
    """What the ledger calls a session; it opens nothing."""
    return ".".join(cookie.split(".")[1:2])


def session_of(headers: Headers) -> str:
    """The session cookie of a request, unchecked; empty if there is none, or more than one.

    Cookies of other servers on this host come along, in whatever form these gave them.
    """
    found = [
        value.strip()
        for line in headers.getlist("cookie")
        for name, equals, value in (part.partition("=") for part in line.split(";"))
        if equals and name.strip() == COOKIE
    ]
    return found[0] if len(found) == 1 else ""


def bearer_of(headers: Headers) -> str | None:
    """The token of a request, unchecked; ``None``: it comes with none, and its session counts."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    return given.strip() if scheme.lower() == "bearer" else None


def is_token(given: bytes, token: str) -> bool:
    """Whether this is the secret of the configuration, in a time that does not tell how much of it is right."""
    return hmac.compare_digest(given, token.encode())


class Patience:
    """Makes guessing slow. Who is wrong waits for the answer, and few of one address may wait; others do not notice.

    For the event loop of one server.
    """

    def __init__(self, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        self._sleep = sleep
        self._waiting: Counter[str] = Counter()

    async def judge(self, peer: str, right: Callable[[], bool]) -> bool | None:
        """Whether a secret is right; ``None``: it was not looked at, because too many of this peer's wait.

        Args:
            peer: Its address.
        """
        if self._waiting[peer] >= _MOST_WAITING:
            return None
        if right():
            return True
        self._waiting[peer] += 1
        try:
            await self._sleep(_WAIT_SECONDS)
        finally:
            self._waiting[peer] -= 1
            self._waiting += Counter()  # forgets those of whom none waits
        return False
