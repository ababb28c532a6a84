"""``hilum groups`` and ``hilum groups close``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hilum.cli.options import AsJson, Chosen, Config, chosen, config_path
from hilum.cli.verb import Verb

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from hilum.ledger.shown import GroupView

app = typer.Typer(rich_markup_mode=None, subcommand_metavar="[close GROUP]")


@app.callback(invoke_without_command=True)
def list_(
    context: typer.Context,
    *,
    state: Annotated[
        str | None,
        typer.Option(
            "--state", metavar="STATE", show_default=False, help="open, closed, planned, stored-only, parked."
        ),
    ] = None,
    key: Annotated[
        bool, typer.Option("--key", help="Show what the instances share: it may be a patient's ID.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="The newest N.")] = 20,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """List groups, the open ones with the time they have left.

    A group is what one job per workflow will get. `hilum groups close GROUP` closes an open one now.
    """
    if context.invoked_subcommand is not None:
        context.obj = Chosen(config, as_json)
        return
    from dataclasses import replace

    from hilum import states
    from hilum.cli import output
    from hilum.cli.filters import one_of
    from hilum.cli.ledger import opened
    from hilum.clock import utc_now
    from hilum.ledger import views

    wanted = () if state is None else (one_of(states.Group, state),)
    with opened(config_path(config)) as office, office.database.read() as connection:
        found = views.list_groups(connection, states_wanted=wanted, limit=limit)
    if not key:
        found = [replace(one, key="") for one in found]
    if as_json:
        output.emit(found)
    else:
        print_groups(found, utc_now(), key=key)


def print_groups(groups: Sequence[GroupView], now: datetime, *, key: bool = False, indent: int = 0) -> None:
    """A table of groups."""
    from hilum import words
    from hilum.cli import output
    from hilum.cli.output import Column
    from hilum.explain import standing

    if not groups:
        output.say("No such groups.")
        return
    columns = [
        Column("GROUP", right=True, fixed=True),
        Column("STATE", fixed=True, state=True),
        Column("AE TITLE"),
        Column("BY", fixed=True),
        Column("IN", right=True, fixed=True),
        Column("FROM"),
        Column("AGE", right=True, fixed=True),
        Column("NEXT", fixed=True),
    ]
    rows = [
        [
            str(one.id),
            one.state.value,
            one.ae,
            one.kind,
            str(one.instances),
            one.calling,
            words.ago(one.opened_at, now),
            standing.of_group(one, now),
        ]
        for one in groups
    ]
    if key:
        columns.append(Column("KEY"))
        for row, one in zip(rows, groups, strict=True):
            row.append(one.key)
    output.table(columns, rows, indent=indent)
    for one in groups:
        if one.why:
            output.paragraph(f"group {one.id}: {one.why}", indent=indent)


@app.command("close", cls=Verb)
def close(
    context: typer.Context,
    number: Annotated[int, typer.Argument(metavar="GROUP", hidden=True)],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Close an open group now, before its window ends: its jobs start.

    What arrives later for it opens the next group.
    """
    from hilum import orders, states, words
    from hilum.cli import output
    from hilum.cli.ledger import opened
    from hilum.clock import utc_now

    given = chosen(context, config, as_json)
    with opened(config_path(given.config)) as office:
        with office.database.write() as connection:
            found = orders.close_group(connection, number, utc_now())
        asleep = "" if office.running else " No gateway is running; it goes on when one does."
    if given.as_json:
        output.emit({"group": number, "state": states.Group.CLOSED})
    else:
        output.say(f"Closed group {number} with {words.count(found.instances, 'instance')}.{asleep}")
