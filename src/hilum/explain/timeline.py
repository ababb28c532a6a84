"""History as a story: what happened to a job, step by step, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from hilum import states, words
from hilum.ledger.shown import AssociationView, GroupView, HistoryLine

_JOB: Final[Mapping[str, str]] = {
    states.JobEvent.STARTED: "workflow started",
    states.JobEvent.SUCCEEDED: "workflow finished",
    states.JobEvent.ATTEMPT_FAILED: "attempt failed",
    states.JobEvent.FAILED: "job failed",
    states.JobEvent.COLLECTED: "results read",
    states.JobEvent.SETTLED: "every delivery has ended, receipt written",
    states.JobEvent.REOPENED: "deliveries opened again",
    states.JobEvent.CANCEL_ASKED: "cancelled",
    states.JobEvent.CANCELLED: "workflow stopped",
    states.JobEvent.RETRY_ASKED: "tried again",
    states.JobEvent.EXPIRED: "removed",
}
_GROUP: Final[Mapping[str, str]] = {
    states.GroupEvent.WINDOW_ENDED: "group closed: its window ended",
    states.GroupEvent.CLOSE_ASKED: "group closed",
    states.GroupEvent.NOT_WANTED: "no job made",
    states.GroupEvent.CANNOT_PLAN: "making jobs failed",
    states.GroupEvent.RETRY_ASKED: "tried again",
    states.GroupEvent.EXPIRED: "removed",
}
_DELIVERY: Final[Mapping[str, str]] = {
    states.DeliveryEvent.ACCEPTED: "delivered to {}",
    states.DeliveryEvent.FAILED_FOR_NOW: "not delivered to {}, will be tried again",
    states.DeliveryEvent.FAILED_FOR_GOOD: "given up for {}",
    states.DeliveryEvent.CANCEL_ASKED: "delivery to {} cancelled",
    states.DeliveryEvent.RETRY_ASKED: "delivery to {} tried again",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One line of the story.

    Attributes:
        count: How many deliveries it is about; 0 for anything else.
        why: In brackets behind it.
    """

    at: datetime
    text: str
    why: str = ""
    count: int = 0

    @property
    def line(self) -> str:
        """The whole of it."""
        counted = f"{words.count(self.count, 'result')} {self.text}" if self.count else self.text
        return f"{counted} ({self.why})" if self.why else counted


def story(
    group: GroupView | None, senders: Sequence[AssociationView], history: Sequence[HistoryLine]
) -> Sequence[Moment]:
    """What happened, in the order of time; deliveries of one kind that follow each other are one line."""
    moments = [*_arrival(group, senders), *filter(None, map(_moment, history))]
    moments.sort(key=lambda moment: moment.at)
    merged: list[Moment] = []
    for moment in moments:
        last = merged[-1] if merged else None
        if last and moment.count and (last.text, last.why) == (moment.text, moment.why):
            merged[-1] = replace(moment, count=last.count + moment.count)
        else:
            merged.append(moment)
    return merged


def _arrival(group: GroupView | None, senders: Sequence[AssociationView]) -> Iterator[Moment]:
    if group is None:
        return
    if senders:
        first = senders[0]
        yield Moment(at=first.opened_at, text=f"association from {first.calling} ({first.host}) to {first.called}")
    yield Moment(at=group.opened_at, text="first instance received")
    if group.last_received_at > group.opened_at:
        many = f", over {len(senders)} associations" if len(senders) > 1 else ""
        yield Moment(
            at=group.last_received_at,
            text=f"last of {words.count(group.instances, 'instance')} received{many} ({words.size(group.bytes)})",
        )


def _moment(line: HistoryLine) -> Moment | None:
    match line.machine:
        case "job" if line.event == "made":
            return Moment(at=line.at, text="job made", why=line.why)
        case "job":
            return Moment(at=line.at, text=_JOB.get(line.event, line.event), why=line.why)
        case "group" if line.event == "made":
            closed = line.to_state == states.Group.CLOSED
            return Moment(at=line.at, text="released and grouped" if closed else "first association released")
        case "group" if line.event == states.GroupEvent.PLANNED:
            return None  # the jobs say so themselves
        case "group":
            return Moment(at=line.at, text=_GROUP.get(line.event, line.event), why=line.why)
        case "delivery" if line.event == "made":
            return None  # "results read" says so
        case "delivery":
            text = _DELIVERY.get(line.event, line.event + " {}").format(line.destination)
            return Moment(at=line.at, text=text, why=line.why, count=1)
        case "result":
            path = line.subject.partition(":")[2]
            return Moment(at=line.at, text=f"output/{path} {line.event}", why=line.why)
        case _:
            return Moment(at=line.at, text=line.event, why=line.why)


def rows(moments: Sequence[Moment]) -> Sequence[tuple[str, str, str]]:
    """For each moment its local time, the time since the one before, and the line; each day on a line of its own."""
    found: list[tuple[str, str, str]] = []
    before: datetime | None = None
    for moment in moments:
        local = moment.at.astimezone()
        if before is None or before.astimezone().date() != local.date():
            found.append((f"{local:%Y-%m-%d}", "", ""))
        step = moment.at - before if before is not None else timedelta()
        waited = f"+{words.duration(step)}" if step >= timedelta(milliseconds=1) else ""
        found.append((f"{local:%H:%M:%S}.{local.microsecond // 1000:03}", waited, moment.line))
        before = moment.at
    return found
