"""What is written down when a destination as a whole cannot be sent to."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from hilum.deliver import policy
from hilum.deliver.parcel import Failed
from hilum.ledger import destinations, dispatch
from hilum.ledger.database import Database
from hilum.retry import RetryRule

_REMEDIES: Final = {
    policy.Fault.MISCONFIGURED: "check the destination's entry in app.yaml and dicom.scu.ae-title, and at the "
    "destination that it knows that title and this address; {echo} tests it",
    policy.Fault.FULL: "make room at the destination; it is tried again by itself",
}
_REMEDY: Final = "it is tried again by itself; {echo} tests it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A destination that failed just now.

    Attributes:
        chance: At random, from 0 to less than 1.
    """

    destination: str
    failed: Failed
    rule: RetryRule
    chance: float
    now: datetime

    def begins(self, connection: Connection, *, took_something: bool) -> int:
        """A parcel found it: nothing more is sent there for now.

        Returns:
            How often it has failed in a row.
        """
        failures = 1 if took_something else destinations.failures(connection, self.destination) + 1
        destinations.went_down(
            connection,
            self.destination,
            failures=failures,
            not_before=self.until(failures),
            why=self.failed.why,
            remedy=_REMEDIES.get(self.failed.fault, _REMEDY).format(echo=f"hilum echo {shlex.quote(self.destination)}"),
            now=self.now,
        )
        return failures

    def goes_on(self, connection: Connection, silent: destinations.Silent) -> None:
        """It was asked whether it is back, and it is not."""
        not_before = self.until(silent.failures + 1)
        destinations.still_down(connection, silent, not_before=not_before, why=self.failed.why)

    def until(self, failures: int) -> datetime:
        """When it is asked next."""
        return policy.next_probe(self.failed.fault, failures=failures, now=self.now, rule=self.rule, chance=self.chance)

    def give_up_overdue(self, database: Database, failures: int) -> None:
        """Give up what cannot be delivered in time any more, in batches."""
        end = policy.out_of_time(self.rule)
        overdue, more = policy.overdue(self.until(failures), self.rule), True
        while more:
            with database.write() as connection:
                more = dispatch.give_up_overdue(
                    connection,
                    self.destination,
                    queued_before=overdue,
                    why=f"{self.failed.why}; {end.why}",
                    remedy=end.remedy,
                    now=self.now,
                )
