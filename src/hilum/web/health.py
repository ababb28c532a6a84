"""What watchdogs ask: is it alive, may it be sent to, how is it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter, Response
from starlette.responses import PlainTextResponse

from hilum import states
from hilum.errors import HilumError
from hilum.ledger import condition, views
from hilum.web.desk import Desk
from hilum.web.shape import shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One part of the gateway.

    Attributes:
        name: receiving, ledger, or the name of a destination.
        ok: Whether it does what it should.
        why: If not, what is wrong.
    """

    name: str
    ok: bool
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How the gateway is.

    Attributes:
        started_at: When this process began to listen.
        associations: Open now.
        services: Each part, the ones that others depend on first.
    """

    ok: bool
    started_at: datetime
    associations: int
    services: tuple[Service, ...]


def of(desk: Desk) -> Health:
    """Look at everything that others depend on."""
    parts = [_receiving(desk), _ledger(desk)]
    if parts[1].ok:
        with desk.database.read() as connection:
            destinations = views.destinations(connection)
        parts += [
            Service(name=one.name, ok=one.state is states.Destination.UP, why=one.last_error) for one in destinations
        ]
    return Health(
        # A destination that is down is its own fault: the gateway works.
        ok=all(one.ok for one in parts[:2]),
        started_at=desk.started_at,
        associations=len(desk.talking()),
        services=tuple(parts),
    )


def _receiving(desk: Desk) -> Service:
    full = desk.congested()
    return Service(name="receiving", ok=full is None, why=full or "")


def _ledger(desk: Desk) -> Service:
    try:
        with desk.database.read() as connection:
            condition.version(connection)
    except HilumError as error:
        return Service(name="ledger", ok=False, why=str(error))
    return Service(name="ledger", ok=True)


def router(desk: Desk) -> APIRouter:
    """``/health/live``, ``/health/ready`` and ``/health/status``."""
    routes = APIRouter(prefix="/health", tags=["health"])

    @routes.get("/live", response_class=PlainTextResponse, summary="The process answers")
    def live() -> str:
        """200 as long as the process runs. Restart it if this does not answer."""
        return "alive\n"

    @routes.get("/ready", response_class=PlainTextResponse, summary="Instances are taken", responses={503: {}})
    def ready(response: Response) -> str:
        """200 if new instances are taken, 503 with the reason if not. Costs next to nothing."""
        wrong = [one for one in (_receiving(desk), _ledger(desk)) if not one.ok]
        if not wrong:
            return "ready\n"
        response.status_code = 503
        return "".join(f"{one.name}: {one.why}\n" for one in wrong)

    @routes.get("/status", response_model=shape(Health), summary="How each part is")
    def status() -> Health:
        """Each part of the gateway and each destination."""
        return of(desk)

    return routes
