"""The PostgreSQL server on which the ledgers of a run are, if they are to be: on a disk that nobody hurts."""

from __future__ import annotations

import atexit
import os
from functools import cache
from typing import Final

from harness.postgres import Server

#: Says so to this process and to all that it starts.
VARIABLE: Final = "CRASH_LEDGERS"
POSTGRESQL: Final = "postgresql"


def is_used() -> bool:
    """Whether this run keeps its ledgers there."""
    return os.environ.get(VARIABLE) == POSTGRESQL


def new_url() -> str | None:
    """The URL of a ledger that its gateway has still to make; ``None``: this run keeps them in files."""
    return _server(os.getpid()).url() if is_used() else None


@cache
def _server(_process: int) -> Server:
    server = Server()
    atexit.register(server.discard)
    return server
