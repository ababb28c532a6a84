"""``hilum status``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hilum.cli.options import AsJson, Config, config_path

if TYPE_CHECKING:
    from hilum.overview import Overview


def command(config: Config = None, as_json: AsJson = False) -> None:
    """Show what needs attention, and what the gateway does now."""
    from hilum.cli import output
    from hilum.cli.ledger import opened
    from hilum.clock import utc_now
    from hilum.overview import look

    with opened(config_path(config)) as office:
        overview = look(office.database, office.settings, office.path, utc_now(), running=office.running)
    if as_json:
        from dataclasses import replace

        # The values that patients share are for `groups --key` alone.
        output.emit(replace(overview, groups=[replace(group, key="") for group in overview.groups]))
    else:
        _print(overview)


def _print(overview: Overview) -> None:
    from hilum import words
    from hilum.cli import output
    from hilum.cli.accept import print_held
    from hilum.cli.groups import print_groups
    from hilum.overview import ACTIVE

    running = "running" if overview.running else "NOT RUNNING"
    output.heading(f"Gateway {running}: {overview.listens}")
    output.pairs([("configuration", str(overview.config)), ("ledger", str(overview.ledger))], indent=2)
    output.say()
    if overview.attention:
        output.heading("Needs attention")
        for point in overview.attention:
            why = f": {point.why}" if point.why else ""
            output.bullet(f"{point.what}{why}", point.command or point.remedy)
    else:
        output.say("Nothing needs attention.")
    output.say()
    active = [f"{overview.jobs[state]} {state}" for state in ACTIVE if overview.jobs[state]]
    ended = [f"{number} {state}" for state, number in overview.jobs.items() if number and state not in ACTIVE]
    output.pairs(
        [
            ("associations", f"{len(overview.associations)} open, {len(overview.held)} held"),
            ("groups", f"{len(overview.groups)} open"),
            ("jobs", ", ".join([*active, *ended]) or "none yet"),
            *(("disk", _disk(disk.used_percent, disk.watermark_percent, disk.free_bytes)) for disk in overview.disks),
        ],
        indent=2,
    )
    if len(overview.gateways) > 1:
        output.say()
        output.heading("Gateways")
        _print_gateways(overview)
    if overview.associations and overview.running:
        output.say()
        output.heading("Open associations")
        for one in overview.associations:
            since = words.ago(one.opened_at, overview.at)
            output.say(f"  {one.calling} ({one.host}) to {one.called}, open for {since}")
    if overview.groups:
        output.say()
        output.heading("Open groups")
        print_groups(overview.groups, overview.at, indent=2)
    if overview.held:
        output.say()
        output.heading("Held associations")
        print_held(overview.held, overview.at, indent=2)
    _print_destinations(overview)
    if overview.channels:
        from hilum.cli.notify import print_channels

        output.say()
        output.heading("Notices")
        print_channels(overview.channels, overview.at)


def _disk(used: float, watermark: int, free: int) -> str:
    from hilum import words

    return f"{used:.1f} % used, {words.size(free)} free; nothing new is taken above {watermark} %"


def _print_gateways(overview: Overview) -> None:
    from hilum import words
    from hilum.cli import output
    from hilum.cli.output import Column

    columns = (
        Column("GATEWAY", fixed=True),
        Column("STATE", fixed=True, state=True),
        Column("HEARD OF", fixed=True),
        Column("ASSOCIATIONS", right=True, fixed=True),
        Column("JOBS", right=True, fixed=True),
        Column("DASHBOARD"),
    )
    rows = [
        (
            one.id,
            one.state.value,
            f"{words.ago(one.seen_at, overview.at)} ago",
            str(one.associations),
            str(one.jobs),
            one.address,
        )
        for one in overview.gateways
    ]
    output.table(columns, rows, indent=2)


def _print_destinations(overview: Overview) -> None:
    from hilum import words
    from hilum.cli import output
    from hilum.cli.output import Column

    if not overview.destinations:
        return
    output.say()
    output.heading("Deliveries")
    columns = (
        Column("TO", fixed=True),
        Column("STATE", fixed=True, state=True),
        Column("DUE", right=True, fixed=True),
        Column("DELIVERED", right=True, fixed=True),
        Column("GIVEN UP", right=True, fixed=True),
        Column("NEXT TRY", fixed=True),
    )
    rows = [
        (
            one.name,
            one.state.value,
            str(one.due),
            str(one.delivered),
            str(one.given_up),
            words.until(one.next_try, overview.at),
        )
        for one in overview.destinations
    ]
    output.table(columns, rows, indent=2)
