"""Everything that one test of a crash needs, around one site: disk, gateway, senders, PACS, ledger and fault injection.

What remembers is outside of what is hurt: the ledgers of sender and PACS are in the memory of the test, log and
configuration are on a healthy disk, and only ledger, spool and payloads of the gateway are on the disk under test.
"""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Self

from crash import counts, ledger_server, reading
from crash.archive import Archive
from crash.counts import Tally
from crash.disks import Folder, LoopDisk, MemoryDisk
from crash.gateways import ForkServer, Gateway, kill_family
from crash.reading import Places
from crash.sender import Ledger
from crash.shim import Faults
from harness.site import Site, merged
from hilum.clock import utc_now
from hilum.ledger import holding
from hilum.ledger.database import Database

#: Seconds that pass with each restart, so that windows and waits which a fault cut off are over.
_DOWNTIME: Final = 15.0
#: When nothing has changed for so long, the gateway finds that the machine slept for longer than any lease or wait.
_STILL: Final = 0.6
_LEAP: Final = 61.0
_DRAIN: Final = 60.0
_YEARS: Final = 3000

#: Two ways to group: at the release, and by study while instances keep coming.
AES: Final = ("HILUM", "WINDOW")
_KEYS: Final[Mapping[str, Any]] = {
    "dicom": {
        "scp": {
            "max-associations": 25,
            "aborted-retention": 100 * 86_400,
            "ae-titles": [
                {"ae-title": "HILUM"},
                {"ae-title": "WINDOW", "timeout": 1, "timeout-group": "Study"},
            ],
        },
        "scu": {"retry": {"waits": [0.1]}},
    },
    # A plain cp: one process less than a shell, and every power cut loses an attempt.
    "engines": {"copy": {"attempts": 50, "timeout": 30 * 86_400, "command": ["cp", "-r", "{input}/.", "{output}"]}},
    "storage": {"retention-days": {"delivered": _YEARS, "failed": _YEARS}},
}


@dataclass(slots=True, kw_only=True)
class Recovery:
    """How long a start took.

    Attributes:
        listening: Seconds until associations were accepted.
        taken_over: Seconds until nothing belonged any more to a gateway that was gone; 0: nobody waited for that.
    """

    listening: float
    taken_over: float = 0.0


class Rig:
    """One site, from its first start to its last count.

    Args:
        folder: On a healthy disk; it is made.
        disk: Where the site's files go; entered here.
        server: What forks gateways, and the control block it was given.
        ledger_disk: Where the SQLite file goes, if not on ``disk``; then there is one in any run.
    """

    def __init__(
        self,
        folder: Path,
        disk: Folder | LoopDisk | MemoryDisk,
        server: ForkServer,
        faults: Faults,
        *,
        keys: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
        ledger_disk: Folder | LoopDisk | MemoryDisk | None = None,
    ) -> None:
        self.folder, self.disk, self.faults, self._server = folder, disk, faults, server
        self._ledger_disk = ledger_disk or disk
        self._keys = merged(_KEYS, keys or {})
        self.token = uuid.uuid4().hex
        self._environment = {"CRASH_TOKEN": self.token, **(environment or {})}
        self.ledger = Ledger()
        self.archive = Archive()
        self.gateway: Gateway | None = None
        self.starts = 0
        self._taken_back = 0
        self._exit = ExitStack()
        root, ledger = disk.root / "site", self._ledger_disk.root / "site"
        url = None if ledger_disk else ledger_server.new_url()
        self.places = Places(ledger=url or ledger / "hilum.db", spool=root / "spool", payloads=root / "payloads")

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.folder.mkdir()
            stack.callback(shutil.rmtree, self.folder)
            for disk in dict.fromkeys((self.disk, self._ledger_disk)):
                stack.enter_context(disk)
            stack.callback(self._end)
            stack.enter_context(self.archive)
            for disk in (self.disk, self._ledger_disk):
                (disk.root / "site").mkdir(exist_ok=True)
            self._configure()
            self.faults.aim(self.places.spool.parent, self.disk.root)
            self._exit = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    def _end(self) -> None:
        self.faults.disarm()
        if self.gateway is not None:
            self.gateway.kill()
        kill_family(self.token)

    @property
    def _url(self) -> str:
        ledger = self.places.ledger
        return ledger if isinstance(ledger, str) else f"sqlite:///{ledger}"

    def _configure(self) -> None:
        destination = self.archive.destination
        self.site = Site(
            self.folder,
            merged(
                self._keys,
                {
                    "dicom": {"scu": {"destinations": [destination]}},
                    "workflows": [
                        {"name": f"of-{ae}".lower(), "clara-ae-title": ae, "engine": "copy", "destination-name": "PACS"}
                        for ae in AES
                    ],
                    "storage": {
                        "temporary": str(self.places.spool),
                        "payloads": str(self.places.payloads),
                        "output": str(self.folder / "output"),
                    },
                    "ledger": {"url": self._url},
                },
            ),
        )

    # --- starting and ending

    def start(self) -> Recovery:
        """Start the gateway as a service manager does: again, when it gives up for a reason that may be gone."""
        gateway = self.begin_start()
        gateway.wait_until_listening()
        return Recovery(listening=gateway.listening_at - gateway.born_at)

    def begin_start(self) -> Gateway:
        """Start it without waiting for it to listen."""
        if self.starts:
            self.faults.slept += _DOWNTIME
        self.starts += 1
        self.gateway = Gateway(self._server, self.site.path, self.folder / "serve.log", self._environment)
        return self.gateway

    @property
    def running(self) -> Gateway:
        """The gateway."""
        assert self.gateway is not None
        return self.gateway

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.running.port

    def killed(self) -> None:
        """Its process is gone, whoever ended it; jobs run on."""
        self.running.kill()

    def cut(self, at: float | None = None) -> None:
        """The power is gone.

        Args:
            at: It has been cut already, at this moment, and the process is dead; the senders have stopped.
        """
        disks = [one for one in dict.fromkeys((self.disk, self._ledger_disk)) if isinstance(one, LoopDisk)]
        if at is None:
            at = min(disk.cut() for disk in disks)
        self.running.kill()
        kill_family(self.token)
        self.cut_at = at

    def power_up(self) -> None:
        """After a cut, and after the senders have noticed."""
        self.ledger.cut(self.cut_at)
        for disk in dict.fromkeys((self.disk, self._ledger_disk)):
            if isinstance(disk, LoopDisk):
                disk.power_up()
        # What was written down of answers is not synced one by one: a cut can take back any number of them.
        self._taken_back += len(self.archive.received()) - self._delivered()

    def _delivered(self) -> int:
        try:
            return reading.delivered(self.places)
        except reading.NotYetError:
            return 0

    # --- draining and counting

    def drain(self) -> float:
        """Wait until everything has come to its end; the seconds it took.

        The gateway may end itself for a reason that is over by now: then it is started again.
        """
        begun = changed = time.monotonic()
        before = ""
        while left := self._unfinished():
            now = time.monotonic()
            if self.running.ended():
                self.restart_ended()
                changed = now
            if left != before:
                before, changed = left, now
            if now - changed > _STILL:
                self.faults.slept += _LEAP
                changed = now
            if now - begun > _DRAIN:
                raise AssertionError(f"not drained in {_DRAIN:g} s: {left}; {self.running.log()[-3000:]}")
            time.sleep(0.01)
        return time.monotonic() - begun

    def _unfinished(self) -> str:
        try:
            return reading.unfinished(self.places)
        except reading.NotYetError as error:
            return str(error)

    def restart_ended(self) -> None:
        """It ended itself; a service manager starts it again."""
        status = self.running.reap()
        if status == 0:
            raise AssertionError(f"it ended with status 0, and nobody had asked it to: {self.running.log()[-3000:]}")
        self.start()

    @property
    def unknown_outcomes(self) -> int:
        """Answers of the PACS that the gateway did not read, or of which a power cut took the note."""
        return self.archive.unknown_outcomes() + self._taken_back

    def accept_held(self) -> int:
        """As an operator who wants all of it; how many associations."""
        with closing(Database(self.site.settings.ledger.url)) as database, database.write() as connection:
            held = connection.exec_driver_sql("SELECT id FROM associations WHERE state = 'held'").scalars().all()
            for association in held:
                holding.ask_accept(connection, association, now=utc_now() + timedelta(seconds=self.faults.slept))
        return len(held)

    def count(self, *, held_before_release: bool = True, held_was_accepted: bool = False) -> Tally:
        """Compare what there is with what was promised."""
        return counts.count(
            reading.read_site(self.places),
            self.places,
            self.ledger,
            self.archive,
            unknown_outcomes=self.unknown_outcomes,
            held_before_release=held_before_release,
            held_was_accepted=held_was_accepted,
        )
