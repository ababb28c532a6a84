"""Every exception Hilum raises on purpose, named by whose fault it is and whether trying again can help.

::

    HilumError
    ├── PeerError        the other side broke PS3: carries the A-ABORT to answer with
    ├── LocalError       we broke our own rule: a bug; ends one association or parks one row, with a traceback
    ├── TemporaryError   the world is unwell: try again, perhaps after ``retry_after``
    ├── PermanentError   trying again cannot help: ``why`` is shown to the operator
    └── ConfigError      app.yaml cannot be used: carries every problem found, each with its place

Expected outcomes (a rejected association, a refused instance, a failed attempt) are values, not exceptions.
Exceptions of other libraries are turned into these at one place per port.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta


class HilumError(Exception):
    """The root; only ever raised as one of its children."""


class PeerError(HilumError):
    """The other side broke the protocol; the association cannot go on.

    Attributes:
        source: A-ABORT source to send, 0 (service-user) or 2 (service-provider).
        reason: A-ABORT reason to send with source 2, 0-6; see PS3.8 Table 9-26.

    Source: PS3.8 9.3.8.
    """

    def __init__(self, message: str, *, source: int = 2, reason: int = 6) -> None:
        super().__init__(message)
        self.source = source
        self.reason = reason


class LocalError(HilumError):
    """A rule of our own was broken: a bug in Hilum, never the peer's or the operator's fault."""


class LeaseLostError(LocalError):
    """Somebody else has the row by now; the caller's work on it counts for nothing and must not be recorded."""


class TemporaryError(HilumError):
    """The world is unwell for now: the same call may succeed later.

    Attributes:
        retry_after: How long to wait before the next try; ``None`` leaves it to the caller's schedule.
    """

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class PermanentError(HilumError):
    """Trying again cannot help; the message is written for the operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong with a configuration.

    Attributes:
        where: ``file:line:column`` (both from 1), or the name of the environment variable at fault.
        path: The key as the user writes it, e.g. ``dicom.scp.ae-titles[0].timeout``; empty for the whole file.
        message: What was found, what was expected, and "did you mean" where a near name exists.
    """

    where: str
    path: str
    message: str

    def __str__(self) -> str:
        """One line, in the form that editors and compilers have taught everyone to click on."""
        return f"{self.where}: {self.path}: {self.message}" if self.path else f"{self.where}: {self.message}"


class ConfigError(HilumError):
    """``app.yaml`` cannot be used as it is.

    Attributes:
        problems: Everything that was found, in the order of the file; never empty.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)
