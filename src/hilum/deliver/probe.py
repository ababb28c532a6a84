"""Asks destinations that are down, each at its time, whether they are back."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from structlog.contextvars import bind_contextvars

from hilum.association.peer import Peer
from hilum.deliver import policy
from hilum.deliver.outage import Outage
from hilum.deliver.parcel import BrokenError, Failed, ask
from hilum.deliver.settings import DeliverySettings
from hilum.ledger import destinations as ledger
from hilum.ledger import tables
from hilum.ledger.database import Database
from hilum.ledger.destinations import Silent
from hilum.ledger.lease import PoisonError, give_back, renew
from hilum.model import AETitle, Uid


@dataclass(slots=True, kw_only=True)
class ProbeStep:
    """Destinations that are down in, such that are up or wait longer out.

    One association without data, whatever is due there: a PACS that is dead for a weekend costs an attempt and a
    change of one row for each wait, and nothing for each file.

    Attributes:
        chance: At random, from 0 to less than 1.
    """

    database: Database
    owner: str
    settings: Callable[[], DeliverySettings]
    chance: Callable[[], float] = random.random
    name: ClassVar[str] = "probe"
    #: A thread that waits for a dead destination to answer keeps no other one waiting.
    concurrency: ClassVar[int] = 32
    _known: dict[str, tuple[AETitle, Peer]] | None = None
    _mended: set[str] = field(default_factory=set)

    def claim(self, now: datetime, until: datetime, limit: int) -> Sequence[Silent]:
        """Those whose time has come, or whose entry in the configuration has changed."""
        self._see_changes()
        with self.database.read() as connection:
            self._mended &= ledger.names_not_up(connection)
            if not ledger.anything_to_ask(connection, now, self._mended):
                return ()
        with self.database.write() as connection:
            found = ledger.claim_silent(
                connection, owner=self.owner, now=now, until=until, limit=limit, at_once=self._mended
            )
        self._mended -= {one.name for one in found}
        return found

    def _see_changes(self) -> None:
        """Whoever has just mended a destination's entry need not wait, nor know that one could have to."""
        settings = self.settings()
        present = {name: (settings.calling, peer) for name, peer in settings.destinations.items()}
        known = present if self._known is None else self._known
        self._mended |= {name for name, one in present.items() if known.get(name) != one}
        self._known = present

    def act(self, silent: Silent) -> Failed | None:
        """Ask; why it failed, or ``None``."""
        bind_contextvars(destination=silent.name)
        settings = self.settings()
        peer = settings.destinations.get(silent.name)
        if peer is None:
            return unknown(silent.name)
        try:
            silent.lease.refuse_poison("asking the destination for an association")
            ask(peer, settings, [(Uid(sop_class), Uid(syntax)) for sop_class, syntax in silent.pairs])
        except BrokenError as error:
            return error.failed
        except PoisonError as error:
            return Failed(fault=policy.Fault.MISCONFIGURED, why=str(error))
        return None

    def record(self, silent: Silent, failed: Failed | None, now: datetime) -> None:
        """Write down how it answered, and give up what its silence leaves no time for."""
        if failed is None:
            with self.database.write() as connection:
                ledger.answered(connection, silent, now=now)
            return
        outage = Outage(
            destination=silent.name, failed=failed, rule=self.settings().retry, chance=self.chance(), now=now
        )
        with self.database.write() as connection:
            outage.goes_on(connection, silent)
        outage.give_up_overdue(self.database, silent.failures + 1)

    def failed(self, silent: Silent, error: Exception, now: datetime) -> None:
        """Something of ours broke: ask again at the ordinary time."""
        values = {"not_before": now + self.settings().retry.waits[0], "why": f"{type(error).__name__}: {error}"}
        with self.database.write() as connection:
            give_back(connection, tables.destinations, silent.lease, values=values)

    def renew(self, works: Sequence[Silent], until: datetime) -> None:
        """A silent one takes as long as the timeouts say."""
        with self.database.note() as connection:
            renew(connection, tables.destinations, [one.lease for one in works], until=until)

    def next_due(self, now: datetime) -> datetime | None:
        """When the next one is asked."""
        with self.database.read() as connection:
            return ledger.next_to_ask(connection, now)


def unknown(destination: str) -> Failed:
    """Its entry was removed while something was due for it."""
    why = f"destination {destination!r} is not in dicom.scu.destinations any more"
    return Failed(fault=policy.Fault.MISCONFIGURED, why=why)
