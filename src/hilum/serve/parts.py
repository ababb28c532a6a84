"""What one gateway is made of: every part, made and put together, none started."""

from __future__ import annotations

import os
import re
import socket
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hilum import config
from hilum.association.server import Server
from hilum.clock import Clock
from hilum.deliver.probe import ProbeStep
from hilum.deliver.receipt import ReceiptStep
from hilum.deliver.worker import SendStep
from hilum.engine import attempt
from hilum.engine.worker import SubmitStep, WatchStep
from hilum.group.worker import CloseStep
from hilum.job.adoption import AdoptStep
from hilum.job.retention import RetentionStep
from hilum.job.worker import PlanStep
from hilum.ledger.database import Database
from hilum.ledger.gateways import Identity
from hilum.notify.worker import NewsStep, TellStep
from hilum.observe.metrics import Metrics
from hilum.observe.names import Names
from hilum.results.worker import CollectStep
from hilum.runner import Step
from hilum.serve.configuration import Configuration
from hilum.serve.counting import Counting
from hilum.serve.flow import Wakes
from hilum.serve.heartbeat import Heartbeat
from hilum.serve.roles import ROLE_OF, Role
from hilum.serve.takeover import Lookout, TakeOverStep, looks
from hilum.serve.timekeeping import ClockStep
from hilum.store.chronicle import Chronicle
from hilum.store.disk import Watermark
from hilum.store.pressure import DiskStep
from hilum.store.quarantine import QuarantineStep, quarantines
from hilum.store.receive import SpoolReceiver, Unrecorded
from hilum.store.recovery import Recovery
from hilum.store.senders import Booking, SenderBook, SenderStep
from hilum.store.worker import EndStep, HeldStep, SweepStep
from hilum.web.desk import Desk


class Parts:
    """Made once for each gateway.

    Args:
        path: The file that ``settings`` came from; ``None`` = it came from nowhere.
        clock: What tells the time; ``None``: as the ledger has it.
        distrusted: Called when the ledger can only be trusted again by a new process, with the reason.
        fenced: Called when another gateway has called this one gone, with the reason.

    Attributes:
        me: Who this gateway is.
        owner: The name of this gateway in the ledger.
        roles: What it does; the rest is left to other gateways of the ledger.
        draining: Set once no more associations are taken.
        stopping: Set once nothing new may be begun.
        unrecorded: Ends of associations that the ledger did not take yet.
    """

    def __init__(
        self,
        settings: config.Settings,
        path: Path | None,
        *,
        roles: frozenset[Role],
        clock: Clock | None,
        distrusted: Callable[[str], None],
        fenced: Callable[[str], None],
    ) -> None:
        self.me = _identity(roles)
        self.owner = self.me.id
        self.roles = roles
        self.metrics = Metrics()
        self.metrics.know(Names.of(settings))
        ledger = settings.ledger
        self.database = Database(ledger.url, connections=ledger.connections, distrusted=distrusted, meter=self.metrics)
        self.clock = self.database.clock if clock is None else clock
        self.configuration = Configuration(
            settings, path, database=self.database, clock=self.clock, changed=self._configuration_changed
        )
        storage = settings.storage
        watched = (storage.temporary, storage.payloads, *self.ledger_folder())
        self.watermark = Watermark(watched, *_room(storage), clock=time.monotonic)
        self.wakes = Wakes(self.database.tell)
        self.senders = SenderBook()
        self.unrecorded: deque[Unrecorded] = deque()
        self.draining = threading.Event()
        self.stopping = threading.Event()
        lease = timedelta(seconds=settings.ledger.lease_seconds)
        self.heartbeat = Heartbeat(
            database=self.database, owner=self.owner, clock=self.clock, lease=lease, fenced=fenced
        )
        self.takeover = TakeOverStep(
            database=self.database,
            me=self.me,
            lookout=Lookout(me=self.me, every=looks(lease)),
            recovery=self._recovery,
            takes_jobs=Role.RUN in roles,
        )

    def _recovery(self) -> Recovery:
        store = self.configuration.assembly.store
        return Recovery(database=self.database, owner=self.owner, clock=self.clock, settings=store)

    def ledger_folder(self) -> Sequence[Path]:
        """Where the ledger is, if it is on this machine."""
        return () if self.database.path is None else (self.database.path.parent,)

    def server(self) -> Server:
        """What accepts associations."""
        scp = self.configuration.settings.dicom.scp
        receiver = SpoolReceiver(
            database=self.database,
            owner=self.owner,
            clock=self.clock,
            watermark=self.watermark,
            settings=lambda: self.configuration.assembly.store,
            released=self.wakes.released,
            unrecorded=self.unrecorded,
            meter=self.metrics,
            silent=self.heartbeat.silent,
        )
        chronicle = Chronicle(database=self.database, clock=self.clock)
        booking = Booking(book=self.senders, clock=self.clock, then=chronicle)
        return Server(
            scp.host,
            scp.port,
            settings=lambda: self.configuration.assembly.acceptor,
            receiver=receiver,
            observer=Counting(metrics=self.metrics, then=booking),
            clock=self.clock,
        )

    def desk(self, server: Server | None) -> Desk:
        """The gateway as the web sees it, from now on.

        Args:
            server: What it receives by; ``None``: it does not.
        """
        return Desk(
            database=self.database,
            clock=self.clock,
            owner=self.owner,
            started_at=self.clock(),
            settings=lambda: self.configuration.settings,
            path=self.configuration.path,
            reload=self.configuration.reload,
            congested=self._closed,
            talking=tuple if server is None else server.talking,
            progress=dict if server is None else server.progress,
            abort=(lambda _association, _why: False) if server is None else server.abort,
            wake=self.wakes.tell_all,
            metrics=self.metrics,
        )

    def steps(self) -> Sequence[Step[Any, Any]]:
        """What works on rows of the ledger, as far as it is among the roles."""
        return [step for step in self.all_steps() if ROLE_OF[step.name] in {None, *self.roles}]

    def all_steps(self) -> Sequence[Step[Any, Any]]:
        """The steps of all roles; their names are those of ``hilum.serve.flow``."""
        database, owner, configuration = self.database, self.owner, self.configuration
        steady = [database.clock] if self.clock is database.clock else []
        return (
            *(ClockStep(database=database, clock=clock, owner=owner) for clock in steady),
            self.takeover,
            EndStep(unrecorded=self.unrecorded),
            self.sender_step(),
            HeldStep(
                database=database,
                owner=owner,
                spool=lambda: configuration.assembly.store.spool,
                grouping=lambda called: configuration.assembly.store.rules(called).grouping,
                keep=lambda: configuration.assembly.store.aborted_retention,
            ),
            CloseStep(database=database),
            PlanStep(database=database, owner=owner, settings=lambda: configuration.assembly.plan),
            AdoptStep(
                database=database,
                settings=lambda: configuration.assembly.adoption,
                on_duty=lambda: self.takeover.leads(Role.RUN),
            ),
            SubmitStep(database=database, owner=owner, settings=lambda: configuration.assembly.engine),
            WatchStep(database=database, owner=owner, settings=lambda: configuration.assembly.engine),
            CollectStep(database=database, owner=owner, settings=lambda: configuration.assembly.results),
            SendStep(
                database=database,
                owner=owner,
                clock=self.clock,
                settings=lambda: configuration.assembly.delivery,
                meter=self.metrics,
                stopping=self.stopping,
            ),
            ProbeStep(database=database, owner=owner, settings=lambda: configuration.assembly.delivery),
            ReceiptStep(
                database=database,
                owner=owner,
                keep=lambda: configuration.assembly.keep_delivered,
                keep_given_up=lambda: configuration.assembly.engine.keep_failed,
            ),
            SweepStep(database=database, spool=lambda: configuration.assembly.store.spool),
            RetentionStep(database=database, owner=owner, roots=lambda: configuration.assembly.adoption.roots),
            QuarantineStep(
                database=database,
                folders=lambda: quarantines(configuration.assembly.store.spool, configuration.assembly.adoption.roots),
                keep=lambda: configuration.assembly.engine.keep_failed,
                on_duty=lambda: self.takeover.leads(Role.HOUSEKEEP),
            ),
            DiskStep(database=database, full=self.watermark.full, on_duty=lambda: self.takeover.leads(Role.RECEIVE)),
            NewsStep(database=database, settings=lambda: configuration.assembly.notify),
            TellStep(database=database, owner=owner, clock=self.clock, settings=lambda: configuration.assembly.notify),
        )

    def sender_step(self) -> SenderStep:
        """Writes down how senders behaved."""
        return SenderStep(database=self.database, book=self.senders)

    def _closed(self) -> str | None:
        """Why no new instances are taken, ``None`` if they are."""
        return "the gateway is stopping" if self.draining.is_set() else self.watermark.full()

    def _configuration_changed(self, settings: config.Settings) -> None:
        self.metrics.know(Names.of(settings))
        self.watermark.limit(*_room(settings.storage))
        self.wakes.notify()


def _identity(roles: frozenset[Role]) -> Identity:
    host, process = socket.gethostname(), os.getpid()
    name = re.sub(r"[^A-Za-z0-9.-]", "-", host)
    stat = attempt.process_stat(process)
    return Identity(
        id=f"{name}-{process}-{uuid.uuid4().hex[:8]}",
        host=host,
        machine=attempt.machine(),
        process=process,
        ticks=0 if stat is None else stat[2],
        version=version("hilum"),
        roles=tuple(str(role) for role in Role if role in roles),
    )


def _room(storage: config.Storage) -> tuple[float, int]:
    """How full the disk may get: percent of it, and the bytes that stay free."""
    return storage.watermark_percent, int(storage.reserve_gb * 1_000_000_000)
