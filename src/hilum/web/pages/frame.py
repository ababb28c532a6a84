"""What all pages share: the templates, the words for times and sizes, and what is around the content."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from hilum import words
from hilum.errors import HilumError, TemporaryError
from hilum.ledger.transition import NoSuchRowError
from hilum.web import problem, session
from hilum.web.desk import Desk

#: Rows of a list on one page.
ROWS: Final = 50
STATIC: Final = Path(__file__).parents[1] / "static"
_THEMES: Final = frozenset({"light", "dark"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An entry of the navigation."""

    path: str
    title: str


#: The order is that of the way through the gateway; what one looks for elsewhere comes last.
NAV: Final = (
    Place(path="/", title="Overview"),
    Place(path="/associations", title="Associations"),
    Place(path="/groups", title="Groups"),
    Place(path="/jobs", title="Jobs"),
    Place(path="/deliveries", title="Deliveries"),
    Place(path="/history", title="History"),
    Place(path="/notices", title="Notices"),
    Place(path="/configuration", title="Configuration"),
    Place(path="/doctor", title="Doctor"),
)


class Frame:
    """Renders pages. Usable from any thread."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._sessions = session.sessions_of(desk)
        self._environment = Environment(
            loader=PackageLoader("hilum.web", "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals["static"] = _static
        self._environment.filters |= _FILTERS

    def page(self, request: Request, template: str, title: str, *, status: int = 200, **values: object) -> HTMLResponse:
        """A page.

        Args:
            title: Of the window and in the heading.
            values: For the template, beside those that every page has: ``now``, ``query`` (the parameters of the
                address), ``again`` (the address itself, to refresh), ``here`` (the entry of the navigation).
        """
        path, query = request.url.path, request.url.query
        cookie = session.session_of(request.headers)
        theme = request.cookies.get("hilum-theme")
        around = {
            "title": title,
            "nav": NAV,
            "here": "/" + path.split("/")[1],
            "again": f"{path}?{query}" if query else path,
            "query": request.query_params,
            "now": self._desk.clock(),
            "theme": theme if theme in _THEMES else None,
            "csrf": self._sessions.csrf(cookie) if self._sessions and cookie else None,
            "version": version("hilum"),
            "address": request.url.netloc,
            "zone": time.strftime("%Z"),
        }
        return HTMLResponse(self._environment.get_template(template).render(around | values), status_code=status)

    def failed(self, request: Request, error: HilumError) -> HTMLResponse:
        """A page that says what went wrong."""
        status = 404 if isinstance(error, NoSuchRowError) else 503 if isinstance(error, TemporaryError) else 409
        title = "There is no such thing" if status == 404 else "This cannot be shown"
        return self.page(request, "error.html", title, status=status, why=str(error))

    def lost(self, request: Request, error: Exception) -> Response:
        """There is nothing at an address: a page for whoever looks, a problem for a program."""
        assert isinstance(error, HTTPException)
        looks = "text/html" in request.headers.get("accept", "") and request.method in {"GET", "HEAD"}
        if not looks or request.url.path.startswith("/api/"):
            return problem.http(request, error)
        why = f"this gateway has no page at {words.printable(request.url.path)[:256]}"
        return self.page(request, "error.html", "There is no such page", status=404, why=why)

    def shown(self, handler: Callable[[Request], Response]) -> Callable[[Request], Response]:
        """The handler of a page, answering with a page when something goes wrong."""

        def answer(request: Request) -> Response:
            try:
                return handler(request)
            except HilumError as error:
                return self.failed(request, error)

        answer.__name__ = handler.__name__
        return answer


def personal(request: Request) -> bool:
    """Whether this page view may show personal data: somebody pressed the switch on it."""
    return request.query_params.get("personal") == "shown"


def written(request: Request, name: str) -> str:
    """A parameter of the address that somebody wrote; empty if it is not there."""
    return request.query_params.get(name, "").strip()[:256]


def choice(request: Request, name: str, among: Sequence[str]) -> str:
    """A parameter of the address that is one of these; empty if it is anything else."""
    text = request.query_params.get(name, "")
    return text if text in among else ""


@cache
def _static(name: str) -> str:
    """The address of a file of ``static``; another one when its content is another."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


def _time(moment: datetime, text: str) -> Markup:
    local = moment.astimezone()
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        local.isoformat(timespec="milliseconds"), f"{local:%Y-%m-%d %H:%M:%S %Z}", text
    )


@pass_context
def _when(context: Context, moment: datetime | None) -> str:
    return _time(moment, f"{words.ago(moment, context['now'])} ago") if moment else ""


@pass_context
def _until(context: Context, moment: datetime | None) -> str:
    return _time(moment, words.until(moment, context["now"])) if moment else ""


def _clock(moment: datetime | None) -> str:
    return _time(moment, words.clock(moment)) if moment else ""


def _duration(span: timedelta | None) -> str:
    return "" if span is None else words.duration(span)


def _after(seconds: float) -> str:
    return f"+{words.duration(timedelta(seconds=seconds))}" if seconds >= 0.001 else ""


def _sentence(text: str) -> str:
    """A clause as a sentence: with a capital letter; the rest as it is."""
    return text[:1].upper() + text[1:]


_FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "when": _when,
    "until": _until,
    "clock": _clock,
    "duration": _duration,
    "seconds": lambda seconds: words.duration(timedelta(seconds=round(seconds))),
    "after": _after,
    "size": words.size,
    "count": lambda number, noun, plural="": words.count(number, noun, plural),
    "sentence": _sentence,
    "status": words.status,
    "status_meaning": words.status_meaning,
    "printable": words.printable,
    "subject": partial(lambda line: words.subject(line.machine, line.subject)),
}
