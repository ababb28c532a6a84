"""What a notice says, and what can carry it. Implementations: ``webhook`` and ``mail``; they do not know each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from hilum.model import Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A notice in words. Nothing in it is personal data.

    Attributes:
        key: The same for every attempt to tell it.
        topic: A value of ``hilum.model.Topic``, or ``test``.
        subject: What it happened to: a workflow, a destination, a source, a folder.
        count: How often it happened.
        over_at: Of what lasts, when it ended; ``None``: it goes on, or it does not last.
        gist: One line, without a full stop.
        reason: Why, in words of ours; may be empty.
        remedy: What to do, mostly a command; may be empty.
        examples: Ids of some of what it is about, as commands name them.
        gateway: The name of this gateway.
        link: To the dashboard; empty if its address is not known.
    """

    key: str
    topic: str
    phase: Phase
    subject: str
    count: int
    first_at: datetime
    last_at: datetime
    over_at: datetime | None
    gist: str
    reason: str
    remedy: str
    examples: tuple[str, ...]
    gateway: str
    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """It was taken.

    Attributes:
        answer: What the other side said, short.
    """

    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotTold:
    """It was not taken, or it is not known whether it was.

    Attributes:
        why: For the operator.
    """

    why: str


class Channel(Protocol):
    """A way to tell somebody. Equal ones lead to the same place in the same way; usable from any thread."""

    def tell(self, message: Message, clock: Callable[[], datetime]) -> Told | NotTold:
        """Tell it once; what can go wrong in the world is a value, not an exception."""
