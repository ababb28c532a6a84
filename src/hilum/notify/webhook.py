"""Tells by an HTTP POST of JSON, signed as Standard Webhooks asks for.

Source: RFC 2104; Standard Webhooks 1.0, "Signature scheme"; docs/notifications.md.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import http.client
import json
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from hilum.notify.deadline import Deadline
from hilum.notify.port import Message, NotTold, Told

#: Of the body. Keys may be added to it; a change of meaning gets the next number.
VERSION: Final = 1
#: How much of an answer that is not a success is kept as its reason, in bytes.
_KEPT: Final = 300
_PREFIX: Final = "whsec_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """An HTTP server that wants to be told; see ``hilum.notify.port.Channel``.

    Attributes:
        url: ``https`` is verified; nothing else that the server asks for, such as a redirect, is followed.
        secret: Key of the signature; ``None``: it is not signed.
        authorization: Value of the header of that name; ``None``: there is none.
        timeout: Seconds for the whole conversation.
        authorities: Certificates to verify the server by, in PEM; ``None``: those of the system.
    """

    url: str
    secret: str | None = field(default=None, repr=False)
    authorization: str | None = field(default=None, repr=False)
    timeout: float = 10
    authorities: Path | None = None

    def tell(self, message: Message, clock: Callable[[], datetime]) -> Told | NotTold:
        """As ``port.Channel`` says."""
        data = body(message)
        headers = self._headers(message.key, data, clock())
        where = urlsplit(self.url)
        try:
            context = self._context() if where.scheme == "https" else None
        except OSError as error:
            return NotTold(why=f"ca-file {self.authorities} cannot be used: {error.strerror or error}")
        found: list[socket.socket] = []
        with Deadline(self.timeout, lambda: found[-1] if found else None) as deadline:
            try:
                found.append(self._connect(where.hostname or "", where.port))
                if context is not None:
                    secure = context.wrap_socket(
                        found[-1], server_hostname=where.hostname, do_handshake_on_connect=False
                    )
                    found.append(secure)
                    secure.do_handshake()
                connection = http.client.HTTPConnection(where.hostname or "", where.port)
                connection.sock = found[-1]
                target = (where.path or "/") + (f"?{where.query}" if where.query else "")
                connection.request(
                    "POST", target, body=data, headers={"Host": where.netloc.rpartition("@")[2]} | headers
                )
                answer = connection.getresponse()
                # One that was cut off in its header looks like a whole one.
                return self._late() if deadline.expired else _judge(answer)
            except (OSError, http.client.HTTPException, ValueError) as error:
                return NotTold(why=self._why(error, expired=deadline.expired))
            finally:
                for one in found:
                    one.close()

    def _connect(self, host: str, port: int | None) -> socket.socket:
        secure = urlsplit(self.url).scheme == "https"
        return socket.create_connection((host, port or (443 if secure else 80)), timeout=self.timeout)

    def _context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=None if self.authorities is None else str(self.authorities))

    def _headers(self, key: str, data: bytes, now: datetime) -> dict[str, str]:
        at = str(int(now.timestamp()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"hilum/{version('hilum')}",
            "Connection": "close",
            "Idempotency-Key": key,
            "webhook-id": key,
            "webhook-timestamp": at,
        }
        if self.secret is not None:
            headers["webhook-signature"] = sign(self.secret, key, at, data)
        if self.authorization is not None:
            headers["Authorization"] = self.authorization
        return headers

    def _late(self) -> NotTold:
        return NotTold(why=f"no answer within {self.timeout:g} s")

    def _why(self, error: Exception, *, expired: bool) -> str:
        if expired or isinstance(error, TimeoutError):
            return self._late().why
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"the server's certificate is not trusted: {error.verify_message}; see ca-file"
        if isinstance(error, ssl.SSLError):
            return f"TLS failed: {error.reason or error}"
        if isinstance(error, http.client.RemoteDisconnected):
            return "the server ended the conversation without an answer"
        if isinstance(error, UnicodeError):
            return "the address or authorization has characters that cannot be sent"
        if isinstance(error, OSError):
            return f"cannot be reached: {error.strerror or error}"
        return f"what came back is not HTTP: {type(error).__name__}"


def sign(secret: str, key: str, timestamp: str, data: bytes) -> str:
    """The value of ``webhook-signature``.

    Args:
        secret: As it is configured: any text, or ``whsec_`` and base64.
        timestamp: Seconds since 1970, decimal.
    """
    signed = f"{key}.{timestamp}.".encode() + data
    return "v1," + base64.b64encode(hmac.new(_key(secret), signed, hashlib.sha256).digest()).decode()


def _key(secret: str) -> bytes:
    if secret.startswith(_PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        except binascii.Error:
            pass  # a text like any other
    return secret.encode()


def body(message: Message) -> bytes:
    """The message as JSON, in UTF-8; its keys are those of docs/notifications.md."""
    document: dict[str, Any] = {
        "version": VERSION,
        "id": message.key,
        "topic": message.topic,
        "phase": message.phase.value,
        "subject": message.subject,
        "count": message.count,
        "first-at": _iso(message.first_at),
        "last-at": _iso(message.last_at),
        "over-at": None if message.over_at is None else _iso(message.over_at),
        "gist": message.gist,
        "reason": message.reason,
        "remedy": message.remedy,
        "examples": list(message.examples),
        "gateway": message.gateway,
        "link": message.link or None,
    }
    return json.dumps(document, ensure_ascii=False).encode()


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _judge(answer: http.client.HTTPResponse) -> Told | NotTold:
    said = f"{answer.status} {_printable(answer.reason or '')}".strip()
    if 200 <= answer.status < 300:
        return Told(answer=said)
    if 300 <= answer.status < 400:
        there = _printable(answer.getheader("Location") or "nowhere")
        return NotTold(why=f"answered {said} to {there}: redirects are not followed; write the address itself")
    try:
        more = _printable(answer.read(_KEPT).decode("utf-8", "replace"))
    except (OSError, http.client.HTTPException):
        more = ""
    return NotTold(why=f"answered {said}{f': {more}' if more else ''}")


def _printable(text: str) -> str:
    """One line that spoils no terminal."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())[:_KEPT]
