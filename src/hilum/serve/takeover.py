"""Takes over what belonged to gateways that are no more: at each start, and while this one runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final

import structlog

from hilum import states, words
from hilum.clock import since_boot
from hilum.engine import attempt
from hilum.ledger import gateways, tables
from hilum.ledger.database import Database
from hilum.ledger.gateways import Identity
from hilum.ledger.lease import Lease, PoisonError, drop_leases, give_back, lease_of, renew
from hilum.ledger.rows import AnyRow
from hilum.store.recovery import Recovered, Recovery

_log = structlog.get_logger(__name__)

#: How often it is looked whether all are alive, for each time that the lease of this one lasts.
_LOOKS: Final = 6
#: Silence between two looks counts for no longer than so many times what should lie between them. If they lie further
#: apart the ledger was away, or this gateway was, and the others could not be heard or had no chance to be.
_COUNTS: Final = 1.5


@dataclass(slots=True, kw_only=True)
class Lookout:
    """Judges from what can be seen here alone which gateways are dead: no clock of another machine is believed.

    A gateway is dead if its row has not changed for as long as its lease. The time between two looks that lie far apart
    counts little: after the ledger was away all can be heard of again, and who always looks late, on a busy machine,
    comes to a judgement all the same. On the same machine it is also dead if its process is.

    Attributes:
        me: Is never dead.
        every: How often ``dead`` is asked.
    """

    me: Identity
    every: timedelta
    elapsed: Callable[[], float] = since_boot
    _seen: dict[str, tuple[datetime, float]] = field(default_factory=dict)
    _looked: float = float("-inf")

    def dead(self, rows: Sequence[AnyRow]) -> Sequence[tuple[AnyRow, str]]:
        """Those of the gateways that run which do not any more, each with how that is known."""
        now = self.elapsed()
        passed = min(now - self._looked, _COUNTS * self.every.total_seconds())
        self._looked = now
        others = [row for row in rows if row.state == states.Gateway.RUNNING and row.id != self.me.id]
        before, self._seen = self._seen, {}
        found = []
        for row in others:
            seen, silent = before.get(row.id, (None, 0.0))
            silent = silent + passed if seen == row.seen_at else 0.0
            self._seen[row.id] = (row.seen_at, silent)
            lease = row.seen_until - row.seen_at
            if self._ended(row):
                found.append((row, f"its process {row.process} on {row.host} has ended"))
            elif silent >= lease.total_seconds():
                found.append((row, f"it was last heard of at {row.seen_at:%Y-%m-%d %H:%M:%S} UTC; its lease has ended"))
        return found

    def _ended(self, row: AnyRow) -> bool:
        if row.machine != self.me.machine:
            return False
        seen = attempt.process_stat(row.process)
        return seen is None or seen[2] != row.ticks


@dataclass(frozen=True, slots=True, kw_only=True)
class Dead:
    """Leased gateways that are no more.

    Attributes:
        search: Whether their folders are still to be looked for.
    """

    leases: Sequence[Lease]
    search: bool


@dataclass(slots=True, kw_only=True)
class TakeOverStep:
    """Gateways that are dead or have stopped in; nothing that belongs to them out.

    Their open associations are held, their leases are free, their jobs go on with this gateway: see
    ``hilum.store.recovery`` and ``hilum.ledger.gateways``.

    Attributes:
        takes_jobs: Whether jobs are looked after here at all.
    """

    database: Database
    me: Identity
    lookout: Lookout
    recovery: Callable[[], Recovery]
    takes_jobs: bool = True
    name: ClassVar[str] = "takeover"
    concurrency: ClassVar[int] = 1
    _next_look: datetime = field(default=datetime.min.replace(tzinfo=UTC))
    _searched: set[str] = field(default_factory=set)
    _leads: frozenset[str] = frozenset()

    def at_start(self, now: datetime, until: datetime, *, alone: bool) -> int:
        """Do it once, before anything else; how many associations were recovered.

        Args:
            alone: Nobody else can have the ledger: whoever else seems to run does not.

        Raises:
            PermanentError: The spool is empty and must not be.
            TemporaryError: Ledger or disk are unwell.
        """
        with self.database.read() as connection:
            rows = gateways.present(connection)
        others = [row for row in rows if row.state == states.Gateway.RUNNING and row.id != self.me.id]
        over = "it has ended: a new gateway has the ledger to itself"
        dead = [(row, over) for row in others] if alone else self.lookout.dead(rows)
        self._call_gone(dead, now)
        self._see_whose_turn(rows, dead)
        found = self._claim(now, until)
        recovered = self.recovery().run()
        self._record(found, recovered, now)
        return recovered.count

    def claim(self, now: datetime, until: datetime, limit: int) -> Sequence[Dead]:  # noqa: ARG002
        """Look whether all are alive; those that are not, at once."""
        if timedelta() < self._next_look - now <= self.lookout.every:
            return ()
        self._next_look = now + self.lookout.every
        with self.database.read() as connection:
            rows = gateways.present(connection)
        dead = self.lookout.dead(rows)
        self._call_gone(dead, now)
        self._see_whose_turn(rows, dead)
        with self.database.read() as connection:
            if not gateways.anything_dead(connection, now):
                return ()
        found = self._claim(now, until)
        return [found] if found.leases else []

    def _see_whose_turn(self, rows: Sequence[AnyRow], dead: Sequence[tuple[AnyRow, str]]) -> None:
        gone = {row.id for row, _ in dead}
        first: dict[str, str] = {}
        for row in rows:
            if row.state == states.Gateway.RUNNING and row.id not in gone:
                for role in row.roles:
                    first.setdefault(role, row.id)
        self._leads = frozenset(role for role, gateway in first.items() if gateway == self.me.id)

    def leads(self, role: str) -> bool:
        """Whether no other gateway with that role has been running for longer: of those it does what one has to do."""
        return role in self._leads

    def _call_gone(self, dead: Sequence[tuple[AnyRow, str]], now: datetime) -> None:
        for row, why in dead:
            with self.database.write() as connection:
                gateways.gone(connection, row.id, seen_at=row.seen_at, why=why, now=now)

    def _claim(self, now: datetime, until: datetime) -> Dead:
        with self.database.write() as connection:
            rows = gateways.claim_dead(connection, owner=self.me.id, now=now, until=until)
        leases = [lease_of(row) for row in rows]
        return Dead(leases=leases, search=any(str(one.id) not in self._searched for one in leases))

    def act(self, found: Dead) -> Recovered:
        """Hold what they had open. Idempotent."""
        for lease in found.leases:
            lease.refuse_poison("taking over what it left")
        return self.recovery().run() if found.search else Recovered()

    def record(self, found: Dead, recovered: Recovered, now: datetime) -> None:
        """Free their leases, take their jobs, and say what was done."""
        self._record(found, recovered, now)

    def _record(self, found: Dead, recovered: Recovered, now: datetime) -> None:
        with self.database.write() as connection:
            drop_leases(connection, gateways.standing(connection))
            taken = gateways.take_jobs(connection, self.me.id, self.me.machine, now) if self.takes_jobs else {}
            for lease in found.leases:
                gateway = str(lease.id)
                if gateways.has_jobs(connection, gateway):
                    # They run where another gateway may be starting just now: that one is to look after them.
                    give_back(connection, tables.gateways, lease)
                    self._searched.add(gateway)
                    continue
                why = self._what(recovered.associations.get(gateway, 0), taken.get(gateway, 0))
                gateways.taken_over(connection, lease, why, now=now)
                self._searched.discard(gateway)
        for gateway, number in taken.items():
            _log.warning("gateway.jobs_taken_over", gateway=gateway, jobs=number, owner=self.me.id)

    def _what(self, associations: int, jobs: int) -> str:
        done = []
        if associations:
            done.append(f"{words.count(associations, 'association')} that it had open ended as if lost")
        if jobs:
            done.append(f"{words.count(jobs, 'job')} of it went on")
        return f"{' and '.join(done) or 'nothing was left to do'}, by gateway {self.me.id}"

    def failed(self, found: Dead, error: Exception, now: datetime) -> None:  # noqa: ARG002
        """Again at the next look; but what ends every gateway that tries it waits for the next start."""
        if isinstance(error, PoisonError):
            _log.error("gateway.not_taken_over", error=str(error))
            return  # the leases end by themselves
        with self.database.write() as connection:
            for lease in found.leases:
                give_back(connection, tables.gateways, lease)

    def renew(self, works: Sequence[Dead], until: datetime) -> None:
        """Reading what was received takes long."""
        with self.database.note() as connection:
            renew(connection, tables.gateways, [lease for one in works for lease in one.leases], until=until)

    def next_due(self, now: datetime) -> datetime | None:  # noqa: ARG002
        """The next look."""
        return self._next_look


def looks(lease: timedelta) -> timedelta:
    """How often to look whether all are alive."""
    return lease / _LOOKS
