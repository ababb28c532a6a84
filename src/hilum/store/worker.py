"""Looks after the spool: held associations, and folders that nobody needs any more."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar

from structlog.contextvars import bind_contextvars

from hilum.errors import LocalError
from hilum.ledger import audit, holding, reception
from hilum.ledger.database import Database
from hilum.ledger.grouping import Grouping
from hilum.ledger.lease import Lease, PoisonError, give_back, lease_of, renew, still_held
from hilum.ledger.rows import AnyRow
from hilum.ledger.tables import associations
from hilum.model import AssociationId, AssociationInfo
from hilum.states import Association
from hilum.store.folders import remove_folder
from hilum.store.receive import Unrecorded


@dataclass(frozen=True, slots=True, kw_only=True)
class EndStep:
    """Records the ends of associations that ledger or disk could not be told of when they came.

    Until then nobody sees what these associations stored, and windows that they contributed to stay open. They are
    known in memory only: what a crash makes forgotten is found by its folder at the next start.
    """

    unrecorded: deque[Unrecorded]
    name: ClassVar[str] = "end"
    concurrency: ClassVar[int] = 1

    def claim(self, now: datetime, until: datetime, limit: int) -> Sequence[Unrecorded]:  # noqa: ARG002
        """The oldest one."""
        return [self.unrecorded.popleft()] if self.unrecorded else []

    def act(self, ended: Unrecorded) -> None:
        """Try again."""
        bind_contextvars(association=ended.sink.info.id)
        ended.sink.end(ended.how, ended.why)

    def record(self, ended: Unrecorded, outcome: None, now: datetime) -> None:
        """That was the whole work."""

    def failed(self, ended: Unrecorded, error: Exception, now: datetime) -> None:  # noqa: ARG002
        """Again at the next poll."""
        if not isinstance(error, LocalError):
            self.unrecorded.append(ended)

    def renew(self, works: Sequence[Unrecorded], until: datetime) -> None:
        """There is no lease: nobody else knows of them."""

    def next_due(self, now: datetime) -> datetime | None:  # noqa: ARG002
        """Whether ledger and disk are well again is only found out by trying."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A leased association that was held: to be accepted, or to be let go."""

    lease: Lease
    info: AssociationInfo
    accept: bool
    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldStep:
    """Held associations in; released ones out if an operator wants them, removed ones when their time is over.

    Attributes:
        keep: How long an association is held.
    """

    database: Database
    owner: str
    spool: Callable[[], Path]
    grouping: Callable[[str], Grouping]
    keep: Callable[[], timedelta]
    name: ClassVar[str] = "held"
    concurrency: ClassVar[int] = 1

    def claim(self, now: datetime, until: datetime, limit: int) -> Sequence[Held]:
        """What an operator accepted, and what is over."""
        with self.database.read() as connection:
            if not holding.held_due(connection, now):
                return ()
        with self.database.write() as connection:
            rows = holding.claim_held(connection, owner=self.owner, now=now, until=until, limit=limit)
        return [_held(row) for row in rows]

    def act(self, held: Held) -> None:
        """Remove the files of one that nobody wanted; those of an accepted one stay where they are."""
        bind_contextvars(association=held.lease.id)
        held.lease.refuse_poison("accepting it" if held.accept else "removing its files")
        if not held.accept:
            with self.database.read() as connection:
                still_held(connection, associations, held.lease)
            remove_folder(self.spool(), held.folder)

    def record(self, held: Held, outcome: None, now: datetime) -> None:  # noqa: ARG002
        """Into groups, or gone."""
        fence = held.lease.fence
        with self.database.write() as connection:
            if held.accept:
                holding.accepted(connection, held.info, self.grouping(held.info.called), fence=fence, now=now)
            else:
                holding.expired(connection, held.info.id, fence=fence, now=now)

    def failed(self, held: Held, error: Exception, now: datetime) -> None:
        """Again at the next poll, or in a minute if it was a removal; what is poison waits for an operator again."""
        poison = isinstance(error, PoisonError)
        with self.database.write() as connection:
            if poison and held.accept:
                until = now + self.keep()
                holding.set_aside(
                    connection, held.info.id, str(error), fence=held.lease.fence, remove_at=until, now=now
                )
                return
            again = now + (timedelta(days=1) if poison else timedelta(minutes=1))
            values = {} if held.accept else {"remove_at": again}
            give_back(connection, associations, held.lease, values=values)

    def renew(self, works: Sequence[Held], until: datetime) -> None:
        """Large folders take long."""
        with self.database.note() as connection:
            renew(connection, associations, [one.lease for one in works], until=until)

    def next_due(self, now: datetime) -> datetime | None:  # noqa: ARG002
        """An operator's command is seen by the poll, and so is the end of a day."""
        return None


def _held(row: AnyRow) -> Held:
    return Held(
        lease=lease_of(row),
        info=reception.info_of(row),
        accept=row.state == Association.ACCEPTING,
        folder=row.folder,
    )


@dataclass(slots=True, kw_only=True)
class SweepStep:
    """Removes the spool folder of a released association once every instance in it is in a job, or was not wanted.

    The only code that removes what was accepted. It asks the ledger, not its own memory, so nothing is forgotten by a
    crash; and removing twice does no harm, so no lease is needed.
    """

    database: Database
    spool: Callable[[], Path]
    name: ClassVar[str] = "sweep"
    concurrency: ClassVar[int] = 1
    _stuck: dict[AssociationId, datetime] = field(default_factory=dict)

    def claim(self, now: datetime, until: datetime, limit: int) -> Sequence[tuple[AssociationId, str]]:  # noqa: ARG002
        """Folders that may go, those that came back after their removal among them; none keeps another one back."""
        self._stuck = {association: again for association, again in self._stuck.items() if again > now}
        with self.database.read() as connection:
            wanted = limit + len(self._stuck)
            rows = [*reception.sweepable(connection, wanted), *audit.forgotten(connection, wanted)]
        return [(AssociationId(row.id), row.folder) for row in rows if row.id not in self._stuck][:limit]

    def act(self, swept: tuple[AssociationId, str]) -> None:
        """Remove one."""
        bind_contextvars(association=swept[0])
        remove_folder(self.spool(), swept[1])

    def record(self, swept: tuple[AssociationId, str], outcome: None, now: datetime) -> None:  # noqa: ARG002
        """It is gone. A power cut may undo this line: then the removal is repeated and finds nothing."""
        with self.database.note() as connection:
            reception.swept(connection, swept[0])

    def failed(self, swept: tuple[AssociationId, str], error: Exception, now: datetime) -> None:  # noqa: ARG002
        """Again in a minute."""
        self._stuck[swept[0]] = now + timedelta(minutes=1)

    def renew(self, works: Sequence[tuple[AssociationId, str]], until: datetime) -> None:
        """Nothing is leased."""

    def next_due(self, now: datetime) -> datetime | None:  # noqa: ARG002
        """Nothing waits for this."""
        return None
