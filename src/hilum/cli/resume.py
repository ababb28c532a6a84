"""``hilum resume``."""

from __future__ import annotations

from typing import Annotated

import typer

from hilum.cli.options import AsJson, Config, config_path


def command(
    destination: Annotated[str, typer.Argument(metavar="DESTINATION", hidden=True)],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Send to a paused destination again.

    What waited for it goes out. The time that it was paused does not count for give-up-after.
    """
    from hilum import orders
    from hilum.cli import output
    from hilum.cli.ledger import opened
    from hilum.clock import utc_now

    with opened(config_path(config)) as office, office.database.write() as connection:
        done = orders.resume(connection, destination, office.settings, utc_now())
    if as_json:
        output.emit({"resumed": destination, "done": done})
    else:
        output.say(f"{done}.")
