"""``hilum retry``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hilum.cli.options import AsJson, Config, config_path

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from hilum.config import Settings


def command(
    what: Annotated[
        str, typer.Argument(metavar="JOB | delivery:ID | group:ID | notice:ID | channel:NAME", hidden=True)
    ],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Try again what failed.

    A failed or cancelled job is run again. Of a job that has finished, the deliveries that were given up, or that wait
    for their next try or for their destination, are made now. A parked or stored-only group is given to the workflows
    again. A notice that was given up, or waits, is told now; of a channel, all that were given up since it took one
    last. JOB is an id or a name, or the beginning of either.
    """
    from hilum.cli import output
    from hilum.cli.ledger import opened
    from hilum.clock import utc_now

    with opened(config_path(config)) as office:
        with office.database.write() as connection:
            done = _retry(connection, what, office.settings, utc_now())
        asleep = "" if office.running else " No gateway is running; it happens when one does."
    if as_json:
        output.emit({"retried": what, "done": done})
    else:
        output.say(f"{done}.{asleep}")


def _retry(connection: Connection, what: str, settings: Settings, now: datetime) -> str:
    """Ask for it; returns what was asked for, as a sentence without its full stop."""
    from hilum import orders
    from hilum.cli.exit import UsageError
    from hilum.ledger import views, work

    kind, colon, number = what.partition(":")
    if not colon:
        return orders.retry_job(connection, views.job(connection, work.find(connection, what).id), settings, now)
    if kind == "channel":
        return orders.retry_channel(connection, number, settings, now)
    if kind not in {"delivery", "group", "notice"} or not number.isdigit():
        raise UsageError(
            f"{what!r}: expected a job, or delivery:, group: or notice: and its number, as in delivery:12, "
            "or channel: and its name"
        )
    if kind == "notice":
        return orders.retry_notice(connection, int(number), settings, now)
    return (orders.retry_delivery if kind == "delivery" else orders.retry_group)(connection, int(number), now)
