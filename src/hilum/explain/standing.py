"""How something stands, in a few words."""

from __future__ import annotations

from datetime import datetime

from hilum import states, words
from hilum.ledger.shown import GroupView, JobView


def of_results(job: JobView) -> str:
    """The deliveries of a job."""
    total = job.due + job.delivered + job.given_up
    if not total:
        return f"{job.results} kept" if job.results else ""
    parts = [f"{job.delivered}/{total} delivered"]
    if job.given_up:
        parts.append(f"{job.given_up} given up")
    return ", ".join(parts)


def of_group(group: GroupView, now: datetime) -> str:
    """What comes next of a group."""
    if group.state != states.Group.OPEN:
        return words.count(group.jobs, "job") if group.jobs else ""
    # Its window does not end before the association does.
    return "still receiving" if group.awaited else f"closes {words.until(group.closes_at, now)}"
