"""All looks of the doctor, in order."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from hilum.assembly import Assembly
from hilum.config import Settings
from hilum.doctor import gateways, machine, manners, peers, store
from hilum.doctor.check import Check, Grade, Report, report
from hilum.errors import HilumError, TemporaryError
from hilum.ledger import condition, senders, views
from hilum.ledger.database import Database
from hilum.ledger.transition import NoSuchRowError

#: What senders did longer ago is not what they do now.
_LATELY: Final = timedelta(days=7)
#: Senders that are told of.
_SENDERS: Final = 20
#: The longest that reverse lookups are waited for.
_NAMES_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """Of one gateway.

    Attributes:
        database: ``None``: no gateway has run with this configuration yet.
        running: Whether a gateway has the ledger.
    """

    settings: Settings
    database: Database | None
    running: bool

    def whole(self, now: datetime) -> Report:
        """Look at everything; takes as long as the slowest destination."""
        checks = [*self._machine(now), *self._ledger(), *self._gateways(now), *store.engines(self.settings)]
        checks += [*self._destinations(), *self._senders(now)]
        return report(checks, now)

    def of_destination(self, name: str, now: datetime) -> Report:
        """Look at one destination.

        Raises:
            NoSuchRowError: It is not in the configuration.
        """
        delivery = Assembly.of(self.settings).delivery
        peer = delivery.destinations.get(name)
        if peer is None:
            raise NoSuchRowError(f"there is no destination {name!r} in dicom.scu.destinations")
        pairs = self._sent(name)
        return report([*peers.destination(name, peer, delivery.calling, pairs, delivery.timeouts)], now)

    def _machine(self, now: datetime) -> Sequence[Check]:
        last, owner = None, ""
        if self.database is not None:
            with suppress(TemporaryError), self.database.read() as connection:
                last, owner = condition.last_time(connection), condition.last_owner(connection)
        ledger = self.settings.ledger.file
        process = process_of(owner) if self.running else None
        return machine.look(self.settings, ledger, now, last, process, running=self.running)

    def _ledger(self) -> Sequence[Check]:
        subject = self.settings.ledger.shown if self.settings.ledger.file is None else str(self.settings.ledger.file)
        if self.database is None:
            found = "there is none yet: no gateway has run with this configuration"
            return [Check(area="ledger", subject=subject, grade=Grade.OK, found=found)]
        try:
            found_so = condition.condition(self.database)
            return [*store.ledger(subject, found_so, connections=self.settings.ledger.connections + 1)]
        except HilumError as error:
            wrong = "stop the gateway, keep the file and restore a backup, if it stays so"
            return [Check(area="ledger", subject=subject, grade=Grade.WRONG, found=str(error), remedy=wrong)]

    def _gateways(self, now: datetime) -> Sequence[Check]:
        if self.database is None or not self.running:
            return ()
        try:
            with self.database.read() as connection:
                return [*gateways.gateways(views.list_gateways(connection), now)]
        except HilumError:
            return ()  # what is wrong with the ledger is told beside it

    def _destinations(self) -> Sequence[Check]:
        try:
            delivery = Assembly.of(self.settings).delivery
        except HilumError as error:
            return [
                Check(
                    area="engines",
                    subject="processors",
                    grade=Grade.WRONG,
                    found=str(error),
                    expected="a processor that can be loaded",
                    remedy="see hilum check",
                )
            ]
        return peers.destinations(delivery, {name: self._sent(name) for name in delivery.destinations})

    def _sent(self, name: str) -> Sequence[tuple[str, str]]:
        if self.database is None:
            return ()
        with self.database.read() as connection:
            return condition.sent_lately(connection, name)

    def _senders(self, now: datetime) -> Sequence[Check]:
        if self.database is None:
            return ()
        with self.database.read() as connection:
            seen = dict([*senders.behaviours(connection, since=now - _LATELY).items()][:_SENDERS])
        ours = self.settings.dicom.scp.max_pdu_length
        checks = [check for key, behaviour in seen.items() for check in manners.sender(key, behaviour, our_pdu=ours)]
        return [*checks, *_names(sorted({key.host for key in seen}))]


def process_of(owner: str) -> int | None:
    """The process of a gateway, from its name in the ledger, if it runs on this machine."""
    name = f"{socket.gethostname()}-"
    number = owner.removeprefix(name).partition("-")[0]
    if not owner.startswith(name) or not number.isdigit():
        return None
    return int(number) if Path(f"/proc/{number}").is_dir() else None


def _names(hosts: Sequence[str]) -> Sequence[Check]:
    """How long the name service of this machine takes for each sender's address."""
    pool = ThreadPoolExecutor(max(1, min(8, len(hosts))))
    going: dict[str, Future[tuple[float, bool]]] = {host: pool.submit(_reverse, host) for host in hosts}
    wait_for(going.values(), timeout=_NAMES_SECONDS)
    pool.shutdown(wait=False, cancel_futures=True)
    return [_lookup(host, one) for host, one in going.items()]


def _lookup(host: str, going: Future[tuple[float, bool]]) -> Check:
    if not going.done() or going.cancelled():
        return manners.name_lookup(host, _NAMES_SECONDS, found=False)
    seconds, found = going.result()
    return manners.name_lookup(host, seconds, found=found)


def _reverse(host: str) -> tuple[float, bool]:
    began = time.monotonic()
    try:
        socket.gethostbyaddr(host)
    except OSError:
        return time.monotonic() - began, False
    return time.monotonic() - began, True
