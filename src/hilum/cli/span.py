"""Times to wait, as options give them."""

from __future__ import annotations

from datetime import timedelta

from hilum.association.settings import RequestorTimeouts
from hilum.cli.exit import UsageError


def requestor_timeouts(connect: float, acse: float, dimse: float) -> RequestorTimeouts:
    """The options of a command that opens associations, in seconds.

    Raises:
        UsageError: One of them is no time to wait.
    """
    return RequestorTimeouts(connect=span(connect, "-to"), association=span(acse, "-ta"), dimse=span(dimse, "-td"))


def span(seconds: float, option: str) -> timedelta:
    """A time to wait.

    Raises:
        UsageError: It is none.
    """
    if not 0 < seconds <= 1_000_000:
        raise UsageError(f"{option} {seconds:g}: expected seconds to wait, more than 0")
    return timedelta(seconds=seconds)
