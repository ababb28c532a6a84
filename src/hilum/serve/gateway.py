"""A whole gateway in one process: what starts, in which order, and how it stops."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import literal, select

from hilum import config
from hilum.assembly import folders
from hilum.association.server import Server
from hilum.clock import Clock, utc_now
from hilum.engine.process import ends
from hilum.engine.worker import WatchStep
from hilum.errors import HilumError, PermanentError
from hilum.fsck import Inspection
from hilum.ledger import gateways, timers, vitals
from hilum.runner import LEASE, Runner, Wake, stop_all
from hilum.serve import distrust
from hilum.serve.parts import Parts
from hilum.serve.roles import ALL, Role
from hilum.serve.watch import Watch
from hilum.store import shared
from hilum.store.durable import make_folders
from hilum.web.server import WebServer

_log = structlog.get_logger(__name__)


class Gateway:
    """Receives, groups, runs and delivers until it is stopped.

    Args:
        path: The file that ``settings`` came from; it is watched. ``None`` = never reloaded.
        roles: What it does.
        clock: What tells the time; ``None``: as the ledger has it. Tests move it.
        distrusted: Called when the ledger can only be trusted again by a new process, with the reason.
        fenced: Called when another gateway has taken over from this one, with the reason: it is to end.

    Attributes:
        parts: What it is made of.
        web_port: Where the web listens since the start; ``None``: it does not.
    """

    def __init__(
        self,
        settings: config.Settings,
        path: Path | None = None,
        *,
        roles: frozenset[Role] = ALL,
        clock: Clock | None = utc_now,
        distrusted: Callable[[str], None] = lambda why: _log.critical("ledger.distrusted", why=why),
        fenced: Callable[[str], None] = lambda why: _log.critical("gateway.fenced", why=why),
    ) -> None:
        self.parts = Parts(settings, path, roles=roles, clock=clock, distrusted=distrusted, fenced=fenced)
        self._watch = None if path is None else Watch(path, self.reload)
        self._exit = ExitStack()
        self._runners: list[Runner[Any, Any]] = []
        self._server: Server | None = None
        self._web: WebServer | None = None
        self.web_port: int | None = None

    @property
    def dashboard(self) -> str | None:
        """Where a browser finds it once this has started; ``None``: nowhere."""
        return None if self.web_port is None else _address(self.parts.configuration.settings.web.host, self.web_port)

    def start(self) -> int:
        """Recover, start every step, and listen last: whoever is accepted finds everything working.

        Returns:
            The port that is listened on; 0: it has not the role to receive.

        Raises:
            PermanentError, TemporaryError: It cannot run here; nothing is left running.
        """
        try:
            return self._start()
        except BaseException:
            self.stop(timedelta())
            raise

    def reload(self) -> config.Reload:
        """Read the configuration file again; see ``Configuration.reload``."""
        return self.parts.configuration.reload()

    def stop(self, drain: timedelta | None = None) -> None:
        """Take nothing new, let what goes on come to a recorded end, close the ledger. Jobs run on by themselves.

        What an association leaves is worked on as long as another one is open; leases are given back.

        Args:
            drain: How long open associations may go on; ``None``: as the configuration says.
        """
        parts = self.parts
        parts.draining.set()
        if self._server is not None:
            seconds = parts.configuration.settings.dicom.scp.drain_seconds
            self._server.stop(timedelta(seconds=seconds) if drain is None else drain)
        parts.stopping.set()
        stop_all(self._runners)
        # Until here it answers that it lives and is not ready.
        if self._web is not None:
            self._web.stop()
        self._exit.close()
        _log.info("gateway.stopped")

    def turns(self) -> Mapping[str, float]:
        """When each part that must go on last turned, by its name, monotonic; what is told to stop need not."""
        if self.parts.stopping.is_set():
            return {}
        found = {runner.step.name: runner.turned_at for runner in self._runners}
        if self._server is not None and not self.parts.draining.is_set():
            found["listener"] = self._server.looked_at
        return found

    def ask_ledger(self) -> None:
        """Return when the ledger has answered; that it is down is an answer, too."""
        with suppress(HilumError), self.parts.database.read() as connection:
            connection.execute(select(literal(1)))

    def summary(self) -> str:
        """One line for people: what goes on here, and what waits in the ledger."""
        open_count = 0 if self._server is None else self._server.open_count
        told = [f"{open_count} associations"]
        try:
            with self.parts.database.read() as connection:
                found = vitals.vitals(connection)
        except HilumError:
            told.append("the ledger does not answer")
        else:
            told += [f"{queue.number} jobs {state}" for state, queue in found.jobs.items() if queue.number]
            told.append(f"{sum(queue.number for queue in found.deliveries.values())} deliveries due")
        if self.parts.draining.is_set():
            told.insert(0, "stopping")
        return ", ".join(told)

    def _start(self) -> int:
        settings = self.parts.configuration.settings
        recovered = self._open_ledger(settings)
        self._start_steps()
        if self._watch is not None:
            self._watch.start()
            self._exit.callback(self._watch.stop)
        roles = self.parts.roles
        port = 0
        if Role.RECEIVE in roles:
            self._server = self.parts.server()
            port = self._server.start()
        if settings.web.enabled and Role.WEB in roles:
            self._web = WebServer(settings.web.host, settings.web.port, self.parts.desk(self._server))
            self.web_port = self._web.start()
            with self.parts.database.note() as connection:
                gateways.reached_at(connection, self.parts.owner, self.dashboard or "")
        _log.info(
            "gateway.started",
            host=settings.dicom.scp.host,
            port=port,
            web=self.web_port,
            dashboard=self.dashboard,
            roles=[str(role) for role in Role if role in roles],
            ae_titles=[ae.title for ae in settings.dicom.scp.ae_titles],
            ledger=settings.ledger.shown,
            recovered=recovered,
        )
        return port

    def _open_ledger(self, settings: config.Settings) -> int:
        """Put ledger and folders in order; how many associations the gateway before this one had left open."""
        parts = self.parts
        database, owner, clock = parts.database, parts.owner, parts.clock
        for folder in (*folders(settings), *parts.ledger_folder()):
            _make(folder)
        self._exit.callback(database.close)
        self._exit.enter_context(database.attend(parts.wakes.hear))
        database.migrate()
        self._exit.callback(self._write_senders)
        alone = database.path is not None
        with database.read() as connection:
            others = () if alone else gateways.alive(connection, clock())
        shared.check(database, {name: getattr(settings.storage, name) for name in ("temporary", "payloads")}, others)
        with database.write() as connection:
            put_back = timers.catch_up(connection, clock())
            why = f"the clock is {put_back} behind the ledger: all timers were put back by as much" if put_back else ""
            until = clock() + parts.heartbeat.lease
            gateways.register(connection, parts.me, now=clock(), until=until, why=why)
        self._exit.callback(self._leave)
        self._exit.callback(parts.heartbeat.stop)
        parts.heartbeat.start()
        distrust.tell(database, owner, clock())
        recovered = parts.takeover.at_start(clock(), clock() + LEASE, alone=alone)
        assembly = parts.configuration.assembly
        inspection = Inspection(database=database, spool=settings.storage.temporary, roots=assembly.adoption.roots)
        inspection.at_start(clock(), alone=alone)
        return recovered

    def _leave(self) -> None:
        """Tell the others that this has ended in order: they need not wait for its lease to end."""
        try:
            with self.parts.database.write() as connection:
                gateways.stopped(connection, self.parts.owner, now=self.parts.clock())
        except HilumError as error:
            _log.warning("gateway.end_not_written", error=str(error))

    def _start_steps(self) -> None:
        wakes, steps = self.parts.wakes, self.parts.steps()
        wakes.run(step.name for step in steps)
        for step in steps:
            wake, followers = wakes.of(step.name), wakes.after(step.name)
            if isinstance(step, WatchStep):
                self._exit.callback(ends.listen(partial(_look_now, step, wake)))
            runner = Runner(
                step,
                self.parts.clock,
                wake,
                followers=followers,
                meter=self.parts.metrics,
                may_begin=self.parts.heartbeat.stands,
            )
            runner.start()
            self._runners.append(runner)

    def _write_senders(self) -> None:
        """What senders did in the last second."""
        step = self.parts.sender_step()
        now = self.parts.clock()
        for taken in step.claim(now, now, 1):
            try:
                step.record(taken, None, now)
            except HilumError as error:
                _log.warning("senders.not_written", error=str(error))


def _address(host: str, port: int) -> str:
    """Where a browser finds what listens there."""
    name = socket.gethostname() if host in {"0.0.0.0", "::"} else host  # noqa: S104
    return f"http://{f'[{name}]' if ':' in name else name}:{port}/"


def _look_now(step: WatchStep, wake: Wake) -> None:
    step.look_now()
    wake.notify()


def _make(folder: Path) -> None:
    try:
        make_folders(folder)
    except OSError as error:
        raise PermanentError(
            f"the folder {folder} cannot be made: {error.strerror}; give the gateway's user the right to, "
            "or set another one under storage"
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermanentError(f"the folder {folder} cannot be written by this user; change its owner or its mode")
