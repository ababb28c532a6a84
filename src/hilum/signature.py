"""Signs requests, so that whoever gets them knows whose they are and that nobody changed them.

Source: RFC 2104; Standard Webhooks 1.0, "Signature scheme".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable
from datetime import datetime
from typing import Final

_PREFIX: Final = "whsec_"


def signed_headers(secret: str | None, identity: str, now: datetime, body: Iterable[bytes]) -> dict[str, str]:
    """The headers that make a request a signed one.

    Args:
        secret: As it is configured: any text, or ``whsec_`` and base64; ``None``: there is no signature.
        identity: What the request is; signed together with the body.
        body: In pieces of any size; not read without a secret.
    """
    at = str(int(now.timestamp()))
    headers = {"webhook-id": identity, "webhook-timestamp": at}
    if secret is not None:
        headers["webhook-signature"] = sign(secret, identity, at, body)
    return headers


def sign(secret: str, identity: str, timestamp: str, body: Iterable[bytes]) -> str:
    """The value of ``webhook-signature``.

    Args:
        timestamp: Seconds since 1970, decimal.
    """
    mac = hmac.new(_key(secret), f"{identity}.{timestamp}.".encode(), hashlib.sha256)
    for piece in body:
        mac.update(piece)
    return "v1," + base64.b64encode(mac.digest()).decode()


def _key(secret: str) -> bytes:
    if secret.startswith(_PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        except binascii.Error:
            pass  # a text like any other
    return secret.encode()
