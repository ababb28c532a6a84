"""What is asked of the decoder and what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

MAX_SIZE: Final = 2048
MIN_SIZE: Final = 16
DEFAULT_SIZE: Final = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One picture. Its files are passed beside it: the instance, and the segmentation if there is one to lay over it.

    Attributes:
        frame: From 1.
        center: Of the window, in the units that the modality transformation gives; ``None``: what the header says.
        width: The same; above 0.
        size: The longer side in pixels at most; pictures are made smaller, never larger.
        opacity: Of the overlay, percent.
        alone: The overlay without what it lies on, transparent elsewhere.
    """

    frame: int = 1
    center: float | None = None
    width: float | None = None
    size: int = DEFAULT_SIZE
    opacity: int = 50
    alone: bool = False

    def to_json(self) -> dict[str, Any]:
        """As a message."""
        return asdict(self)

    @classmethod
    def from_json(cls, message: Mapping[str, Any]) -> Order:
        """What ``to_json`` gave."""
        return cls(**message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A PNG file.

    Attributes:
        why: Why it is a placeholder; empty: it is what was asked for.
        note: What has to be known of a picture that is not quite what was asked for.
        window: Centre and width that greys were shown with, if they were.
        passing: The reason may be gone when it is asked for again.
    """

    png: bytes
    why: str = ""
    note: str = ""
    window: tuple[float, float] | None = None
    passing: bool = False
