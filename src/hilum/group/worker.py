"""Closes groups whose window ran out. Those without a window are closed by the release itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from hilum.ledger import grouping
from hilum.ledger.database import Database
from hilum.model import GroupId
from hilum.states import GroupEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseStep:
    """Closing needs nothing of the world, so the claim is already the whole work: one transaction, no lease."""

    database: Database
    name: ClassVar[str] = "group"
    concurrency: ClassVar[int] = 1

    def claim(self, now: datetime, until: datetime, limit: int) -> Sequence[GroupId]:  # noqa: ARG002
        """Close what is due; an association that still contributes keeps its group open."""
        with self.database.read() as connection:
            if not grouping.anything_due(connection, now):
                return ()
        with self.database.write() as connection:
            due = grouping.take_due(connection, now, 100)
            for group in due:
                why = "no instance came for the length of the window"
                grouping.close(connection, group, GroupEvent.WINDOW_ENDED, now=now, why=why)
        return due[:limit]

    def act(self, work: GroupId) -> None:
        """Nothing is left to do."""

    def record(self, work: GroupId, outcome: None, now: datetime) -> None:
        """Nothing is left to record."""

    def failed(self, work: GroupId, error: Exception, now: datetime) -> None:
        """Cannot happen: nothing was left to do."""

    def renew(self, works: Sequence[GroupId], until: datetime) -> None:
        """There is no lease."""

    def next_due(self, now: datetime) -> datetime | None:  # noqa: ARG002
        """When the next window runs out."""
        with self.database.read() as connection:
            return grouping.next_closing(connection)
