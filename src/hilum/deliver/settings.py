"""What the delivery step needs to know of the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hilum.association.peer import Peer
from hilum.association.settings import RequestorTimeouts
from hilum.model import AETitle
from hilum.retry import RetryRule


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySettings:
    """What the present configuration says about sending."""

    calling: AETitle
    destinations: Mapping[str, Peer]
    max_associations: int
    retry: RetryRule
    timeouts: RequestorTimeouts
