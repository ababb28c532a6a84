"""What a statement is made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Self

from hilum import words
from hilum.assembly import Assembly
from hilum.association.settings import AcceptorSettings
from hilum.config import Settings
from hilum.deliver.settings import DeliverySettings
from hilum.wire import name_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One configuration, as ``app.yaml`` says it and as the steps of the gateway understand it.

    Attributes:
        path: Where the configuration stands; ``None``: nowhere, everything has its default.
    """

    path: Path | None
    settings: Settings
    acceptor: AcceptorSettings
    delivery: DeliverySettings

    @classmethod
    def of(cls, settings: Settings, path: Path | None) -> Self:
        """What the gateway makes of that configuration.

        Raises:
            PermanentError: A processor cannot be loaded.
        """
        assembly = Assembly.of(settings)
        return cls(path=path, settings=settings, acceptor=assembly.acceptor, delivery=assembly.delivery)


def seconds(span: timedelta) -> str:
    """A time that a peer may need: exact, so that it can be compared with the peer's own."""
    value = span.total_seconds()
    return f"{int(value) if value.is_integer() else value} s"


def syntaxes(uids: Sequence[str]) -> str:
    """Transfer syntaxes, by name where they have one, and UID."""
    return ", ".join(uid if name_of(uid) == uid else f"{name_of(uid)} ({uid})" for uid in uids)


def code(status: int) -> str:
    """A status as PS3.4 and PS3.7 write it, without the H."""
    return words.status(status).removesuffix("H")
