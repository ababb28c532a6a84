"""The status with which a command ends, and what is printed when it cannot do what it was asked."""

from __future__ import annotations

import sys
from enum import IntEnum

from hilum.errors import ConfigError, HilumError, LocalError, PermanentError, TemporaryError


class ExitCode(IntEnum):
    """Scripts rely on these: none ever changes its meaning."""

    OK = 0
    FAILED = 1  # something was refused, not found, or is not possible; trying again will not help
    USAGE = 2  # the command line or app.yaml is wrong; nothing was done
    TEMPORARY = 3  # a peer cannot be reached, the ledger is busy, ...; the same command may work later
    FAULT = 4  # Hilum itself is at fault
    INTERRUPTED = 130  # Ctrl-C


#: Shown at the end of ``hilum --help``. The mark in the first line keeps the lines as they are.
EXPLAINED = """\b
Exit status:
  0  done
  1  failed: refused, not found or not possible
  2  the command line or app.yaml is wrong; nothing was done
  3  failed for now: a peer or the ledger cannot be reached; try again later
  4  a fault in Hilum itself
"""


class UsageError(PermanentError):
    """The command line asks for something that cannot be meant."""


class FailedError(PermanentError):
    """The command has failed and everything that is to be said about it has been printed.

    Attributes:
        code: What the command ends with.
    """

    def __init__(self, code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__("")
        self.code = code


def code_of(error: BaseException) -> ExitCode:
    """What a command that failed in this way ends with."""
    match error:
        case FailedError(code=code):
            return code
        case ConfigError() | UsageError():
            return ExitCode.USAGE
        case TemporaryError():
            return ExitCode.TEMPORARY
        case HilumError() if not isinstance(error, LocalError):
            return ExitCode.FAILED
        case KeyboardInterrupt():
            return ExitCode.INTERRUPTED
        case _:
            return ExitCode.FAULT


def report(error: Exception) -> int:
    """Say on standard error what went wrong; returns the exit status."""
    match error:
        case FailedError():
            pass
        case ConfigError():
            complain_of_config(error)
        case LocalError():
            complain(f"{error} (a fault in Hilum itself: please report it with what you did)")
        case HilumError():
            complain(str(error))
        case OSError(filename=str(name), strerror=str(text)):
            complain(f"{name}: {text}")
            return ExitCode.FAILED
        case _:
            import traceback

            traceback.print_exception(error)
            complain("a fault in Hilum itself: please report the lines above with what you did")
    return code_of(error)


def complain(text: str) -> None:
    """One sentence on standard error, in the form of Unix tools."""
    print(f"hilum: {text}", file=sys.stderr)


def complain_of_config(error: ConfigError) -> None:
    """All problems, one a line, as compilers write them, and how many there are."""
    for problem in error.problems:
        print(problem, file=sys.stderr)
    count = len(error.problems)
    complain(f"the configuration cannot be used: {count} {'problem' if count == 1 else 'problems'}, nothing was done")
