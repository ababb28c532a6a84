"""``hilum deliveries``."""

from __future__ import annotations

from typing import Annotated

import typer

from hilum.cli.options import AsJson, Config, config_path


def command(
    *,
    state: Annotated[
        str | None, typer.Option("--state", metavar="STATE", show_default=False, help="due, delivered or given-up.")
    ] = None,
    destination: Annotated[
        str | None, typer.Option("--destination", metavar="NAME", show_default=False, help="To this destination.")
    ] = None,
    job: Annotated[str | None, typer.Option("--job", metavar="JOB", show_default=False, help="Of this job.")] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="The newest N.")] = 50,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """List deliveries: one result on its way to one destination.

    `hilum retry delivery:ID` tries one again at once.
    """
    from hilum import states
    from hilum.cli import output
    from hilum.cli.filters import one_of
    from hilum.cli.job_report import print_deliveries
    from hilum.cli.ledger import opened
    from hilum.clock import utc_now
    from hilum.ledger import views, work

    wanted = None if state is None else one_of(states.Delivery, state)
    now = utc_now()
    with opened(config_path(config)) as office, office.database.read() as connection:
        job_id = None if job is None else work.find(connection, job).id
        found = views.list_deliveries(
            connection, now=now, state=wanted, destination=destination, job_id=job_id, limit=limit
        )
    if as_json:
        output.emit(found)
    elif not found:
        output.say("No such deliveries.")
    else:
        print_deliveries(found, now, with_job=True)
