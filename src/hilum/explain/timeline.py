"""History as a story: what happened to a job, or to all of something, step by step, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from hilum import states, words
from hilum.ledger.shown import AssociationView, GroupView, HistoryLine
from hilum.model import AssociationId

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
_ASSOCIATION: Final[Mapping[str, str]] = {
    "made": "opened{}",
    states.AssociationEvent.RELEASED: "released{}: its instances are accepted",
    states.AssociationEvent.BROKEN: "ended without a release{}: held aside",
    states.AssociationEvent.ACCEPT_ASKED: "to be accepted",
    states.AssociationEvent.EXPIRED: "removed",
}
#: So many associations are told one by one.
_FEW: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One line of the story.

    Attributes:
        count: How many of what ``noun`` names it is about; 0: the text says it all.
        why: In brackets behind it.
    """

    at: datetime
    text: str
    why: str = ""
    count: int = 0
    noun: str = "result"

    @property
    def line(self) -> str:
        """The whole of it."""
        number = "" if self.count == 1 and self.noun == "association" else f"{self.count} "
        noun = self.noun if self.count == 1 else f"{self.noun}s"
        counted = f"{number}{noun} {self.text}" if self.count else self.text
        return f"{counted} ({self.why})" if self.why else counted


def story(
    group: GroupView | None, senders: Sequence[AssociationView], history: Sequence[HistoryLine]
) -> Sequence[Moment]:
    """What happened, in the order of time; deliveries of one kind that follow each other are one line."""
    return _merged([*_arrival(group, senders), *filter(None, map(_moment, history))])


def whole_story(
    groups: Sequence[GroupView], senders: Sequence[AssociationView], history: Sequence[HistoryLine]
) -> Sequence[Moment]:
    """The same of everything that belongs to one thing: associations, too, and several groups and jobs.

    Args:
        senders: The associations; with more than a few of them, their beginnings are not told one by one.
    """
    known = {one.id: one for one in senders}
    several = {kind for kind in ("job", "group") if len({line.subject for line in history if line.machine == kind}) > 1}
    moments = [moment for group in groups for moment in _received(group)]
    for line in history:
        if line.machine == "association":
            sender = known.get(AssociationId(line.subject))
            if line.event != "made" or len(senders) <= _FEW or line.subject == senders[0].id:
                moments.append(_association_moment(line, sender))
        elif (moment := _moment(line)) is not None:
            which = f"{line.machine} {words.subject(line.machine, line.subject)}: " if line.machine in several else ""
            moments.append(replace(moment, text=which + moment.text))
    return _merged(moments)


def _merged(moments: list[Moment]) -> Sequence[Moment]:
    """In the order of time; of one kind that follow each other only the first, with their number."""
    moments.sort(key=lambda moment: moment.at)
    merged: list[Moment] = []
    for moment in moments:
        last = merged[-1] if merged else None
        if last and moment.count and (last.text, last.why, last.noun) == (moment.text, moment.why, moment.noun):
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
    yield from _received(group, len(senders))


def _received(group: GroupView, senders: int = 1) -> Iterator[Moment]:
    yield Moment(at=group.opened_at, text="first instance received")
    if group.last_received_at > group.opened_at:
        many = f", over {senders} associations" if senders > 1 else ""
        yield Moment(
            at=group.last_received_at,
            text=f"last of {words.count(group.instances, 'instance')} received{many} ({words.size(group.bytes)})",
        )


def _association_moment(line: HistoryLine, sender: AssociationView | None) -> Moment:
    who = "" if sender is None else f" from {sender.calling} ({sender.host}) to {sender.called}"
    text = _ASSOCIATION.get(line.event)
    if text is None:
        return Moment(at=line.at, text=f"association {line.event}", why=line.why)
    return Moment(at=line.at, text=f"{text.format(who)}", why=line.why, count=1, noun="association")


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
