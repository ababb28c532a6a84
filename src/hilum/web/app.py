"""Puts the web together."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from hilum.web import access, api, document, health, metrics, problem, session
from hilum.web.desk import Desk
from hilum.web.feed import Feed
from hilum.web.pages import associations, configuration, deliveries, frame, groups, history, login, notices, overview
from hilum.web.pages import explain as explain_pages
from hilum.web.pages import jobs as job_pages
from hilum.web.pages import pictures as pictures_page

_API = "/api/v1"


def application(desk: Desk, feed: Feed | None = None) -> FastAPI:
    """The API and the dashboard of a gateway; who may use it is read once, from the present configuration.

    Args:
        feed: Of the events; ``None``: one that nobody ends.
    """
    feed = feed or Feed(desk=desk)
    web = desk.settings().web
    app = FastAPI(
        title="Hilum",
        version=version("hilum"),
        description="The API of a gateway. Keys and states are those of `hilum … --json`; times are ISO 8601, UTC.",
        openapi_url=f"{_API}/openapi.json",
        docs_url=None,  # what FastAPI shows there comes from other people's servers
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=document.operation_id,
    )
    app.openapi = document.describe(app)  # type: ignore[method-assign]
    problem.install(app)
    hosts = access.own_hosts(web.host) if web.token is None else frozenset[str]()
    sessions = session.sessions_of(desk)
    app.add_middleware(access.Access, token=web.token, sessions=sessions, hosts=hosts)
    app.include_router(health.router(desk), responses=problem.RESPONSES)
    app.include_router(metrics.router(desk), responses=problem.RESPONSES)
    for resource in api.routers(desk, feed, sessions):
        app.include_router(resource, prefix=_API, responses=problem.RESPONSES)
    around = frame.Frame(desk)
    app.add_exception_handler(404, around.lost)
    for page in (
        overview,
        associations,
        groups,
        job_pages,
        deliveries,
        history,
        notices,
        explain_pages,
        configuration,
        pictures_page,
        login,
    ):
        app.include_router(page.router(desk, around))
    app.mount("/static", StaticFiles(directory=frame.STATIC))
    return app
