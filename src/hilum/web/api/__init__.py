"""The resources below ``/api/v1``, one module each: ``router(desk)`` makes its operations."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter

from hilum.web.api import (
    associations,
    config,
    deliveries,
    destinations,
    doctor,
    events,
    explain,
    groups,
    history,
    instances,
    jobs,
    notices,
    pictures,
    status,
)
from hilum.web.desk import Desk
from hilum.web.feed import Feed
from hilum.web.session import Sessions

_RESOURCES = (
    status,
    associations,
    groups,
    jobs,
    deliveries,
    destinations,
    pictures,
    instances,
    history,
    explain,
    notices,
    config,
    doctor,
)


def routers(desk: Desk, feed: Feed, sessions: Sessions | None) -> Sequence[APIRouter]:
    """Of all resources, in the order of the document."""
    return [*(one.router(desk) for one in _RESOURCES), destinations.echo_router(desk), events.router(feed, sessions)]
