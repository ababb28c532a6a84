"""What an operator can ask for, by command line or browser: checked, then written as rows that the steps claim.

Each function runs in the caller's transaction and returns what will happen, as a sentence without its full stop.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection

from hilum import states
from hilum.config import Settings
from hilum.errors import PermanentError
from hilum.ledger import dispatch, grouping, planning, reception, views, work
from hilum.ledger.shown import AssociationView, GroupView, JobView
from hilum.ledger.transition import NoSuchRowError
from hilum.model import GroupId, JobId
from hilum.states import IllegalTransitionError


def retry_job(connection: Connection, job: JobView, settings: Settings, now: datetime) -> str:
    """Run a failed or cancelled job again; of one that has finished, make the deliveries that wait or were given up.

    Raises:
        PermanentError: There is nothing to retry.
    """
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
    return f"{_count(len(again), 'delivery', 'deliveries')} of job {job.name} will be tried now"


def retry_delivery(connection: Connection, number: int, now: datetime) -> str:
    """Try a delivery now.

    Raises:
        PermanentError: It has been delivered.
        NoSuchRowError: There is none with this number.
    """
    try:
        dispatch.ask_retry(connection, number, now=now)
    except NoSuchRowError:
        raise NoSuchRowError(f"there is no delivery {number}; `hilum deliveries` lists them") from None
    except IllegalTransitionError:
        raise PermanentError(f"delivery {number} has been delivered: there is nothing to retry") from None
    return f"Delivery {number} will be tried now"


def retry_group(connection: Connection, number: int, now: datetime) -> str:
    """Give a parked or stored-only group to the workflows again.

    Raises:
        PermanentError: It is neither.
        NoSuchRowError: There is none with this number.
    """
    group = views.group(connection, number)
    if (group.state, states.GroupEvent.RETRY_ASKED) not in states.GROUP:
        raise PermanentError(f"group {number} is {group.state.value}: there is nothing to retry")
    planning.ask_group_retry(connection, group.id, now=now)
    return f"Group {number} is given to the workflows again"


def close_group(connection: Connection, number: int, now: datetime) -> GroupView:
    """Close an open group now, before its window ends; as it was before.

    Raises:
        PermanentError: It is not open.
        NoSuchRowError: There is none with this number.
    """
    found = views.group(connection, number)
    if found.state != states.Group.OPEN:
        raise PermanentError(f"group {number} is {found.state.value}, not open: there is nothing to close")
    event = states.GroupEvent.CLOSE_ASKED
    grouping.close(connection, GroupId(number), event, now=now, why="asked by an operator")
    return found


def accept(connection: Connection, association: str, now: datetime) -> AssociationView:
    """Take a held association as if it had been released.

    Args:
        association: Its id or the beginning of it.

    Raises:
        NoSuchRowError: None is held, or more than one, whose id begins so.
    """
    found = views.find_held(connection, association)
    reception.ask_accept(connection, found.id, now=now)
    return found


def cancel_job(connection: Connection, job: JobView, settings: Settings, now: datetime) -> tuple[states.Job, str]:
    """Stop a job that waits or runs, or the deliveries of one that has finished; its state then, and the sentence.

    Raises:
        PermanentError: There is nothing to cancel.
    """
    if job.state is states.Job.COLLECTED and not job.due:
        raise PermanentError(f"job {job.name} has no delivery that is still due: there is nothing to cancel")
    keep = timedelta(days=settings.storage.retention_days.failed)
    try:
        after = work.ask_cancel(connection, JobId(job.id), now=now, remove_at=now + keep)
    except IllegalTransitionError:
        raise PermanentError(f"job {job.name} is {job.state.value}: there is nothing to cancel") from None
    if after is states.Job.CANCELLING:
        return after, f"Job {job.name} is being stopped"
    if after is states.Job.COLLECTED:
        return after, f"Cancelled {_count(job.due, 'delivery', 'deliveries')} of job {job.name}"
    return after, f"Cancelled job {job.name}"


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
