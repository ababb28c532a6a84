"""A gateway as a process of its own: ``hilum serve``."""

from __future__ import annotations

import os
import resource
import signal
import threading
from functools import partial
from pathlib import Path
from typing import Final, NoReturn

import structlog

from hilum import config
from hilum.serve import distrust
from hilum.serve.gateway import Gateway
from hilum.serve.signals import arriving

_log = structlog.get_logger(__name__)

#: The exit status when the disk failed to sync the ledger: as of any command, "failed for now; try again later".
EXIT_DISTRUSTED: Final = 3


def run(path: Path) -> int:
    """Run a gateway until SIGTERM or SIGINT; SIGHUP reloads. Ends the process if the ledger cannot be trusted any more.

    Returns:
        The exit status: 0 after an orderly stop.

    Raises:
        HilumError: It cannot start; the message says why and what to do.
    """
    settings = config.load(path)
    for warning in config.warnings(settings):
        _log.warning("config.warning", where=warning.where, path=warning.path, message=warning.message)
    gateway = Gateway(settings, path, clock=None, distrusted=partial(_end_at_once, settings.ledger.file))
    with arriving((signal.SIGTERM, signal.SIGINT, signal.SIGHUP)) as signals:
        _allow_many_files()
        gateway.start()
        try:
            while signals.next() == signal.SIGHUP:
                gateway.reload()
        finally:
            gateway.stop()
    return 0


def _allow_many_files() -> None:
    """Each association needs several descriptors, and the soft limit of many systems is 1024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _end_at_once(ledger: Path | None, why: str) -> NoReturn:
    """Nothing is put in order first: that would be written into the ledger, and a crash loses nothing."""
    if ledger is not None:
        # A disk that fails can also hang: the end must not wait for it.
        leaving = threading.Thread(target=distrust.leave, args=(ledger, why), daemon=True)
        leaving.start()
        leaving.join(timeout=1)
    _log.critical("ledger.distrusted", why=why, remedy="the gateway ends; its service manager has to start it again")
    os._exit(EXIT_DISTRUSTED)
