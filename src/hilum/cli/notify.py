"""``hilum notify`` and ``hilum notify test``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hilum.cli.options import AsJson, Chosen, Config, chosen, config_path
from hilum.cli.verb import Verb

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from hilum.ledger.noticeboard import ChannelView, NoticeView

app = typer.Typer(rich_markup_mode=None, subcommand_metavar="[test [CHANNEL]]")


@app.callback(invoke_without_command=True)
def list_(
    context: typer.Context,
    *,
    state: Annotated[
        str | None, typer.Option("--state", metavar="STATE", show_default=False, help="due, sent or given-up.")
    ] = None,
    channel: Annotated[
        str | None, typer.Option("--channel", metavar="NAME", show_default=False, help="Through this channel.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="The newest N.")] = 20,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """List notices: whom the gateway told of what.

    `hilum notify test` sends a test notice through every channel, and tells what happened.
    """
    if context.invoked_subcommand is not None:
        context.obj = Chosen(config, as_json)
        return
    from hilum import states
    from hilum.cli import output
    from hilum.cli.filters import one_of
    from hilum.cli.ledger import opened
    from hilum.clock import utc_now
    from hilum.ledger import noticeboard

    wanted = None if state is None else one_of(states.Notice, state)
    with opened(config_path(config)) as office, office.database.read() as connection:
        told = office.settings.notifications
        channels = noticeboard.channels(connection, {*told.webhooks, *told.mail})
        found = noticeboard.list_notices(connection, state=wanted, channel=channel, limit=limit)
    if as_json:
        output.emit({"channels": channels, "notices": found})
        return
    if not channels:
        output.say("Nobody is told of anything: there are no webhooks and no mail under notifications.")
    print_notices(found, utc_now())


def print_notices(found: Sequence[NoticeView], now: datetime) -> None:
    """A table of notices."""
    from hilum import words
    from hilum.cli import output
    from hilum.cli.output import Column

    if not found:
        output.say("No such notices.")
        return
    columns = [
        Column("NOTICE", right=True, fixed=True),
        Column("STATE", fixed=True, state=True),
        Column("CHANNEL"),
        Column("ABOUT", fixed=True),
        Column("OF"),
        Column("TIMES", right=True, fixed=True),
        Column("AGE", right=True, fixed=True),
        Column("NEXT TRY", fixed=True),
    ]
    rows = [
        [
            str(one.id),
            one.state.value,
            one.channel,
            one.topic.value + (" (over)" if one.phase.value == "over" else ""),
            one.subject,
            str(one.times),
            words.ago(one.first_at, now),
            words.until(one.next_try, now),
        ]
        for one in found
    ]
    output.table(columns, rows)
    for one in found:
        if one.why:
            output.paragraph(f"notice {one.id}: {one.why}", indent=0)


def print_channels(channels: Sequence[ChannelView], now: datetime) -> None:
    """A table of channels, below that of something else."""
    from hilum import words
    from hilum.cli import output
    from hilum.cli.output import Column

    columns = (
        Column("CHANNEL", fixed=True),
        Column("DUE", right=True, fixed=True),
        Column("GIVEN UP", right=True, fixed=True),
        Column("LAST SENT", fixed=True),
    )
    rows = [
        (one.name, str(one.due), str(one.given_up), words.ago(one.sent_at, now) if one.sent_at else "never")
        for one in channels
    ]
    output.table(columns, rows, indent=2)


@app.command("test", cls=Verb)
def try_channels(
    context: typer.Context,
    channel: Annotated[str | None, typer.Argument(metavar="CHANNEL", hidden=True)] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Send a test notice through every channel, or one, and tell what happened.

    No gateway need run. The status is 0 only if every channel took it.
    """
    import uuid

    from hilum import config as configuration
    from hilum.assembly import notify_of
    from hilum.cli import output
    from hilum.cli.exit import ExitCode, FailedError, UsageError
    from hilum.clock import utc_now
    from hilum.notify.port import Told
    from hilum.notify.wording import trial

    given = chosen(context, config, as_json)
    settings = notify_of(configuration.load(config_path(given.config)))
    wanted = [name for name in settings.routes if channel in {None, name}]
    if not wanted:
        known = ", ".join(settings.routes) or "none: add one under notifications.webhooks or notifications.mail"
        raise UsageError(f"there is no channel {channel!r}; there are {known}" if channel else f"channels: {known}")
    outcomes = {
        name: settings.routes[name].channel.tell(trial(settings.site, key=str(uuid.uuid4()), now=utc_now()), utc_now)
        for name in wanted
    }
    if given.as_json:
        output.emit(
            {
                name: {"told": isinstance(one, Told), "answer": one.answer if isinstance(one, Told) else one.why}
                for name, one in outcomes.items()
            }
        )
    else:
        for name, one in outcomes.items():
            output.say(f"{name}: {f'told, {one.answer}' if isinstance(one, Told) else f'NOT TOLD: {one.why}'}")
    if not all(isinstance(one, Told) for one in outcomes.values()):
        raise FailedError(ExitCode.TEMPORARY)
