"""Prints explanations."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from hilum import words
from hilum.cli import output
from hilum.cli.output import Column
from hilum.explain.explanation import Choice, Explanation, Finding, Remedy, Step, Tone
from hilum.explain.prospect import Prospect, Stage, Verdict

_MARKS: Final = {Tone.OK: "", Tone.WAITS: "...", Tone.LOOK: "!", Tone.WRONG: "!!"}

_VERDICTS: Final = {Verdict.YES: "", Verdict.IGNORED: "!", Verdict.LOOK: "!", Verdict.NO: "!!"}
#: Of what goes alike for many files, only so many are told one by one.
_ALIKE: Final = 3


def tell(found: Explanation) -> None:
    """All of it: the answer, where it is and what to do, and what happened."""
    output.heading(found.summary)
    if found.patients:
        output.pairs([("Patient ID", ", ".join(found.patients))], indent=2)
    if found.choices:
        _choices(found.choices)
    if found.findings:
        output.say()
        output.heading("Where it is" if found.kind else "What may be the reason")
        for one in found.findings:
            tell_finding(one)
    if found.story:
        output.say()
        output.heading("What happened")
        columns = (Column("TIME", fixed=True, right=True), Column("AFTER", fixed=True, right=True), Column(""))
        output.table(columns, _rows(found.story), indent=2)
    if found.looked:
        output.say()
        output.heading("Where it was looked for")
        for place in found.looked:
            output.paragraph(f"- {place}", indent=2)


def tell_finding(one: Finding) -> None:
    """One of them, with what to do."""
    why = f": {one.why}" if one.why else ""
    output.point(_MARKS[one.tone], f"{one.what}{why}", [_remedy(remedy) for remedy in one.remedies])


def _remedy(one: Remedy) -> str:
    return f"{one.text}: {one.command}" if one.command else one.text


def _choices(choices: Sequence[Choice]) -> None:
    columns = (Column("KIND", fixed=True), Column("NAME", fixed=True), Column("WHAT"), Column("WHEN", fixed=True))
    rows = [(one.kind, one.name, one.of, words.clock(one.at) if one.at else "") for one in choices]
    output.table(columns, rows, indent=2)


def _rows(story: Sequence[Step]) -> Sequence[tuple[str, str, str]]:
    """Each day on a line of its own."""
    rows: list[tuple[str, str, str]] = []
    day: datetime | None = None
    for step in story:
        local = step.at.astimezone()
        if day is None or day.date() != local.date():
            rows.append((f"{local:%Y-%m-%d}", "", ""))
        day = local
        after = f"+{words.duration(timedelta(seconds=step.after))}" if step.after >= 0.001 else ""
        rows.append((f"{local:%H:%M:%S}.{local.microsecond // 1000:03}", after, step.what))
    return rows


def tell_prospect(found: Prospect) -> None:
    """What would happen, step by step, and which line of the configuration decides it."""
    output.heading(found.summary)
    alike: dict[tuple[str, str, str, str], list[Stage]] = {}
    for stage in found.stages:
        key = stage.step if stage.step == "instance" else f"{stage.step} {stage.subject}"
        alike.setdefault((key, stage.verdict, stage.what, stage.why), []).append(stage)
    for several in alike.values():
        stage = several[0]
        names = [one.subject for one in several[:_ALIKE]]
        more = [f"{len(several) - _ALIKE} more"] if len(several) > _ALIKE else []
        which = f" ({words.listed([*names, *more])})" if stage.step == "instance" else ""
        why = f": {stage.why}" if stage.why else ""
        output.point(_VERDICTS[stage.verdict], f"{stage.what}{why}{which}", [_remedy(one) for one in stage.remedies])
        if stage.line:
            output.paragraph(f"   {stage.line}", indent=2)
