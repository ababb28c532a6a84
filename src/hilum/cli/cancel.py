"""``hilum cancel``."""

from __future__ import annotations

from typing import Annotated

import typer

from hilum.cli.options import AsJson, Config, config_path


def command(
    job: Annotated[str, typer.Argument(metavar="JOB", hidden=True)],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Stop a job, or its deliveries that are still due.

    JOB is its id or its name, or the beginning of either. `hilum retry JOB` takes it back.
    """
    from hilum import orders, states
    from hilum.cli import output
    from hilum.cli.ledger import opened
    from hilum.clock import utc_now
    from hilum.ledger import views, work

    with opened(config_path(config)) as office:
        with office.database.write() as connection:
            found = views.job(connection, work.find(connection, job).id)
            after, done = orders.cancel_job(connection, found, office.settings, utc_now())
        asleep = "" if office.running else " No gateway is running; it happens when one does."
    if as_json:
        output.emit({"job": found.id, "name": found.name, "state": after, "deliveries-cancelled": found.due})
    else:
        output.say(f"{done}.{asleep if after is states.Job.CANCELLING else ''}")
