"""``hilum history``."""

from __future__ import annotations

from typing import Annotated

import typer

from hilum.cli.options import AsJson, Config, config_path


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
    from hilum.cli import output, words
    from hilum.cli.ledger import opened
    from hilum.clock import utc_now
    from hilum.ledger import views

    begin = None if since is None else words.moment(since, utc_now())
    with opened(config_path(config)) as office, office.database.read() as connection:
        found = views.list_history(connection, since=begin, everything=everything, limit=limit)
    if as_json:
        output.emit(found)
        return
    if not found:
        output.say("Nothing was refused, ignored, held or given up." if not everything else "Nothing has happened.")
        return
    for line in found:
        change = f": {line.to_state}" if everything and line.to_state else ""
        where = f" to {line.destination}" if line.destination else ""
        output.say(f"{words.clock(line.at)}  {line.machine} {line.subject}{where}: {line.event}{change}")
        if line.why:
            output.say(f"    {line.why}")
        if line.remedy:
            output.say(f"    -> {line.remedy}")
    if len(found) == limit:
        output.remark(f"These are the last {limit}; --limit and --since show more.")
