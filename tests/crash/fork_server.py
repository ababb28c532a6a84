"""Starts ``hilum serve`` again and again without importing it again: ``python -m crash.fork_server``.

One thread, everything imported, one fork per start: what a child then does is what the command line does. One request a
line on standard input, one answer a line on standard output, both JSON; it ends, and its gateways with it, when its
input does.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any, Final

from crash.shim import mapped

#: Whatever a gateway imports in the course of its life.
_MODULES: Final = (
    "alembic.command",
    "alembic.config",
    "alembic.script",
    "alembic.ddl.sqlite",
    "hilum.__main__",
    "hilum.cli.app",
    "hilum.cli.serve",
    "hilum.observe.log",
    "hilum.serve",
    "sqlalchemy.dialects.sqlite.pysqlite",
)
_LIBC: Final = ctypes.CDLL(None)
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NAME: Final = 15


def main() -> None:
    """Answer requests in the parent; returns in each child, as whose main program it goes on."""
    for name in _MODULES:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # pages that nobody touches are shared and need no copy
    _say({"ready": os.getpid()})
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            _say({"status": os.waitstatus_to_exitcode(os.waitpid(request["wait"], 0)[1])})
        elif (pid := os.fork()) == 0:
            _become_gateway(request)
            return
        else:
            _say({"pid": pid})
    sys.exit()


def _say(answer: dict[str, int]) -> None:
    print(json.dumps(answer), flush=True)


def _become_gateway(request: dict[str, Any]) -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.setsid()
    os.environ.update(request["environment"])
    # From the first call on the fault injection counts this process and no other.
    mapped(Path(os.environ["CRASH_CONTROL"])).pid = os.getpid()
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    null = os.open(os.devnull, os.O_RDONLY)
    for descriptor, source in ((0, null), (1, log), (2, log)):
        os.dup2(source, descriptor)
    os.closerange(3, max(log, null) + 1)
    _LIBC.prctl(_PR_SET_NAME, b"main")
    _name_threads()
    if "CRASH_SYNCHRONOUS" in os.environ:
        _weaken_ledger(os.environ["CRASH_SYNCHRONOUS"])
    if "CRASH_WITHOUT" in os.environ:
        from cluster.without import take_out

        take_out(os.environ["CRASH_WITHOUT"])
    if "CRASH_BUSY_SECONDS" in os.environ:
        from hilum.ledger import sqlite

        sqlite.BUSY_SECONDS = float(os.environ["CRASH_BUSY_SECONDS"])  # type: ignore[misc]
    sys.argv = ["hilum", "serve", "--config", request["config"]]


def _name_threads() -> None:
    """Let the system know Python's names of threads: a fault says at which step it hit."""
    original = threading.Thread._bootstrap_inner  # type: ignore[attr-defined]

    def named(thread: threading.Thread) -> None:
        _LIBC.prctl(_PR_SET_NAME, thread.name.encode()[:15])
        original(thread)

    threading.Thread._bootstrap_inner = named  # type: ignore[attr-defined]


def _weaken_ledger(synchronous: str) -> None:
    """The ledger as others keep theirs, for the test of the test: it has to lose."""
    from hilum.ledger import sqlite

    original = sqlite._engine
    sqlite._engine = lambda url, _synchronous: original(url, synchronous)


if __name__ == "__main__":
    main()
    from hilum.__main__ import main as serve

    serve()
