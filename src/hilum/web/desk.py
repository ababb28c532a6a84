"""The gateway as the web sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from hilum import config
from hilum.association.observer import Tally
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
        reload: Loads it again.
        congested: Why no new instances are taken, or ``None``.
        talking: The associations that are open now, also those that have stored nothing yet, the oldest first.
        progress: What has come over each of them so far, by id.
        abort: Aborts the one with that id, for the reason given; ``False`` if it is not open here.
        wake: Lets the steps look for work now.
        metrics: What was counted since the gateway was made.
    """

    database: Database
    clock: Clock
    owner: str
    started_at: datetime
    settings: Callable[[], config.Settings]
    path: Path | None
    reload: Callable[[], config.Reload]
    congested: Callable[[], str | None]
    talking: Callable[[], Sequence[AssociationInfo]]
    progress: Callable[[], Mapping[str, Tally]]
    abort: Callable[[str, str], bool]
    wake: Callable[[], None]
    metrics: Metrics
