"""What a check is, what it finds, and what follows from that."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hilum.battery.target import Target


@dataclass(frozen=True, slots=True)
class Conforms:
    """The must is kept.

    Attributes:
        found: Empty, or what came where the standard leaves a choice and the peer took a less telling one.
    """

    found: str = ""


@dataclass(frozen=True, slots=True)
class Deviates:
    """The must is not kept.

    Attributes:
        found: What came, in a few words: ``silent``, ``ABT 0/0``, ``AC``.
        expected: What should have come.
        case: Which of several tries it was; empty if there is only one.
    """

    found: str
    expected: str
    case: str = ""


@dataclass(frozen=True, slots=True)
class NotObservable:
    """This peer, or the way it is called, does not let the must be seen."""

    why: str


Verdict = Conforms | Deviates | NotObservable


class UnobservableError(Exception):
    """Raised by what a check uses when it cannot go on; its text is the reason."""


class RefusedError(Exception):
    """The peer did not accept an association that it should have; its text is what came instead."""


class MalformedError(Exception):
    """The peer sent what cannot be read; its text says what."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found out. A check yields as many as it takes, and ends with the first that is wrong.

    Attributes:
        found: What came.
        wanted: Patterns of what may come, as of file names; the first is the most telling answer.
        case: Which of several tries it was.
    """

    found: str
    wanted: tuple[str, ...]
    case: str = ""

    @property
    def right(self) -> bool:
        """Whether it may come."""
        return any(fnmatchcase(self.found, pattern) for pattern in self.wanted)

    @property
    def best(self) -> bool:
        """Whether it is the most telling answer."""
        return fnmatchcase(self.found, self.wanted[0])


def seen(what: object, *wanted: str, case: str = "") -> Finding:
    """Something whose text tells what it is, and what it may be."""
    return Finding(str(what), wanted, case)


def fact(true: bool, otherwise: str, expected: str, case: str = "") -> Finding:
    """Something that is so, or else is ``otherwise``."""
    return Finding(expected if true else otherwise, (expected.translate(_LITERAL),), case)


#: What means something else in a pattern.
_LITERAL = str.maketrans({"[": "[[]", "*": "[*]", "?": "[?]"})

#: What the body of a check is: it goes no further than to the first finding that is wrong.
Findings = Generator[Finding, None, None]


@dataclass(frozen=True, slots=True)
class Check:
    """One must.

    Attributes:
        number: Its own, which never changes.
        title: What the peer must do, in plain words.
        source: Where the standard says so.
        body: Tries it out.
    """

    number: int
    title: str
    source: str
    body: Callable[[Target], Findings]

    def run(self, target: Target) -> Verdict:
        """Try it out on a peer. Never raises for what a peer does."""
        lesser = ""
        try:
            with closing(self.body(target)) as findings:
                for finding in findings:
                    if not finding.right:
                        return Deviates(finding.found, " or ".join(finding.wanted), finding.case)
                    if not finding.best:
                        lesser = lesser or finding.found
        except UnobservableError as error:
            return NotObservable(str(error))
        except RefusedError as error:
            return Deviates(str(error), "AC")
        except MalformedError as error:
            return Deviates(str(error), "well-formed bytes")
        return Conforms(lesser)


def must(number: int, title: str, source: str) -> Callable[[Callable[[Target], Findings]], Check]:
    """Make a check of a function that yields findings."""

    def make(body: Callable[[Target], Findings]) -> Check:
        return Check(number, title, source, body)

    return make
