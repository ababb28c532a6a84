"""``hilum jobs`` and ``hilum jobs show``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hilum.cli.options import AsJson, Chosen, Config, chosen, config_path
from hilum.cli.verb import Verb

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from hilum.ledger.shown import JobView

app = typer.Typer(rich_markup_mode=None, subcommand_metavar="[show JOB]")


@app.callback(invoke_without_command=True)
def list_(
    context: typer.Context,
    *,
    state: Annotated[
        str | None, typer.Option("--state", metavar="STATE", show_default=False, help="queued, running, failed, ...")
    ] = None,
    ae: Annotated[
        str | None, typer.Option("--ae", metavar="TITLE", show_default=False, help="Of this called AE title.")
    ] = None,
    workflow: Annotated[
        str | None, typer.Option("--workflow", metavar="NAME", show_default=False, help="Of this workflow.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="The newest N.")] = 20,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """List jobs; `hilum jobs show JOB` tells all about one."""
    if context.invoked_subcommand is not None:
        context.obj = Chosen(config, as_json)
        return
    from hilum import states
    from hilum.cli import output
    from hilum.cli.filters import one_of
    from hilum.cli.ledger import opened
    from hilum.clock import utc_now
    from hilum.ledger import views

    wanted = None if state is None else one_of(states.Job, state)
    with opened(config_path(config)) as office, office.database.read() as connection:
        found = views.list_jobs(connection, state=wanted, ae=ae, workflow=workflow, limit=limit)
    if as_json:
        output.emit(found)
    else:
        _print(found, utc_now(), limit)


def _print(jobs: Sequence[JobView], now: datetime, limit: int) -> None:
    from hilum import words
    from hilum.cli import output
    from hilum.cli.output import Column
    from hilum.explain import standing

    if not jobs:
        output.say("No such jobs.")
        return
    columns = (
        Column("JOB", fixed=True),
        Column("STATE", fixed=True, state=True),
        Column("AGE", fixed=True, right=True),
        Column("AE TITLE", fixed=True),
        Column("WORKFLOW"),
        Column("IN", right=True, fixed=True),
        Column("RESULTS", fixed=True),
    )
    rows = [
        (
            job.id[:8],
            job.state.value,
            words.ago(job.created_at, now),
            job.ae,
            job.workflow_name,
            str(job.instances),
            standing.of_results(job),
        )
        for job in jobs
    ]
    output.table(columns, rows)
    if len(jobs) == limit:
        output.remark(f"These are the newest {limit}; --limit shows more.")


@app.command("show", cls=Verb)
def show(
    context: typer.Context,
    job: Annotated[str, typer.Argument(metavar="JOB", hidden=True)],
    lines: Annotated[int, typer.Option("--lines", metavar="N", min=0, help="Lines of the log.")] = 15,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Tell all about one job: what happened, its results, its log.

    JOB is its id or its name, or the beginning of either.
    """
    from hilum.cli import job_report
    from hilum.cli.ledger import opened

    given = chosen(context, config, as_json)
    with opened(config_path(given.config)) as office:
        job_report.tell(office, job, lines=lines, as_json=given.as_json)
