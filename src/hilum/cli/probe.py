"""What a C-ECHO showed, for the command line."""

from __future__ import annotations

from hilum import words
from hilum.association.probe import Probe
from hilum.cli.exit import ExitCode, code_of


def code(result: Probe) -> ExitCode:
    """What a command that only asked ends with."""
    if result.error is not None:
        return code_of(result.error)
    return ExitCode.OK if result.answered else ExitCode.FAILED


def document(result: Probe) -> dict[str, object]:
    """It as JSON has it."""
    times = {"association-seconds": result.association, "echo-seconds": result.echo}
    return {
        "answered": result.answered,
        "status": None if result.status is None else words.status(result.status),
        "found": result.found,
        "remedy": result.remedy,
        **{name: None if span is None else round(span.total_seconds(), 6) for name, span in times.items()},
    }
