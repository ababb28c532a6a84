"""``hilum history``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from hilum.cli.options import AsJson, Config, config_path

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hilum.ledger.shown import HistoryLine

#: Rows named one by one in what happened to several.
_NAMED: Final = 3


def command(
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="WHEN", show_default=False, help="30m, 2h, 7d ago, or 2026-11-22T13:00."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="The last N.")] = 30,
    everything: Annotated[bool, typer.Option("--all", help="Every change of every state, too.")] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Tell what was refused, held or given up, why, and what to do.

    Nothing disappears without a line here.
    """
    from hilum.cli import output
    from hilum.cli.filters import moment
    from hilum.cli.ledger import opened
    from hilum.clock import utc_now
    from hilum.ledger import annals

    begin = None if since is None else moment(since, utc_now())
    with opened(config_path(config)) as office, office.database.read() as connection:

        def page(before: int | None) -> Sequence[HistoryLine]:
            return annals.list_history(connection, since=begin, before=before, everything=everything, limit=500)

        if as_json:
            output.emit(annals.list_history(connection, since=begin, everything=everything, limit=limit))
            return
        found = last_events(page, limit)
    if not found:
        output.say("Nothing has happened." if everything else "Nothing was refused, ignored, held or given up.")
        return
    for event in found:
        _print(event, everything=everything)
    if len(found) == limit:
        output.remark(f"These are the last {limit}; --limit and --since show more.")


def last_events(page: Callable[[int | None], Sequence[HistoryLine]], limit: int) -> Sequence[Sequence[HistoryLine]]:
    """The last things that happened: lines that say the same of several rows, one after the other, are one.

    Args:
        page: Gives lines before an id, in the order of time; none: there are no more.
    """
    events: list[list[HistoryLine]] = []  # the newest first, and in each the newest line first
    before: int | None = None
    while lines := page(before):
        for line in reversed(lines):
            if events and _sense(events[-1][0]) == _sense(line):
                events[-1].append(line)
            elif len(events) == limit:
                return [event[::-1] for event in reversed(events)]
            else:
                events.append([line])
        before = lines[0].id
    return [event[::-1] for event in reversed(events)]


def _sense(line: HistoryLine) -> tuple[str, ...]:
    return line.machine, line.event, line.to_state, line.why, line.remedy, line.destination


def _print(event: Sequence[HistoryLine], *, everything: bool) -> None:
    from hilum import words
    from hilum.cli import output

    last = event[-1]
    subjects = [words.subject(line.machine, line.subject) for line in event[:_NAMED]]
    if len(event) > _NAMED:
        subjects.append(f"{len(event) - _NAMED} more")
    where = f" to {last.destination}" if last.destination else ""
    change = f" -> {last.to_state}" if everything and last.to_state else ""
    output.say(f"{words.clock(last.at)}  {last.machine} {words.listed(subjects)}{where}: {last.event}{change}")
    if last.why:
        output.paragraph(last.why, indent=4)
    if last.remedy:
        output.paragraph(f"-> {last.remedy}", indent=4)
