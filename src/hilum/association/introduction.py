"""A load balancer says whose connection it passes on, before the first byte of it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from hilum.association import remedy
from hilum.association.observer import Early
from hilum.association.proxy_header import Malformed, read_header
from hilum.association.transport import Interrupted, Link, TimedOut
from hilum.wire import ConnectionLost


@dataclass(frozen=True, slots=True)
class Unheard:
    """The connection has to be dropped.

    Attributes:
        cause: ``None``: it was a look whether somebody listens, and no news.
        why: One clause.
        remedy: Empty if nothing needs to be done.
    """

    cause: Early | None
    why: str = ""
    remedy: str = ""


def hear(link: Link, until: float) -> tuple[str, int] | Unheard | None:
    """Take the header, and nothing behind it.

    Args:
        until: When it must be complete, monotonic.

    Returns:
        Address and port of who connected to the balancer; ``None``: the connection is the balancer's own.
    """
    seen = bytearray()
    while True:
        came = link.peek(until - time.monotonic())
        if not isinstance(came, memoryview):
            return _ended(came, begun=bool(seen))
        before = len(seen)
        seen += came
        found = read_header(seen)
        if isinstance(found, Malformed):
            return Unheard(Early.NOT_INTRODUCED, f"a balancer of dicom.scp.proxies: {found.why}", remedy.NOT_INTRODUCED)
        link.skip(len(came) if found is None else found.length - before)
        if found is not None:
            return found.source


def _ended(event: TimedOut | Interrupted | ConnectionLost, *, begun: bool) -> Unheard:
    match event:
        case TimedOut():
            why = "a balancer of dicom.scp.proxies sent no complete PROXY protocol header in time"
            return Unheard(Early.TIMED_OUT, why, remedy.NOT_INTRODUCED)
        case Interrupted():
            return Unheard(Early.STOPPED, "the gateway is stopping")
        case ConnectionLost() if begun:
            return Unheard(Early.BROKE_OFF, "the balancer closed the connection within its PROXY protocol header")
        case ConnectionLost():
            return Unheard(None)
