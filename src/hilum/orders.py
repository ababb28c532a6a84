"""What an operator can ask for, by command line or browser: checked, then written as rows that the steps claim.

Each function runs in the caller's transaction and returns what will happen, as a sentence without its full stop.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from hilum import states, words
from hilum.config import Settings
from hilum.errors import PermanentError, TemporaryError
from hilum.ledger import (
    destinations,
    dispatch,
    grouping,
    holding,
    noticeboard,
    notices,
    planning,
    views,
    work,
)
from hilum.ledger.database import Database
from hilum.ledger.shown import AssociationView, GroupView, JobView
from hilum.ledger.transition import NoSuchRowError
from hilum.model import GroupId, JobId
from hilum.states import IllegalTransitionError
from hilum.words import count

#: Deliveries that one command has tried again; who asks for more asks again.
MOST_AT_ONCE: Final = 10_000
_BATCH: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried:
    """What a command for many deliveries came to.

    Attributes:
        done: Will be tried.
        left: Were left alone: they are being tried just now, their files are gone, or an operator cancelled them.
        more: There may be others; ask again.
    """

    done: int
    left: int
    more: bool


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
    paused = sorted({one.destination for one in again if destinations.is_paused(connection, one.destination)})
    when = f"now, or when {words.listed(paused)} is resumed" if paused else "now"
    return f"{count(len(again), 'delivery', 'deliveries')} of job {job.name} will be tried {when}"


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
    destination = views.delivery(connection, number, now=now).destination
    paused = destinations.is_paused(connection, destination)
    return f"Delivery {number} will be tried {f'when {destination} is resumed' if paused else 'now'}"


def retry_deliveries(
    database: Database,
    now: datetime,
    *,
    state: states.Delivery,
    destination: str | None = None,
    job_id: str | None = None,
) -> Retried:
    """Try many deliveries now, in transactions of their own, so that others can write between them.

    Args:
        state: Given up, or due: those that wait for their next try.
        job_id: Of this job, also those that an operator cancelled.
    """
    done, left, after = 0, 0, None
    while done + left < MOST_AT_ONCE:
        with database.write() as connection:
            found = views.list_deliveries(
                connection, now=now, state=state, destination=destination, job_id=job_id, after=after, limit=_BATCH
            )
            for one in found:
                # What was asked for just now is queued anew: the list goes on behind it.
                if one.why == work.CANCELLED and job_id is None:
                    left += 1
                    continue
                try:
                    dispatch.ask_retry(connection, one.id, now=now)
                except (TemporaryError, PermanentError, IllegalTransitionError):
                    left += 1  # it is being tried, or its file is gone
                else:
                    done += 1
        if len(found) < _BATCH:
            return Retried(done=done, left=left, more=False)
        after = (found[-1].queued_at, found[-1].id)
    return Retried(done=done, left=left, more=True)


def pause(connection: Connection, name: str, settings: Settings, now: datetime) -> str:
    """Send nothing more to a destination until somebody resumes it.

    Raises:
        PermanentError: It is paused already.
        NoSuchRowError: There is none with this name.
    """
    _known(connection, name, settings)
    try:
        destinations.pause(connection, name, why="paused by an operator", now=now)
    except IllegalTransitionError:
        raise PermanentError(f"destination {name} is paused already") from None
    return f"Nothing more is sent to {name}: deliveries wait until it is resumed"


def resume(connection: Connection, name: str, settings: Settings, now: datetime) -> str:
    """Send to a paused destination again.

    Raises:
        PermanentError: It is not paused.
        NoSuchRowError: There is none with this name.
    """
    _known(connection, name, settings)
    try:
        due = destinations.resume(connection, name, now=now)
    except IllegalTransitionError:
        raise PermanentError(f"destination {name} is not paused: there is nothing to resume") from None
    return f"Destination {name} is resumed, with {count(due, 'delivery', 'deliveries')} due"


def _known(connection: Connection, name: str, settings: Settings) -> None:
    configured = [one.name for one in settings.dicom.scu.destinations]
    if name not in configured and name not in {one.name for one in views.destinations(connection)}:
        known = ", ".join(configured) or "none"
        raise NoSuchRowError(f"there is no destination {name!r}; dicom.scu.destinations has: {known}")


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


def retry_notice(connection: Connection, number: int, settings: Settings, now: datetime) -> str:
    """Tell a notice now that waits or was given up.

    Raises:
        PermanentError: It was sent, or its channel is gone.
        NoSuchRowError: There is none with this number.
    """
    found = noticeboard.notice(connection, number)
    if found.channel not in _channels(settings):
        raise PermanentError(f"notice {number} was for channel {found.channel}, which notifications has no longer")
    try:
        notices.ask_retry(connection, number, now=now)
    except IllegalTransitionError:
        raise PermanentError(f"notice {number} was sent: there is nothing to retry") from None
    return f"Notice {number} will be told through {found.channel} now"


def retry_channel(connection: Connection, channel: str, settings: Settings, now: datetime) -> str:
    """Tell the notices now that were given up since a channel took one last.

    Raises:
        PermanentError: There are none.
        NoSuchRowError: There is no such channel.
    """
    if channel not in _channels(settings):
        raise NoSuchRowError(f"there is no channel {channel!r}; `hilum notify` lists them")
    again = noticeboard.given_up(connection, channel, limit=_BATCH)
    if not again:
        raise PermanentError(f"no notice through {channel} was given up since it took one: there is nothing to retry")
    for one in again:
        notices.ask_retry(connection, one.id, now=now)
    more = "; ask again for more" if len(again) == _BATCH else ""
    return f"{count(len(again), 'notice')} will be told through {channel} now{more}"


def _channels(settings: Settings) -> Collection[str]:
    told = settings.notifications
    return {*told.webhooks, *told.mail}


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
    holding.ask_accept(connection, found.id, now=now)
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
        return after, f"Cancelled {count(job.due, 'delivery', 'deliveries')} of job {job.name}"
    return after, f"Cancelled job {job.name}"
