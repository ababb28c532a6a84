"""Status: everything that an overview needs, in one answer; what needs attention first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from typing import Final
from urllib.parse import quote

from fastapi import APIRouter

from hilum import states
from hilum.ledger import rates, traffic, views
from hilum.ledger.shown import GatewayView
from hilum.overview import Attention, Disk, Matter, look
from hilum.web.api.destinations import DestinationStanding, standings
from hilum.web.desk import Desk
from hilum.web.shape import extended, shape

#: Of the rates.
_MINUTES: Final = 15

#: For each kind of thing: the page that shows it, and the operation that does the right thing, if one does. Those that
#: concern one of many are only offered when there is one.
_PAGES: Final[Mapping[Matter, str]] = {
    Matter.DISK: "/configuration",
    Matter.UNTOLD: "/configuration",
    Matter.CONFIGURATION: "/configuration",
    Matter.JOBS_FAILED: "/jobs/{}",
    Matter.GIVEN_UP: "/deliveries?destination={}",
    Matter.WAITING: "/deliveries?destination={}",
    Matter.PAUSED: "/deliveries?destination={}",
    Matter.REJECTED: "/associations",
    Matter.REFUSED: "/history?machine=instance",
    Matter.PARKED: "/groups?state=parked",
    Matter.HELD: "/associations",
    Matter.STORED_ONLY: "/groups?state=stored+only",
    Matter.UNTOLD: "/notices?channel={}",
}
_OPERATIONS: Final[Mapping[Matter, str]] = {
    Matter.CONFIGURATION: "/config/reload",
    Matter.GIVEN_UP: "/destinations/{}/retry",
    Matter.WAITING: "/config/destinations/{}/echo",
    Matter.UNTOLD: "/notices/channels/{}/test",
    Matter.PAUSED: "/destinations/{}/resume",
    Matter.PARKED: "/groups/{}/retry",
}
_IF_ONE: Final[Mapping[Matter, str]] = {
    Matter.JOBS_FAILED: "/jobs/{}/retry",
    Matter.HELD: "/associations/{}/accept",
    Matter.STORED_ONLY: "/groups/{}/retry",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Point(Attention):
    """Something that an operator should look at.

    Attributes:
        page: Of the dashboard, where it is shown; empty: nowhere.
        operation: To POST to, below `/api/v1`, which is the right thing to do next once the cause is mended; empty:
            there is none.
    """

    page: str
    operation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Associations:
    """How many associations there are.

    Attributes:
        open: Here, now.
        held: Ended without a release; they wait for somebody to accept them, or for their end.
    """

    open: int
    held: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A gateway at one moment.

    Attributes:
        owner: The name of this gateway in the ledger.
        congested: Why no new instances are taken; `null`: they are.
        attention: The most pressing first; empty when all is well.
        gateways: Those that share the ledger, the eldest first; the answer comes from the one called `owner`.
        groups: How many are in each state; `jobs` likewise.
        queues: What waits for each step, in the order of the flow.
        minutes: What came in and went out in the last minutes, the present one last.
        disks: The file systems of the storage folders.
        destinations: By name.
    """

    at: datetime
    version: str
    owner: str
    started_at: datetime
    listens: str
    congested: str | None
    attention: tuple[Point, ...]
    gateways: tuple[GatewayView, ...]
    associations: Associations
    groups: Mapping[states.Group, int]
    jobs: Mapping[states.Job, int]
    queues: tuple[traffic.Waiting, ...]
    minutes: tuple[rates.Minute, ...]
    disks: tuple[Disk, ...]
    destinations: tuple[DestinationStanding, ...]


def router(desk: Desk) -> APIRouter:
    """``/status``."""
    routes = APIRouter(prefix="/status", tags=["status"])

    @routes.get("", name="show", response_model=shape(Status), summary="How everything stands")
    def show() -> Status:
        """What an overview needs, in one answer."""
        now = desk.clock()
        found = look(desk.database, desk.settings(), desk.path, now, running=True)
        with desk.database.read() as connection:
            groups = views.group_counts(connection)
            queues = traffic.waiting(connection)
            minutes = rates.per_minute(connection, now=now, minutes=_MINUTES)
            destinations = standings(connection, found.destinations, desk.settings(), now)
        return Status(
            at=now,
            version=version("hilum"),
            owner=desk.owner,
            started_at=desk.started_at,
            listens=found.listens,
            congested=desk.congested(),
            attention=tuple(map(point, found.attention)),
            gateways=tuple(found.gateways),
            associations=Associations(open=len(desk.talking()), held=len(found.held)),
            groups=groups,
            jobs=found.jobs,
            queues=tuple(queues),
            minutes=tuple(minutes),
            disks=tuple(found.disks),
            destinations=tuple(destinations),
        )

    return routes


def point(attention: Attention) -> Point:
    """With where it is shown and what to do next."""
    matter, subject = attention.matter, quote(attention.subject, safe="")
    operation = _OPERATIONS.get(matter) or (_IF_ONE.get(matter, "") if attention.count == 1 else "")
    page = _PAGES.get(matter, "").format(subject)
    return extended(Point, attention, page=page, operation=operation.format(subject))
