"""Every transition of everything durable, as tables. Only the ledger applies them, with a history row beside each.

Rules of this file:

* A state is what an operator can see and must tell apart. Who works on a row just now is a lease, not a state.
* An event is what happened in the world or what somebody asked for. A command of an operator is an event like others:
  it changes the row, and the step that owns that state does the work.
* What is not in a table does not happen: ``advance`` raises, because only a bug can ask for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeVar

from hilum.errors import LocalError


class Association(StrEnum):
    """An association that stored at least one instance; others leave only history."""

    OPEN = "open"
    RELEASED = "released"
    HELD = "held"  # ended otherwise: its instances wait aside for an operator or for the end of aborted-retention
    ACCEPTING = "accepting"  # an operator wants its instances taken as if it had been released
    REMOVED = "removed"


class AssociationEvent(StrEnum):
    """What happens to an association."""

    RELEASED = "released"
    BROKEN = "broken"
    ACCEPT_ASKED = "accept asked"
    EXPIRED = "expired"


class Group(StrEnum):
    """The instances that one job per workflow will get."""

    OPEN = "open"
    CLOSED = "closed"
    PLANNED = "planned"  # its jobs exist
    STORED_ONLY = "stored only"  # no processor wanted a job of it
    PARKED = "parked"  # a processor cannot cope with it; an operator decides
    REMOVED = "removed"


class GroupEvent(StrEnum):
    """What happens to a group."""

    WINDOW_ENDED = "window ended"
    CLOSE_ASKED = "close asked"
    PLANNED = "planned"
    NOT_WANTED = "not wanted"
    CANNOT_PLAN = "cannot plan"
    RETRY_ASKED = "retry asked"
    EXPIRED = "expired"


class Job(StrEnum):
    """One run of one workflow on one group."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"  # job.done is there
    COLLECTED = "collected"  # its results are known and their deliveries due
    COMPLETE = "complete"  # every delivery ended and the receipt is written
    FAILED = "failed"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    REMOVED = "removed"


class JobEvent(StrEnum):
    """What happens to a job."""

    STARTED = "started"
    SUCCEEDED = "succeeded"
    ATTEMPT_FAILED = "attempt failed"
    FAILED = "failed"
    COLLECTED = "collected"
    SETTLED = "settled"
    REOPENED = "reopened"
    CANCEL_ASKED = "cancel asked"
    CANCELLED = "cancelled"
    RETRY_ASKED = "retry asked"
    EXPIRED = "expired"


class Delivery(StrEnum):
    """One result on its way to one destination."""

    DUE = "due"
    DELIVERED = "delivered"
    GIVEN_UP = "given up"


class DeliveryEvent(StrEnum):
    """What happens to a delivery."""

    ACCEPTED = "accepted"
    FAILED_FOR_NOW = "failed for now"
    FAILED_FOR_GOOD = "failed for good"
    CANCEL_ASKED = "cancel asked"
    RETRY_ASKED = "retry asked"


class Destination(StrEnum):
    """A place that results go to, as it has answered so far."""

    UP = "up"
    DOWN = "down"  # nothing is sent there until one attempt to open an association has come off
    PAUSED = "paused"  # an operator wants nothing sent there


class DestinationEvent(StrEnum):
    """What happens to a destination."""

    FAILED = "failed"
    ANSWERED = "answered"
    RETRY_ASKED = "retry asked"
    PAUSE_ASKED = "pause asked"
    RESUME_ASKED = "resume asked"


class Notice(StrEnum):
    """Word of something that people should know, on its way through one channel."""

    DUE = "due"
    SENT = "sent"
    GIVEN_UP = "given up"


class NoticeEvent(StrEnum):
    """What happens to a notice."""

    ACCEPTED = "accepted"
    FAILED_FOR_NOW = "failed for now"
    FAILED_FOR_GOOD = "failed for good"
    RETRY_ASKED = "retry asked"


class Gateway(StrEnum):
    """One process that receives, runs and delivers, from its start on."""

    RUNNING = "running"
    STOPPED = "stopped"  # in order; what it could not finish belongs to nobody yet
    GONE = "gone"  # its lease ended, or its process died: nothing that it does from now on counts
    TAKEN_OVER = "taken over"  # nothing belongs to it any more


class GatewayEvent(StrEnum):
    """What happens to a gateway."""

    STOPPED = "stopped"
    GONE = "gone"
    TAKEN_OVER = "taken over"


ASSOCIATION: Final[Mapping[tuple[Association, AssociationEvent], Association]] = MappingProxyType(
    {
        (Association.OPEN, AssociationEvent.RELEASED): Association.RELEASED,
        (Association.OPEN, AssociationEvent.BROKEN): Association.HELD,
        (Association.HELD, AssociationEvent.ACCEPT_ASKED): Association.ACCEPTING,
        (Association.HELD, AssociationEvent.EXPIRED): Association.REMOVED,
        (Association.ACCEPTING, AssociationEvent.RELEASED): Association.RELEASED,
        (Association.ACCEPTING, AssociationEvent.BROKEN): Association.HELD,
    }
)

GROUP: Final[Mapping[tuple[Group, GroupEvent], Group]] = MappingProxyType(
    {
        (Group.OPEN, GroupEvent.WINDOW_ENDED): Group.CLOSED,
        (Group.OPEN, GroupEvent.CLOSE_ASKED): Group.CLOSED,
        (Group.CLOSED, GroupEvent.PLANNED): Group.PLANNED,
        (Group.CLOSED, GroupEvent.NOT_WANTED): Group.STORED_ONLY,
        (Group.CLOSED, GroupEvent.CANNOT_PLAN): Group.PARKED,
        (Group.PARKED, GroupEvent.RETRY_ASKED): Group.CLOSED,
        (Group.STORED_ONLY, GroupEvent.RETRY_ASKED): Group.CLOSED,
        (Group.STORED_ONLY, GroupEvent.EXPIRED): Group.REMOVED,
    }
)

JOB: Final[Mapping[tuple[Job, JobEvent], Job]] = MappingProxyType(
    {
        (Job.QUEUED, JobEvent.STARTED): Job.RUNNING,
        (Job.QUEUED, JobEvent.FAILED): Job.FAILED,
        (Job.QUEUED, JobEvent.CANCEL_ASKED): Job.CANCELLED,
        (Job.RUNNING, JobEvent.SUCCEEDED): Job.FINISHED,
        (Job.RUNNING, JobEvent.ATTEMPT_FAILED): Job.QUEUED,
        (Job.RUNNING, JobEvent.FAILED): Job.FAILED,
        (Job.RUNNING, JobEvent.CANCEL_ASKED): Job.CANCELLING,
        (Job.CANCELLING, JobEvent.CANCELLED): Job.CANCELLED,
        (Job.FINISHED, JobEvent.COLLECTED): Job.COLLECTED,
        (Job.FINISHED, JobEvent.FAILED): Job.FAILED,
        (Job.COLLECTED, JobEvent.SETTLED): Job.COMPLETE,
        (Job.COMPLETE, JobEvent.REOPENED): Job.COLLECTED,
        (Job.FAILED, JobEvent.RETRY_ASKED): Job.QUEUED,
        (Job.CANCELLED, JobEvent.RETRY_ASKED): Job.QUEUED,
        (Job.COMPLETE, JobEvent.EXPIRED): Job.REMOVED,
        (Job.FAILED, JobEvent.EXPIRED): Job.REMOVED,
        (Job.CANCELLED, JobEvent.EXPIRED): Job.REMOVED,
    }
)

DELIVERY: Final[Mapping[tuple[Delivery, DeliveryEvent], Delivery]] = MappingProxyType(
    {
        (Delivery.DUE, DeliveryEvent.ACCEPTED): Delivery.DELIVERED,
        (Delivery.DUE, DeliveryEvent.FAILED_FOR_NOW): Delivery.DUE,
        (Delivery.DUE, DeliveryEvent.FAILED_FOR_GOOD): Delivery.GIVEN_UP,
        (Delivery.DUE, DeliveryEvent.CANCEL_ASKED): Delivery.GIVEN_UP,
        (Delivery.DUE, DeliveryEvent.RETRY_ASKED): Delivery.DUE,
        (Delivery.GIVEN_UP, DeliveryEvent.RETRY_ASKED): Delivery.DUE,
    }
)

DESTINATION: Final[Mapping[tuple[Destination, DestinationEvent], Destination]] = MappingProxyType(
    {
        (Destination.UP, DestinationEvent.FAILED): Destination.DOWN,
        (Destination.DOWN, DestinationEvent.FAILED): Destination.DOWN,
        (Destination.DOWN, DestinationEvent.ANSWERED): Destination.UP,
        (Destination.DOWN, DestinationEvent.RETRY_ASKED): Destination.DOWN,
        (Destination.UP, DestinationEvent.PAUSE_ASKED): Destination.PAUSED,
        (Destination.DOWN, DestinationEvent.PAUSE_ASKED): Destination.PAUSED,
        (Destination.PAUSED, DestinationEvent.RESUME_ASKED): Destination.UP,
    }
)

NOTICE: Final[Mapping[tuple[Notice, NoticeEvent], Notice]] = MappingProxyType(
    {
        (Notice.DUE, NoticeEvent.ACCEPTED): Notice.SENT,
        (Notice.DUE, NoticeEvent.FAILED_FOR_NOW): Notice.DUE,
        (Notice.DUE, NoticeEvent.FAILED_FOR_GOOD): Notice.GIVEN_UP,
        (Notice.DUE, NoticeEvent.RETRY_ASKED): Notice.DUE,
        (Notice.GIVEN_UP, NoticeEvent.RETRY_ASKED): Notice.DUE,
    }
)

GATEWAY: Final[Mapping[tuple[Gateway, GatewayEvent], Gateway]] = MappingProxyType(
    {
        (Gateway.RUNNING, GatewayEvent.STOPPED): Gateway.STOPPED,
        (Gateway.RUNNING, GatewayEvent.GONE): Gateway.GONE,
        (Gateway.STOPPED, GatewayEvent.TAKEN_OVER): Gateway.TAKEN_OVER,
        (Gateway.GONE, GatewayEvent.TAKEN_OVER): Gateway.TAKEN_OVER,
    }
)


class IllegalTransitionError(LocalError):
    """An event was applied to a state that does not know it."""


S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)


def advance(table: Mapping[tuple[S, E], S], state: S, event: E) -> S:
    """The state after the event.

    Raises:
        IllegalTransitionError: The table has no such pair.
    """
    try:
        return table[state, event]
    except KeyError:
        raise IllegalTransitionError(f"{type(state).__name__} {state}: no transition for {event!r}") from None
