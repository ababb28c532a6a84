"""The gateway as the web sees it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from hilum import config
from hilum.clock import Clock
from hilum.ledger.database import Database
from hilum.model import AssociationInfo
from hilum.observe.metrics import Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What every answer is made of. Usable from any thread.

    Attributes:
        owner: The name of this gateway in the ledger.
        settings: The configuration that is in force now.
        path: Of the configuration file; ``None``: it came from nowhere, and cannot be loaded again.
        reload: Loads it again; whether that worked. What was wrong stands in the history.
        congested: Why no new instances are taken, or ``None``.
        talking: The associations that are open now, also those that have stored nothing yet, the oldest first.
        abort: Aborts the one with that id; ``False`` if it is not open here.
        wake: Lets the steps look for work now.
        metrics: What was counted since the gateway was made.
    """

    database: Database
    clock: Clock
    owner: str
    started_at: datetime
    settings: Callable[[], config.Settings]
    path: Path | None
    reload: Callable[[], bool]
    congested: Callable[[], str | None]
    talking: Callable[[], Sequence[AssociationInfo]]
    abort: Callable[[str], bool]
    wake: Callable[[], None]
    metrics: Metrics
