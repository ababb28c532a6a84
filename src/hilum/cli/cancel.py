"""``hilum cancel``."""

from __future__ import annotations

from datetime import timedelta
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
    from hilum import states
    from hilum.cli import output
    from hilum.cli.ledger import opened
    from hilum.clock import utc_now
    from hilum.errors import PermanentError
    from hilum.ledger import views, work

    with opened(config_path(config)) as office:
        with office.database.write() as connection:
            found = views.job(connection, work.find(connection, job).id)
            if found.state is states.Job.COLLECTED and not found.due:
                raise PermanentError(f"job {found.name} has no delivery that is still due: there is nothing to cancel")
            try:
                now = utc_now()
                keep = timedelta(days=office.settings.storage.retention_days.failed)
                after = work.ask_cancel(connection, found.id, now=now, remove_at=now + keep)
            except states.IllegalTransitionError:
                raise PermanentError(f"job {found.name} is {found.state.value}: there is nothing to cancel") from None
        asleep = "" if office.running else " No gateway is running; it happens when one does."
    if as_json:
        output.emit({"job": found.id, "name": found.name, "state": after, "deliveries-cancelled": found.due})
    elif after is states.Job.CANCELLING:
        output.say(f"Job {found.name} is being stopped.{asleep}")
    elif after is states.Job.COLLECTED:
        output.say(f"Cancelled {found.due} deliveries of job {found.name}.")
    else:
        output.say(f"Cancelled job {found.name}.")
