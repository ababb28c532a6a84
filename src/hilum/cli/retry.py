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
    what: Annotated[str, typer.Argument(metavar="JOB | delivery:ID | group:ID", hidden=True)],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Try again what failed.

    A failed or cancelled job is run again. Of a job that has finished, the deliveries that were given up, or that wait
    for their next try or for their destination, are made now. A parked or stored-only group is given to the workflows
    again. JOB is an id or a name, or the beginning of either.
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
    from hilum.cli.exit import UsageError

    kind, colon, number = what.partition(":")
    if not colon:
        return _job(connection, what, settings, now)
    if kind not in {"delivery", "group"} or not number.isdigit():
        raise UsageError(f"{what!r}: expected a job, or delivery: or group: and its number, as in delivery:12")
    return (_delivery if kind == "delivery" else _group)(connection, int(number), now)


def _job(connection: Connection, what: str, settings: Settings, now: datetime) -> str:
    from hilum import states
    from hilum.cli.words import count
    from hilum.errors import PermanentError
    from hilum.ledger import dispatch, views, work

    job = views.job(connection, work.find(connection, what).id)
    if job.state in {states.Job.FAILED, states.Job.CANCELLED}:
        work.ask_retry(connection, job.id, tries=getattr(settings.engines.get(job.engine), "attempts", 1), now=now)
        return f"Job {job.name} is queued again"
    if job.state not in {states.Job.COLLECTED, states.Job.COMPLETE}:
        raise PermanentError(f"job {job.name} is {job.state.value}: there is nothing to retry")
    again = [
        one
        for one in views.list_deliveries(connection, now=now, job_id=job.id, limit=None)
        if one.state is states.Delivery.GIVEN_UP
        or (one.next_try is not None and one.next_try > now and not one.sending)
    ]
    if not again:
        raise PermanentError(f"job {job.name} is {job.state.value} and no delivery of it waits or was given up")
    for one in again:
        dispatch.ask_retry(connection, one.id, now=now)
    return f"{count(len(again), 'delivery', 'deliveries')} of job {job.name} will be tried now"


def _delivery(connection: Connection, number: int, now: datetime) -> str:
    from hilum.errors import PermanentError
    from hilum.ledger import dispatch
    from hilum.ledger.transition import NoSuchRowError
    from hilum.states import IllegalTransitionError

    try:
        dispatch.ask_retry(connection, number, now=now)
    except NoSuchRowError:
        raise PermanentError(f"there is no delivery {number}; `hilum deliveries` lists them") from None
    except IllegalTransitionError:
        raise PermanentError(f"delivery {number} has been delivered: there is nothing to retry") from None
    return f"Delivery {number} will be tried now"


def _group(connection: Connection, number: int, now: datetime) -> str:
    from hilum import states
    from hilum.errors import PermanentError
    from hilum.ledger import planning, views

    group = views.group(connection, number)
    if (group.state, states.GroupEvent.RETRY_ASKED) not in states.GROUP:
        raise PermanentError(f"group {number} is {group.state.value}: there is nothing to retry")
    planning.ask_group_retry(connection, group.id, now=now)
    return f"Group {number} is given to the workflows again"
