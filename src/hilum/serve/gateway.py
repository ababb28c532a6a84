"""A whole gateway in one process: what starts, in which order, and how it stops."""

from __future__ import annotations

import os
import resource
import signal
import socket
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, NoReturn

import structlog

from hilum import config
from hilum.assembly import Assembly, folders
from hilum.association.server import Server
from hilum.clock import Clock, SteadyClock, utc_now
from hilum.deliver.probe import ProbeStep
from hilum.deliver.receipt import ReceiptStep
from hilum.deliver.worker import SendStep
from hilum.engine.process import ends
from hilum.engine.worker import SubmitStep, WatchStep
from hilum.errors import ConfigError, HilumError, PermanentError, Problem
from hilum.fsck import Inspection
from hilum.group.worker import CloseStep
from hilum.job.adoption import AdoptStep
from hilum.job.retention import RetentionStep
from hilum.job.worker import PlanStep
from hilum.ledger import timers
from hilum.ledger.database import Database
from hilum.ledger.transition import drop_leases, note
from hilum.notify.worker import NewsStep, TellStep
from hilum.observe.metrics import Metrics
from hilum.observe.names import Names
from hilum.results.worker import CollectStep
from hilum.runner import Runner, Step, Wake, stop_all
from hilum.serve import distrust
from hilum.serve.counting import Counting
from hilum.serve.flow import Wakes
from hilum.serve.reload import Watch
from hilum.serve.signals import arriving
from hilum.serve.timekeeping import ClockStep
from hilum.store.chronicle import Chronicle
from hilum.store.disk import Watermark
from hilum.store.durable import make_folders
from hilum.store.pressure import DiskStep
from hilum.store.quarantine import QuarantineStep, quarantines
from hilum.store.receive import SpoolReceiver, Unrecorded
from hilum.store.recovery import Recovery
from hilum.store.senders import Booking, SenderBook, SenderStep
from hilum.store.worker import EndStep, HeldStep, SweepStep
from hilum.web.desk import Desk
from hilum.web.server import WebServer

_log = structlog.get_logger(__name__)

#: The exit status when the disk failed to sync the ledger: as of any command, "failed for now; try again later".
EXIT_DISTRUSTED: Final = 3
#: How long open associations may go on after the gateway was asked to stop.
DRAIN: Final = timedelta(seconds=10)


class Gateway:
    """Receives, groups, runs and delivers until it is stopped.

    Args:
        path: The file that ``settings`` came from; it is watched. ``None`` = never reloaded.
        clock: Replaced by tests that move time.
        distrusted: Called when the ledger can only be trusted again by a new process, with the reason.

    Attributes:
        web_port: Where the web listens since the start; ``None``: it does not.
    """

    def __init__(
        self,
        settings: config.Settings,
        path: Path | None = None,
        *,
        clock: Clock = utc_now,
        distrusted: Callable[[str], None] = lambda why: _log.critical("ledger.distrusted", why=why),
    ) -> None:
        self._path = path
        self._watch = None if path is None else Watch(path, self.reload)
        self._clock = clock
        self._owner = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._assembly = Assembly.of(settings)
        self._metrics = Metrics()
        self._metrics.know(Names.of(settings))
        self._database = Database(settings.ledger.url, distrusted=distrusted, meter=self._metrics)
        storage = settings.storage
        watched = (storage.temporary, storage.payloads, self._database.path.parent)
        self._watermark = Watermark(watched, *_room(storage), clock=time.monotonic)
        self._wake = Wakes()
        self._unrecorded: deque[Unrecorded] = deque()
        self._senders = SenderBook()
        self._stopping = threading.Event()
        self._reloading = threading.Lock()
        self._refused = False
        self._exit = ExitStack()
        self._runners: list[Runner[Any, Any]] = []
        self._server: Server | None = None
        self._web: WebServer | None = None
        self.web_port: int | None = None

    @property
    def dashboard(self) -> str | None:
        """Where a browser finds it once this has started; ``None``: nowhere."""
        return None if self.web_port is None else _address(self._assembly.settings.web.host, self.web_port)

    def start(self) -> int:
        """Recover, start every step, and listen last: whoever is accepted finds everything working.

        Returns:
            The port that is listened on.

        Raises:
            PermanentError, TemporaryError: It cannot run here; nothing is left running.
        """
        try:
            return self._start()
        except BaseException:
            self.stop(timedelta())
            raise

    def _start(self) -> int:
        settings = self._assembly.settings
        for folder in (*folders(settings), self._database.path.parent):
            _make(folder)
        self._exit.callback(self._database.close)
        self._exit.enter_context(self._database.exclusively())
        self._database.migrate()
        self._exit.callback(self._write_senders)
        with self._database.write() as connection:
            put_back = timers.catch_up(connection, self._clock())
            drop_leases(connection)
            why = f"the clock is {put_back} behind the ledger: all timers were put back by as much" if put_back else ""
            note(connection, "gateway", self._owner, "started", now=self._clock(), why=why)
        distrust.tell(self._database, self._owner, self._clock())
        recovered = Recovery(
            database=self._database, owner=self._owner, clock=self._clock, settings=self._assembly.store
        ).run()
        Inspection(
            database=self._database, spool=settings.storage.temporary, roots=self._assembly.adoption.roots
        ).at_start(self._clock())
        for step in self._steps():
            wake, followers = self._wake.of(step.name), self._wake.after(step.name)
            if isinstance(step, WatchStep):
                self._exit.callback(ends.listen(partial(_look_now, step, wake)))
            runner = Runner(step, self._clock, wake, followers=followers, meter=self._metrics)
            runner.start()
            self._runners.append(runner)
        if self._watch is not None:
            self._watch.start()
            self._exit.callback(self._watch.stop)
        port = self._listen(settings)
        self.web_port = self._serve_web(settings.web)
        _log.info(
            "gateway.started",
            host=settings.dicom.scp.host,
            port=port,
            web=self.web_port,
            dashboard=self.dashboard,
            ae_titles=[ae.title for ae in settings.dicom.scp.ae_titles],
            ledger=settings.ledger.url,
            recovered=recovered,
        )
        return port

    def _listen(self, settings: config.Settings) -> int:
        receiver = SpoolReceiver(
            database=self._database,
            owner=self._owner,
            clock=self._clock,
            watermark=self._watermark,
            settings=lambda: self._assembly.store,
            released=self._wake.released,
            unrecorded=self._unrecorded,
            meter=self._metrics,
        )
        chronicle = Chronicle(database=self._database, clock=self._clock)
        booking = Booking(book=self._senders, clock=self._clock, then=chronicle)
        self._server = Server(
            settings.dicom.scp.host,
            settings.dicom.scp.port,
            settings=lambda: self._assembly.acceptor,
            receiver=receiver,
            observer=Counting(metrics=self._metrics, then=booking),
            clock=self._clock,
        )
        return self._server.start()

    def _serve_web(self, web: config.Web) -> int | None:
        if not web.enabled:
            return None
        assert self._server is not None
        desk = Desk(
            database=self._database,
            clock=self._clock,
            owner=self._owner,
            started_at=self._clock(),
            settings=lambda: self._assembly.settings,
            path=self._path,
            reload=self.reload,
            congested=self._watermark.full,
            talking=self._server.talking,
            progress=self._server.progress,
            abort=self._server.abort,
            wake=self._wake.notify,
            metrics=self._metrics,
        )
        self._web = WebServer(web.host, web.port, desk)
        return self._web.start()

    def _steps(self) -> Sequence[Step[Any, Any]]:
        database, owner = self._database, self._owner
        steady = [self._clock] if isinstance(self._clock, SteadyClock) else []
        return (
            *(ClockStep(database=database, clock=clock, owner=owner) for clock in steady),
            EndStep(unrecorded=self._unrecorded),
            SenderStep(database=database, book=self._senders),
            HeldStep(
                database=database,
                owner=owner,
                spool=lambda: self._assembly.store.spool,
                grouping=lambda called: self._assembly.store.rules(called).grouping,
                keep=lambda: self._assembly.store.aborted_retention,
            ),
            CloseStep(database=database),
            PlanStep(database=database, owner=owner, settings=lambda: self._assembly.plan),
            AdoptStep(database=database, settings=lambda: self._assembly.adoption),
            SubmitStep(database=database, owner=owner, settings=lambda: self._assembly.engine),
            WatchStep(database=database, owner=owner, settings=lambda: self._assembly.engine),
            CollectStep(database=database, owner=owner, settings=lambda: self._assembly.results),
            SendStep(
                database=database,
                owner=owner,
                clock=self._clock,
                settings=lambda: self._assembly.delivery,
                meter=self._metrics,
                stopping=self._stopping,
            ),
            ProbeStep(database=database, owner=owner, settings=lambda: self._assembly.delivery),
            ReceiptStep(
                database=database,
                owner=owner,
                keep=lambda: self._assembly.keep_delivered,
                keep_given_up=lambda: self._assembly.engine.keep_failed,
            ),
            SweepStep(database=database, spool=lambda: self._assembly.store.spool),
            RetentionStep(database=database, owner=owner, roots=lambda: self._assembly.adoption.roots),
            QuarantineStep(
                database=database,
                folders=lambda: quarantines(self._assembly.store.spool, self._assembly.adoption.roots),
                keep=lambda: self._assembly.engine.keep_failed,
            ),
            DiskStep(database=database, full=self._watermark.full),
            NewsStep(database=database, settings=lambda: self._assembly.notify),
            TellStep(database=database, owner=owner, clock=self._clock, settings=lambda: self._assembly.notify),
        )

    def _write_senders(self) -> None:
        """What senders did in the last second."""
        step = SenderStep(database=self._database, book=self._senders)
        now = self._clock()
        for taken in step.claim(now, now, 1):
            try:
                step.record(taken, None, now)
            except HilumError as error:
                _log.warning("senders.not_written", error=str(error))

    def reload(self) -> config.Reload:
        """Read the configuration file again; running associations and jobs go on as they began.

        What is wrong with it, or what has changed, also stands in the log and in the history.
        """
        with self._reloading:  # the file's watcher and SIGHUP can come at the same moment
            return self._reload()

    def _reload(self) -> config.Reload:
        if self._path is None:
            raise PermanentError("this gateway's configuration came from no file: there is nothing to load again")
        old = self._assembly.settings
        try:
            new = config.load(self._path)
            waits = config.needs_restart(old, new)
            assembly = Assembly.of(keep_fixed(old, new) if waits else new)
        except (ConfigError, PermanentError) as error:
            _log.error("config.refused", problems=str(error).splitlines())
            self._refused = True
            self._note_config("refused", str(error), "mend the file; until then the last good one is in force")
            told = error.problems if isinstance(error, ConfigError) else [self._problem(str(error))]
            return config.Reload(problems=tuple(told))
        except Exception as error:  # noqa: BLE001  a file that nobody foresaw must not end a gateway that works
            _log.error("config.refused", exc_info=error)
            self._refused = True
            why = f"{type(error).__name__}: see the log"
            self._note_config("refused", why, "take back the last change")
            return config.Reload(problems=(self._problem(why),))
        changed = config.diff(old, new)
        self._assembly = assembly
        self._metrics.know(Names.of(assembly.settings))
        self._watermark.limit(*_room(new.storage))
        self._wake.notify()
        # That a file is in order again is news, even if it says what it said before.
        if changed or self._refused:
            _log.info("config.reloaded", changed=changed, waits_for_restart=waits)
            remedy = f"restart for: {', '.join(waits)}" if waits else ""
            self._note_config("reloaded", ", ".join(changed) or "as it was before", remedy)
        self._refused = False
        return config.Reload(changed=tuple(changed), waits=tuple(waits))

    def _problem(self, message: str) -> Problem:
        return Problem(where=str(self._path), path="", message=message)

    def _note_config(self, event: str, why: str, remedy: str) -> None:
        try:
            with self._database.note() as connection:
                note(connection, "config", str(self._path), event, now=self._clock(), why=why, remedy=remedy)
        except HilumError as error:
            _log.error("history.not_written", subject=str(self._path), error=str(error))

    def stop(self, drain: timedelta = DRAIN) -> None:
        """Take nothing new, let what goes on come to a recorded end, close the ledger. Jobs run on by themselves."""
        if self._web is not None:
            self._web.stop()
        if self._server is not None:
            self._server.stop(drain)
        self._stopping.set()
        stop_all(self._runners)
        self._exit.close()
        _log.info("gateway.stopped")


def keep_fixed(old: config.Settings, new: config.Settings) -> config.Settings:
    """The new configuration with those values of the old one that only a restart can change."""
    scp = new.dicom.scp.model_copy(update={"host": old.dicom.scp.host, "port": old.dicom.scp.port})
    folders = {name: getattr(old.storage, name) for name in ("temporary", "payloads", "output")}
    return new.model_copy(
        update={
            "dicom": new.dicom.model_copy(update={"scp": scp}),
            "storage": new.storage.model_copy(update=folders),
            "ledger": old.ledger,
            "web": old.web,
        }
    )


def _address(host: str, port: int) -> str:
    """Where a browser finds what listens there."""
    name = socket.gethostname() if host in {"0.0.0.0", "::"} else host  # noqa: S104
    return f"http://{f'[{name}]' if ':' in name else name}:{port}/"


def _room(storage: config.Storage) -> tuple[float, int]:
    """How full the disk may get: percent of it, and the bytes that stay free."""
    return storage.watermark_percent, int(storage.reserve_gb * 1_000_000_000)


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


def _allow_many_files() -> None:
    """Each association needs several descriptors, and the soft limit of many systems is 1024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _end_at_once(ledger: Path, why: str) -> NoReturn:
    """Nothing is put in order first: that would be written into the ledger, and a crash loses nothing."""
    # A disk that fails can also hang: the end must not wait for it.
    leaving = threading.Thread(target=distrust.leave, args=(ledger, why), daemon=True)
    leaving.start()
    leaving.join(timeout=1)
    _log.critical("ledger.distrusted", why=why, remedy="the gateway ends; its service manager has to start it again")
    os._exit(EXIT_DISTRUSTED)


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
    ledger = Path(settings.ledger.url.removeprefix("sqlite:///"))
    gateway = Gateway(settings, path, clock=SteadyClock(), distrusted=partial(_end_at_once, ledger))
    with arriving((signal.SIGTERM, signal.SIGINT, signal.SIGHUP)) as signals:
        _allow_many_files()
        gateway.start()
        try:
            while signals.next() == signal.SIGHUP:
                gateway.reload()
        finally:
            gateway.stop()
    return 0
