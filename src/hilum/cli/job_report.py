"""What ``hilum jobs show`` says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from hilum import words
from hilum.cli import output
from hilum.cli.ledger import Office
from hilum.cli.output import Column
from hilum.clock import utc_now
from hilum.explain import standing, timeline
from hilum.ledger import annals, views, work
from hilum.ledger.shown import DeliveryView, JobView, ResultView
from hilum.wire import name_of

#: Rows of a table; all of them are in the JSON.
_ROWS = 20


def tell(office: Office, wanted: str, *, lines: int, as_json: bool) -> None:
    """Print everything about one job.

    Raises:
        NoSuchRowError: It is not there, or more than one is meant.
    """
    now = utc_now()
    with office.database.read() as connection:
        job = views.job(connection, work.find(connection, wanted).id)
        group = None if job.group_id is None else views.group(connection, job.group_id)
        senders = [] if job.group_id is None else views.senders(connection, job.group_id)
        results = views.job_results(connection, job.id)
        deliveries = views.list_deliveries(connection, now=now, job_id=job.id, limit=None)
        history = annals.job_history(connection, job)
    log = ""
    if lines:
        from hilum.assembly import log_tail  # the engines, which a list needs none of

        log = log_tail(office.settings, job, lines)
    if as_json:
        output.emit(
            {
                **output.plain(job),
                "associations": senders,
                "results": results,
                "deliveries": deliveries,
                "history": history,
                "log": log.splitlines(),
            }
        )
        return
    _head(job, now)
    output.say()
    output.heading("What happened")
    columns = (Column("TIME", fixed=True, right=True), Column("AFTER", fixed=True, right=True), Column(""))
    output.table(columns, timeline.rows(timeline.story(group, senders, history)), indent=2)
    if results:
        _results(results, deliveries, now)
    if log:
        output.say()
        output.heading(f"The end of the log of attempt {job.attempt}")
        for line in log.splitlines():
            output.say(f"  {line}")


def _head(job: JobView, now: datetime) -> None:
    output.heading(f"Job {job.name}")
    due = f", next try {words.until(job.not_before, now)}" if job.state == "queued" and job.not_before > now else ""
    removal = f"{words.clock(job.remove_at)}" if job.remove_at else ""
    output.pairs(
        [
            ("state", job.state.value + due),
            ("why", job.why),
            (
                "workflow",
                job.workflow_name if job.workflow == job.workflow_name else f"{job.workflow_name} ({job.workflow})",
            ),
            ("called AE title", job.ae),
            ("input", f"{words.count(job.instances, 'instance')}, {words.size(job.bytes)}" if job.instances else ""),
            ("engine", f"{job.engine}, attempt {job.attempt} of {job.last_attempt}"),
            ("results", standing.of_results(job)),
            ("destinations", ", ".join(job.destinations) or "none: results stay in the folder"),
            ("folder", job.folder),
            ("removal", removal),
            ("id", job.id),
        ],
        indent=2,
    )


def _results(results: Sequence[ResultView], deliveries: Sequence[DeliveryView], now: datetime) -> None:
    output.say()
    output.heading("Results")
    columns = (Column("FILE"), Column("WHAT"), Column("SIZE", right=True, fixed=True))
    rows = [(one.path, name_of(one.sop_class).removesuffix("Storage"), words.size(one.size)) for one in results]
    output.table(columns, rows[:_ROWS], indent=2)
    _more(len(rows))
    if deliveries:
        output.say()
        output.heading("Deliveries")
        print_deliveries(deliveries[:_ROWS], now, with_job=False)
        _more(len(deliveries))


def _more(count: int) -> None:
    if count > _ROWS:
        output.say(f"  and {count - _ROWS} more")


def print_deliveries(deliveries: Sequence[DeliveryView], now: datetime, *, with_job: bool) -> None:
    """A table of deliveries, and below it each different thing that went wrong."""
    columns = [
        Column("ID", right=True, fixed=True),
        *((Column("JOB", fixed=True),) if with_job else ()),
        Column("FILE"),
        Column("TO"),
        Column("STATE", fixed=True, state=True),
        Column("TRIES", right=True, fixed=True),
        Column("NEXT TRY", fixed=True),
    ]
    rows = []
    for one in deliveries:
        waits = one.state == "due" and not one.sending
        state = "sending" if one.sending else one.state.value
        job = (one.job_id[:8],) if with_job else ()
        rows.append(
            (
                str(one.id),
                *job,
                one.path,
                one.destination,
                state,
                str(one.attempts),
                words.until(one.next_try, now) if waits else "",
            )
        )
    output.table(columns, rows, indent=0 if with_job else 2)
    said = [(one.destination, why) for one in deliveries for why in _reasons(one)]
    for destination, why in dict.fromkeys(said):
        output.paragraph(f"{destination}: {why}", indent=0 if with_job else 2)


def _reasons(delivery: DeliveryView) -> Iterator[str]:
    if delivery.why:
        yield delivery.why
    if delivery.destination_down and delivery.destination_down != delivery.why:
        yield f"down, nothing is sent there: {delivery.destination_down}"
