"""What the doctor finds: the gateway, its destinations, its senders."""

from __future__ import annotations

from fastapi import APIRouter

from hilum.doctor.check import Report
from hilum.doctor.examination import Examination
from hilum.web.desk import Desk
from hilum.web.paging import Name
from hilum.web.shape import shape


def router(desk: Desk) -> APIRouter:
    """``/doctor``, and the diagnosis of one destination."""
    routes = APIRouter(tags=["doctor"])

    def examination() -> Examination:
        return Examination(settings=desk.settings(), database=desk.database, running=True)

    @routes.get("/doctor", name="doctor", response_model=shape(Report), summary="Look at everything")
    def whole() -> Report:
        """As `hilum doctor`. Asks each destination for an association and an echo; takes as long as the slowest."""
        return examination().whole(desk.clock())

    @routes.post(
        "/destinations/{destination}/diagnosis",
        name="diagnose",
        response_model=shape(Report),
        summary="Find out what is wrong with a destination",
    )
    def diagnosis(destination: Name) -> Report:
        """Resolve, connect, associate, echo, and propose what was sent there lately; nothing is sent."""
        return examination().of_destination(destination, desk.clock())

    return routes
