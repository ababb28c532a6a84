"""Tells by an HTTP POST of JSON, signed as Standard Webhooks asks for.

Source: Standard Webhooks 1.0; docs/notifications.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from hilum.exchange import NoAnswer, Server
from hilum.notify.port import Message, NotTold, Told
from hilum.signature import signed_headers

#: Of the body. Keys may be added to it; a change of meaning gets the next number.
VERSION: Final = 1
#: How much of an answer is read, in bytes: its status says whether it was taken, the rest is told as the reason.
_KEPT: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """An HTTP server that wants to be told; see ``hilum.notify.port.Channel``.

    Attributes:
        secret: Key of the signature; ``None``: it is not signed.
    """

    server: Server
    secret: str | None = field(default=None, repr=False)

    def tell(self, message: Message, clock: Callable[[], datetime]) -> Told | NotTold:
        """As ``port.Channel`` says."""
        data = body(message)
        headers = {"Content-Type": "application/json", "Idempotency-Key": message.key}
        headers |= signed_headers(self.secret, message.key, clock(), [data])
        answer = self.server.ask("POST", headers=headers, body=data, limit=_KEPT)
        if isinstance(answer, NoAnswer):
            return NotTold(why=answer.why)
        return Told(answer=answer.said) if answer.success else NotTold(why=answer.why)


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
