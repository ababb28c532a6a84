"""The life of a job as bars: what took how long. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hilum import states
from hilum.ledger.shown import DeliveryView, GroupView, JobView

#: The least width of a bar, so that it is seen.
_LEAST = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One bar.

    Attributes:
        goes_on: It has not ended.
        went_wrong: It ended, or stands, with something that an operator should see.
        left: Where it begins, in percent of the whole life.
        width: In percent; ``left + width`` is 100 at most.
    """

    name: str
    begin: datetime
    end: datetime
    goes_on: bool
    went_wrong: bool
    left: float
    width: float

    @property
    def took(self) -> timedelta:
        """So far."""
        return self.end - self.begin


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    name: str
    begin: datetime
    end: datetime | None
    went_wrong: bool = False


def of_job(job: JobView, group: GroupView | None, deliveries: Sequence[DeliveryView], now: datetime) -> Sequence[Span]:
    """What was done one after the other, then each file's way to each destination."""
    parts = [*_steps(job, group), *_ways(deliveries)]
    first = min(one.begin for one in parts)
    last = max(one.end or now for one in parts)
    whole = max((last - first).total_seconds(), 1e-6)
    return [_span(one, first, whole, now) for one in parts]


def _steps(job: JobView, group: GroupView | None) -> Iterator[_Part]:
    if group is not None:
        yield _Part(name="received", begin=group.opened_at, end=group.last_received_at)
        if group.closed_at is not None:
            yield _Part(name="waited for more", begin=group.last_received_at, end=group.closed_at)
            yield _Part(name="made ready", begin=group.closed_at, end=max(group.closed_at, job.created_at))
    ended = job.finished_at or job.completed_at
    never_ran = job.started_at is None and job.state in {states.Job.CANCELLED, states.Job.FAILED}
    yield _Part(
        name="queued", begin=job.created_at, end=job.started_at or (ended or job.created_at if never_ran else None)
    )
    if job.started_at is not None:
        failed = job.state is states.Job.FAILED
        yield _Part(name="ran", begin=job.started_at, end=ended, went_wrong=failed)


def _ways(deliveries: Sequence[DeliveryView]) -> Iterator[_Part]:
    for one in sorted(deliveries, key=lambda each: (each.queued_at, each.path, each.destination)):
        wrong = one.state is states.Delivery.GIVEN_UP or (one.state is states.Delivery.DUE and bool(one.why))
        yield _Part(name=f"{one.path} to {one.destination}", begin=one.queued_at, end=one.ended_at, went_wrong=wrong)


def _span(part: _Part, first: datetime, whole: float, now: datetime) -> Span:
    end = max(part.begin, part.end or now)
    left = 100 * (part.begin - first).total_seconds() / whole
    width = min(100.0, max(_LEAST, 100 * (end - part.begin).total_seconds() / whole))
    return Span(
        name=part.name,
        begin=part.begin,
        end=end,
        goes_on=part.end is None,
        went_wrong=part.went_wrong,
        left=round(min(left, 100 - width), 2),
        width=round(width, 2),
    )
