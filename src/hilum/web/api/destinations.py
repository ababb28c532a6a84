"""Destinations: what waits for each, how fast it takes, how it answers; pause, resume, try again, test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from fastapi import APIRouter
from sqlalchemy import Connection

from hilum import orders, overview, states, words
from hilum.assembly import Assembly
from hilum.association.probe import probe
from hilum.config import Settings
from hilum.ledger import traffic
from hilum.ledger.shown import DestinationView
from hilum.ledger.transition import NoSuchRowError
from hilum.web.api.deliveries import retry_by_filter
from hilum.web.desk import Desk
from hilum.web.paging import Name
from hilum.web.shape import extended, shape
from hilum.web.tagged import Tagged
from hilum.web.words import Done

#: Of which the rate is the mean.
_LATELY: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationStanding(DestinationView):
    """How deliveries to one destination stand.

    Attributes:
        per_minute: Results that it has taken per minute, in the last five minutes.
        drained_in: Seconds until nothing waits any more, at that rate; `null`: that cannot be told.
        address: `AET@host:port`; empty: it is not in the configuration any more.
    """

    per_minute: float
    drained_in: float | None
    address: str


class Echo(Done):
    """What a C-ECHO showed."""

    found: str
    remedy: str
    status: str | None
    association_seconds: float | None
    echo_seconds: float | None


def standings(
    connection: Connection, known: Sequence[DestinationView], settings: Settings, now: datetime
) -> Sequence[DestinationStanding]:
    """Destinations, with how fast they take and where they are.

    Args:
        known: As ``overview.destinations`` tells them.
    """
    taken = traffic.delivered(connection, since=now - _LATELY)
    minutes = _LATELY / timedelta(minutes=1)
    addresses = {
        one.name: f"{one.ae_title}@{f'[{one.host_ip}]' if ':' in one.host_ip else one.host_ip}:{one.port}"
        for one in settings.dicom.scu.destinations
    }
    found = []
    for one in known:
        rate = taken.get(one.name, 0) / minutes
        drains = bool(rate) and one.state is states.Destination.UP
        found.append(
            extended(
                DestinationStanding,
                one,
                per_minute=rate,
                drained_in=round(60 * one.due / rate, 1) if drains else None,
                address=addresses.get(one.name, ""),
            )
        )
    return found


def _all(connection: Connection, desk: Desk) -> Sequence[DestinationStanding]:
    settings = desk.settings()
    return standings(connection, overview.destinations(connection, settings), settings, desk.clock())


def router(desk: Desk) -> APIRouter:
    """``/destinations``."""
    routes = APIRouter(prefix="/destinations", tags=["destinations"], route_class=Tagged)
    standing = shape(DestinationStanding)

    @routes.get(
        "",
        name="list",
        response_model=list[standing],  # type: ignore[valid-type]
        summary="List destinations",
    )
    def list_destinations() -> Sequence[DestinationStanding]:
        """By name: those of the configuration, and others that something was ever due for."""
        with desk.database.read() as connection:
            return _all(connection, desk)

    @routes.get("/{destination}", name="show", response_model=standing, summary="One destination")
    def show(destination: Name) -> DestinationStanding:
        """By its name."""
        with desk.database.read() as connection:
            found = _all(connection, desk)
        for one in found:
            if one.name == destination:
                return one
        raise NoSuchRowError(f"there is no destination {destination!r}")

    @routes.post(
        "/{destination}/pause", name="pause", response_model=Done, status_code=202, summary="Send nothing more there"
    )
    def pause(destination: Name) -> Done:
        """As `hilum pause DESTINATION`: what is due waits, and nothing is given up meanwhile."""
        with desk.database.write() as connection:
            done = orders.pause(connection, destination, desk.settings(), desk.clock())
        return Done(done=done)

    @routes.post(
        "/{destination}/resume", name="resume", response_model=Done, status_code=202, summary="Send there again"
    )
    def resume(destination: Name) -> Done:
        """As `hilum resume DESTINATION`."""
        with desk.database.write() as connection:
            done = orders.resume(connection, destination, desk.settings(), desk.clock())
        desk.wake()
        return Done(done=done)

    @routes.post(
        "/{destination}/retry",
        name="retry",
        response_model=Done,
        status_code=202,
        summary="Try again what was given up",
    )
    def retry(destination: Name) -> Done:
        """All deliveries there that were given up."""
        return retry_by_filter(desk, states.Delivery.GIVEN_UP, destination, None)

    return routes


def echo_router(desk: Desk) -> APIRouter:
    """``/config/destinations/{destination}/echo``."""
    routes = APIRouter(prefix="/config/destinations", tags=["config"])

    @routes.post("/{destination}/echo", name="echo", response_model=Echo, summary="Test a destination with C-ECHO")
    def echo(destination: Name) -> Echo:
        """As `hilum echo DESTINATION`: opens an association as the gateway would, asks, and tells what was found.

        Takes as long as `dicom.scu.timeouts` allow.
        """
        delivery = Assembly.of(desk.settings()).delivery
        peer = delivery.destinations.get(destination)
        if peer is None:
            raise NoSuchRowError(f"there is no destination {destination!r} in dicom.scu.destinations")
        found = probe(peer, delivery.calling, delivery.timeouts)
        remedy = f": {found.remedy}" if found.remedy else ""
        return Echo(
            done=f"{destination}, {peer}: {found.found}{remedy}",
            ok=found.answered,
            found=found.found,
            remedy=found.remedy,
            status=None if found.status is None else words.status(found.status),
            association_seconds=None if found.association is None else found.association.total_seconds(),
            echo_seconds=None if found.echo is None else found.echo.total_seconds(),
        )

    return routes
