"""What went wrong, as ``application/problem+json``: whose fault it is decides the status.

Source: RFC 9457.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from hilum.errors import ConfigError, HilumError, PermanentError, TemporaryError
from hilum.ledger.transition import NoSuchRowError
from hilum.states import IllegalTransitionError
from hilum.web.shape import Shape

_log = structlog.get_logger(__name__)


class ProblemDetails(Shape):
    """Why a request was not fulfilled."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    problems: list[str] | None = None


_WHY: Final = {
    400: "The body cannot be read.",
    401: "Say who you are: `Authorization: Bearer` with `web.token`, or a session.",
    403: "A page of another site asks, or the page's CSRF token is missing.",
    404: "There is no such thing.",
    409: "It is not in a state that allows this.",
    421: "This server is not to be asked for by that name.",
    422: "The question is not well formed.",
    503: "Not just now: try again.",
}
#: For the OpenAPI document: what any operation may answer instead.
RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"model": ProblemDetails, "description": f"{why} `detail` says more."} for status, why in _WHY.items()
}


def answer(
    status: int, detail: str, *, problems: list[str] | None = None, headers: dict[str, str] | None = None
) -> JSONResponse:
    """A problem as a response."""
    content: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if problems:
        content["problems"] = problems
    return JSONResponse(content, status_code=status, media_type="application/problem+json", headers=headers)


def install(app: FastAPI) -> None:
    """Let every failure of an operation be answered as a problem."""
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HilumError, _hilum)
    app.add_exception_handler(IllegalTransitionError, _conflict)
    app.add_exception_handler(Exception, _fault)


def http(_: Request, error: Exception) -> JSONResponse:
    """What is answered when there is nothing at an address, or nothing that allows that method."""
    assert isinstance(error, HTTPException)
    # FastAPI tells a body that is no text apart from one that is no JSON; for us both are a question that is wrong.
    status = 422 if error.status_code == 400 else error.status_code
    return answer(status, str(error.detail), headers=dict(error.headers or {}))


def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    found = [f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()]
    return answer(422, "; ".join(found), problems=found)


def _hilum(_: Request, error: Exception) -> JSONResponse:
    match error:
        case NoSuchRowError():
            return answer(404, str(error))
        case ConfigError():
            return answer(422, "the configuration cannot be used", problems=str(error).splitlines())
        case TemporaryError(retry_after=after):
            return answer(
                503, str(error), headers={"Retry-After": str(max(1, round(after.total_seconds() if after else 1)))}
            )
        case PermanentError():
            return answer(409, str(error))
        case _:
            return _fault(_, error)


def _conflict(_: Request, error: Exception) -> JSONResponse:
    return answer(409, str(error))


def _fault(_: Request, error: Exception) -> JSONResponse:
    _log.error("web.fault", exc_info=error)
    return answer(500, "a fault of the gateway: see its log")
