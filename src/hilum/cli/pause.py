"""``hilum pause``."""

from __future__ import annotations

from typing import Annotated

import typer

from hilum.cli.options import AsJson, Config, config_path


def command(
    destination: Annotated[str, typer.Argument(metavar="DESTINATION", hidden=True)],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Send nothing more to a destination.

    What is due for it waits, and none of it is given up meanwhile; a file that is on its way still arrives.
    `hilum resume DESTINATION` takes it back.
    """
    from hilum import orders
    from hilum.cli import output
    from hilum.cli.ledger import opened
    from hilum.clock import utc_now

    with opened(config_path(config)) as office, office.database.write() as connection:
        done = orders.pause(connection, destination, office.settings, utc_now())
    if as_json:
        output.emit({"paused": destination, "done": done})
    else:
        output.say(f"{done}.")
