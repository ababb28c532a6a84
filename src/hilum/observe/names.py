"""Which values a label may have: what the operator has configured. All else is a peer's choice, or of the past."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Self

from hilum.config import Settings

#: Stands for every name that is not configured.
OTHER: Final = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The names of one configuration.

    Attributes:
        called: Our AE titles.
        calling: AE titles of ``dicom.scp.sources``; a peer that is none of them may call itself what it likes.
        destinations: Of ``dicom.scu.destinations``.
        workflows: By the names of their entries.
        engines: By name.
        channels: That notices go through.
    """

    called: frozenset[str] = frozenset()
    calling: frozenset[str] = frozenset()
    destinations: frozenset[str] = frozenset()
    workflows: frozenset[str] = frozenset()
    engines: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Those that this configuration knows."""
        return cls(
            called=frozenset(str(ae.title) for ae in settings.dicom.scp.ae_titles),
            calling=frozenset(str(source.ae_title) for source in settings.dicom.scp.sources),
            destinations=frozenset(one.name for one in settings.dicom.scu.destinations),
            workflows=frozenset(one.name for one in settings.workflows),
            engines=frozenset(settings.engines),
            channels=frozenset({*settings.notifications.webhooks, *settings.notifications.mail}),
        )


def known(name: str, names: Collection[str]) -> str:
    """The name, if it is one of these."""
    return name if name in names else OTHER
