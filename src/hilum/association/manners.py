"""How a peer behaves towards us: what makes it slow that its own log does not tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from hilum.observe.durations import Durations

#: A wait inside a request that is worth counting: no network that is well makes one.
STALL_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """Of one association, when it is over.

    Attributes:
        implementation: What the peer calls its software; unchecked, may be empty.
        takes: The longest PDU that it takes, in bytes; 0 = no limit.
        pdus: Whole PDUs that came from it.
        pauses: From each answer of ours to the first byte of its next request.
        stalls: Waits of more than ``STALL_SECONDS`` in the middle of a request.
        refused: Presentation contexts that were refused: how many, by abstract syntax.
    """

    implementation: str = ""
    takes: int = 0
    pdus: int = 0
    pauses: Durations = field(default_factory=Durations)
    stalls: Durations = field(default_factory=Durations)
    refused: Mapping[str, int] = field(default_factory=dict)
