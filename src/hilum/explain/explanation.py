"""What is told about one thing: where it is, why, what to do, and everything that happened to it. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Tone(StrEnum):
    """How something stands, the best first."""

    OK = "ok"
    WAITS = "waits"  # it goes on by itself
    LOOK = "look"  # somebody should know of it
    WRONG = "wrong"  # it does not go on, or not whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """Something that can be done.

    Attributes:
        text: As a clause: "run it again".
        command: That does it; empty: no command can.
        button: What the dashboard calls it; empty: it has none.
        action: What that button asks for, a path below ``/api/v1`` that is posted to.
    """

    text: str
    command: str = ""
    button: str = ""
    action: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Where some of it is, and why.

    Attributes:
        place: In a word or two: held, group, job, delivered.
        subject: What it is about, as commands take it: ``group:12``, an association's id.
        count: How many instances or results.
        what: What was found, as a sentence without its full stop.
        why: The reason, if there is one to give.
    """

    tone: Tone
    place: str
    subject: str
    count: int
    what: str
    why: str = ""
    remedies: tuple[Remedy, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that happened.

    Attributes:
        after: Seconds since the one before; 0 for the first.
    """

    at: datetime
    after: float
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One of several things that may be meant.

    Attributes:
        name: Asks for this one alone.
        of: What of it there is.
        at: When it came or was made, if that is known.
    """

    kind: str
    name: str
    of: str
    at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The answer.

    Attributes:
        asked: What was asked for, without personal data: a Patient ID is not repeated.
        kind: What it is; empty: nothing was found, or several things were.
        tone: Of the worst finding.
        summary: The answer in one sentence.
        findings: Where it is, what is wrong first.
        story: Everything that happened to it, in the order of time.
        choices: What may be meant, if it is several things.
        looked: If nothing was found: where it was looked for, and what there would be.
        patients: Patient IDs, only if personal data was asked for.
    """

    asked: str
    kind: str
    tone: Tone
    summary: str
    findings: tuple[Finding, ...] = ()
    story: tuple[Step, ...] = ()
    choices: tuple[Choice, ...] = ()
    looked: tuple[str, ...] = ()
    patients: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What the ledger does not say.

    Attributes:
        running: Whether a gateway has the ledger; ``None``: not known.
        missing: Associations and jobs whose folders should be there and are not.
    """

    now: datetime
    running: bool | None = None
    missing: frozenset[str] = frozenset()
