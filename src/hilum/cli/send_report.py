"""What ``hilum send`` says when it is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from hilum import words
from hilum.association.probe import remedy_for
from hilum.cli import output
from hilum.cli.exit import ExitCode, FailedError, code_of, complain
from hilum.cli.outbox import Skipped
from hilum.cli.output import Column
from hilum.cli.peer import Found
from hilum.cli.sending import Report

#: Files named one by one; of more only the number is told. --verbose and --json name all.
_NAMED: Final = 10


def tell(found: Found, report: Report, skipped: Sequence[Skipped], *, as_json: bool, quiet: bool) -> None:
    """Print it.

    Raises:
        FailedError: Not everything was accepted.
    """
    if as_json:
        output.emit(_document(found, report, skipped))
    else:
        if not quiet:
            _summary(found, report)
        _failures(report, skipped, quiet=quiet)
        if report.interrupted:
            complain("interrupted")
        elif report.error is not None:
            complain(str(report.error))
            if remedy := remedy_for(report.error, found.peer, found.calling):
                complain(remedy)
        elif not report.outcomes:
            complain("there was no DICOM file to send")
    if code := exit_code(report, skipped):
        raise FailedError(code)


def exit_code(report: Report, skipped: Sequence[Skipped]) -> ExitCode:
    """OK only if there was something to send and the peer has all of it."""
    if report.interrupted:
        return ExitCode.INTERRUPTED
    refused = any(not outcome.accepted and outcome.asked for outcome in report.outcomes)
    if refused or not report.outcomes or any(one.damaged for one in skipped):
        return ExitCode.FAILED
    if report.error is not None:
        return code_of(report.error)
    return ExitCode.OK


def _summary(found: Found, report: Report) -> None:
    accepted = sum(outcome.accepted for outcome in report.outcomes)
    if not report.outcomes:
        return
    seconds = report.seconds
    speed = ""
    if accepted:
        speed = f" in {seconds:.2f} s: {words.rate(report.accepted_bytes, seconds)}, {accepted / seconds:.0f}/s"
    output.say(
        f"{found.peer} accepted {accepted} of {words.count(len(report.outcomes), 'instance')}, "
        f"{words.size(report.accepted_bytes)}{speed}"
    )
    answers = Counter(outcome.answer.status for outcome in report.outcomes if outcome.answer is not None)
    if answers.keys() - {0}:
        columns = (Column("STATUS", fixed=True), Column("MEANING"), Column("INSTANCES", right=True))
        rows = [
            (words.status(status), words.status_meaning(status), str(count))
            for status, count in sorted(answers.items())
        ]
        output.table(columns, rows, indent=2)


def _failures(report: Report, skipped: Sequence[Skipped], *, quiet: bool) -> None:
    """Files that the peer does not have, by reason, and those that were passed over."""
    reasons: dict[str, list[str]] = {}
    for outcome in report.outcomes:
        if not outcome.accepted and outcome.asked:
            reasons.setdefault(_reason(outcome.answer, outcome.why), []).append(str(outcome.file.path))
    for one in skipped:
        if one.damaged:
            reasons.setdefault(one.why, []).append(str(one.path))
    for reason, paths in reasons.items():
        output.remark(f"{words.count(len(paths), 'file')} not accepted: {reason}")
        _name(paths)
    unsent = sum(not outcome.asked for outcome in report.outcomes)
    if unsent:
        output.remark(f"{words.count(unsent, 'file')} not sent")
    foreign = [f"{one.path} ({one.why})" for one in skipped if not one.damaged]
    if foreign and not quiet:
        output.remark(f"{words.count(len(foreign), 'file')} passed over, no DICOM instance:")
        _name(foreign)


def _reason(answer: Any, why: str) -> str:  # noqa: ANN401  an Answer or None
    if answer is None:
        return why
    comment = f": {answer.comment}" if answer.comment else ""
    return f"{words.status(answer.status)} {words.status_meaning(answer.status)}{comment}"


def _name(lines: Sequence[str]) -> None:
    for line in lines[:_NAMED]:
        output.remark(f"  {line}")
    if len(lines) > _NAMED:
        output.remark(f"  and {len(lines) - _NAMED} more")


def _document(found: Found, report: Report, skipped: Sequence[Skipped]) -> dict[str, object]:
    accepted = [outcome for outcome in report.outcomes if outcome.accepted]
    return {
        "peer": found.peer,
        "calling": found.calling,
        "instances": len(report.outcomes),
        "accepted": len(accepted),
        "accepted-bytes": report.accepted_bytes,
        "seconds": round(report.seconds, 6),
        "associations": report.associations,
        "interrupted": report.interrupted,
        "error": None if report.error is None else str(report.error),
        "files": [
            {
                "file": outcome.file.path,
                "sop-instance": outcome.file.sop_instance,
                "accepted": outcome.accepted,
                "status": None if outcome.answer is None else words.status(outcome.answer.status),
                "comment": "" if outcome.answer is None else outcome.answer.comment,
                "why": outcome.why,
            }
            for outcome in report.outcomes
        ],
        "passed-over": skipped,
    }
