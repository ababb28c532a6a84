"""A gateway as a process of its own: ``hilum serve``."""

from __future__ import annotations

import os
import resource
import signal
import threading
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final, NoReturn

import structlog

from hilum import config
from hilum.serve import distrust
from hilum.serve.gateway import Gateway
from hilum.serve.pulse import Pulse
from hilum.serve.roles import ALL, Role, missing
from hilum.serve.signals import Signals, arriving
from hilum.serve.systemd import ServiceManager

_log = structlog.get_logger(__name__)

#: The exit status when the disk failed to sync the ledger, and when another gateway has taken over from this one: as of
#: any command, "failed for now; try again later".
EXIT_DISTRUSTED: Final = 3
#: How long steps may take to record what they do when the gateway stops, for the service manager's patience.
_RECORDING: Final = timedelta(seconds=60)


def run(path: Path, *, roles: frozenset[Role] = ALL) -> int:
    """Run a gateway until SIGTERM or SIGINT; SIGHUP reloads.

    A second SIGTERM or SIGINT ends the process at once, and so
    does a ledger that cannot be trusted any more.

    Returns:
        The exit status: 0 after an orderly stop.

    Raises:
        HilumError: It cannot start; the message says why and what to do.
    """
    settings = config.load(path)
    for warning in config.warnings(settings):
        _log.warning("config.warning", where=warning.where, path=warning.path, message=warning.message)
    _warn_of_roles(settings, roles)
    distrusted = partial(_end_at_once, settings.ledger.file)
    gateway = Gateway(settings, path, roles=roles, clock=None, distrusted=distrusted, fenced=_end_fenced)
    manager = ServiceManager.take(os.environ)
    with arriving((signal.SIGTERM, signal.SIGINT, signal.SIGHUP)) as signals:
        _allow_many_files()
        gateway.start()
        pulse = Pulse(manager=manager, turns=gateway.turns, answers=gateway.ask_ledger, status=gateway.summary)
        manager.ready()
        pulse.start()
        try:
            while signals.next() == signal.SIGHUP:
                manager.reloading()
                gateway.reload()
                manager.ready()
        finally:
            _stop(gateway, manager, signals)
            pulse.stop()
    return 0


def _stop(gateway: Gateway, manager: ServiceManager, signals: Signals) -> None:
    """Stop in good order, or at once if that is asked for meanwhile.

    Raises:
        BaseException: Whatever the stop raised.
    """
    drain = timedelta(seconds=gateway.parts.configuration.settings.dicom.scp.drain_seconds)
    manager.stopping(drain + _RECORDING)
    _log.info("gateway.stopping", drain_seconds=drain.total_seconds())
    raised: list[BaseException] = []

    def stop() -> None:
        try:
            gateway.stop(drain)
        except BaseException as error:  # noqa: BLE001  the main thread raises it
            raised.append(error)
        finally:
            signals.wake()

    threading.Thread(target=stop, name="stop", daemon=True).start()
    while number := signals.next():
        if number != signal.SIGHUP:
            _log.warning("gateway.ends_at_once", signal=signal.Signals(number).name)
            os._exit(128 + number)
    if raised:
        raise raised[0]


def _warn_of_roles(settings: config.Settings, roles: frozenset[Role]) -> None:
    left = missing(roles)
    if left and settings.ledger.file is not None:
        _log.warning(
            "roles.missing",
            roles=[str(role) for role in left],
            why="a ledger in SQLite has one gateway: nobody does what this one leaves out",
            remedy="leave out --roles, or keep the ledger in PostgreSQL",
        )


def _allow_many_files() -> None:
    """Each association needs several descriptors, and the soft limit of many systems is 1024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _end_fenced(why: str) -> NoReturn:
    """All that this process has in memory belongs to others by now; what it would put in order is theirs to order."""
    _log.critical("gateway.fenced", why=why, remedy="the gateway ends; its service manager has to start it again")
    os._exit(EXIT_DISTRUSTED)


def _end_at_once(ledger: Path | None, why: str) -> NoReturn:
    """Nothing is put in order first: that would be written into the ledger, and a crash loses nothing."""
    if ledger is not None:
        # A disk that fails can also hang: the end must not wait for it.
        leaving = threading.Thread(target=distrust.leave, args=(ledger, why), daemon=True)
        leaving.start()
        leaving.join(timeout=1)
    _log.critical("ledger.distrusted", why=why, remedy="the gateway ends; its service manager has to start it again")
    os._exit(EXIT_DISTRUSTED)
