"""Configuration: what is in force, what is wrong with the file, and trying it out."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from hilum import config, overview
from hilum.errors import ConfigError
from hilum.ledger import annals
from hilum.web.desk import Desk
from hilum.web.pages.frame import Frame


def router(desk: Desk, frame: Frame) -> APIRouter:
    """``/configuration``."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/configuration", response_class=HTMLResponse)
    @frame.shown
    def configuration(request: Request) -> Response:
        settings = desk.settings()
        problems, changes, waits = _compare(desk.path, settings)
        with desk.database.read() as connection:
            destinations = overview.destinations(connection, settings)
            reloads = annals.list_history(connection, machine="config", everything=True, limit=5)
        known = {one.name for one in settings.dicom.scu.destinations}
        return frame.page(
            request,
            "configuration.html",
            "Configuration",
            path=desk.path,
            problems=problems,
            changes=changes,
            waits=waits,
            warnings=config.warnings(settings),
            destinations=[one for one in destinations if one.name in known],
            peers={one.name: one for one in settings.dicom.scu.destinations},
            disks=overview.disks_of(settings),
            storage=settings.storage,
            reloads=reloads[::-1],
            effective=config.dump(settings),
        )

    return routes


def _compare(path: Path | None, settings: config.Settings) -> tuple[list[str], list[str], list[str]]:
    """What is wrong with the file now; what a reload would change; what of that waits for a restart."""
    if path is None:
        return [], [], []
    try:
        written = config.load(path)
    except ConfigError as error:
        return str(error).splitlines(), [], []
    return [], config.diff(settings, written), config.needs_restart(settings, written)
