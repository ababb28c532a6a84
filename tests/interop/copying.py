"""A gateway whose workflow hands its input back, so that what comes in goes out."""

from __future__ import annotations

from collections import Counter
from typing import Any

from harness.site import Site
from harness.waiting import eventually


def copy_to(*destinations: dict[str, object], engine: str = "copy") -> dict[str, Any]:
    """The keys of ``app.yaml``: one workflow for HILUM, its results to all these destinations."""
    workflow = {
        "name": "back",
        "clara-ae-title": "HILUM",
        "destination-name": [one["name"] for one in destinations],
        "workflow": "wf-1",
        "engine": engine,
    }
    return {"dicom": {"scu": {"destinations": list(destinations)}}, "workflows": [workflow]}


def wait_for_deliveries(site: Site, count: int, state: str = "delivered", *, seconds: float = 60) -> None:
    """Until so many deliveries are in a state."""
    try:
        eventually(lambda: len(site.rows("deliveries", state=state)) >= count, seconds=seconds)
    except AssertionError:
        deliveries = dict(Counter((row.destination, row.state, row.why) for row in site.rows("deliveries")))
        jobs = dict(Counter((job.state, job.why) for job in site.rows("jobs")))
        raise AssertionError(f"no {count} {state} within {seconds:g} s: {deliveries}; jobs: {jobs}") from None
