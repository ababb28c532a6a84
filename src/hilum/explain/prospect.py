"""What would happen to instances that somebody would send. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hilum.association.admission import AdmissionRules
from hilum.engine.port import Healthy, Unhealthy
from hilum.explain.explanation import Remedy
from hilum.model import Header


class Verdict(StrEnum):
    """How a step would go."""

    YES = "yes"
    IGNORED = "ignored"  # answered with success, and dropped
    LOOK = "look"  # it would work, but somebody should know
    NO = "no"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One step on the way, and who decides it.

    Attributes:
        step: source, called, limits, contexts, instance, group, workflow, engine or destination.
        subject: What of that kind: a title, a file, a group's number, a name.
        status: Of the C-STORE answer, as in ``0000H``; empty: there is none.
        line: What in app.yaml decides it, and where that stands; empty: nothing there does.
    """

    step: str
    subject: str
    verdict: Verdict
    what: str
    why: str = ""
    status: str = ""
    line: str = ""
    remedies: tuple[Remedy, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """What would happen.

    Attributes:
        summary: In one sentence.
        stages: In the order in which they would be reached; what follows a no is not reached.
    """

    calling: str
    called: str
    host: str
    verdict: Verdict
    summary: str
    stages: tuple[Stage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who would send.

    Attributes:
        calling: Its AE title; empty: any that the sources have for that host.
        host: Its numeric address.
    """

    calling: str
    called: str
    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An instance that would be sent.

    Attributes:
        name: What to call it.
        header: Of its data set; ``None``: that cannot be read, ``why`` tells the reason.
    """

    name: str
    sop_class: str
    sop_instance: str
    transfer_syntax: str
    header: Header | None
    why: str = ""
    size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """How things stand that no rule knows.

    Attributes:
        rules: Of the configuration, with the addresses that host names of sources stand for now.
        congested: Why nothing new is taken now, or ``None``.
        engines: How each engine is.
        down: Destinations that nothing is sent to now, with the reason.
    """

    now: datetime
    rules: AdmissionRules
    congested: str | None
    engines: Mapping[str, Healthy | Unhealthy]
    down: Mapping[str, str]
