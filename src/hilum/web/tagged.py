"""Answers that need not be sent again: a weak ETag of what they say, and 304 for who has it already.

Source: RFC 9110 8.8.1, 13.1.2.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

#: For the OpenAPI document, beside 200.
_NOT_MODIFIED: Final[dict[int | str, dict[str, Any]]] = {
    304: {"description": "It is still what `If-None-Match` names."}
}


class Tagged(APIRoute):
    """A route whose whole answers to GET have an ETag."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **how: Any) -> None:  # noqa: ANN401  as FastAPI's
        if how.get("methods") in ({"GET"}, ["GET"]):
            how["responses"] = {**(how.get("responses") or {}), **_NOT_MODIFIED}
        super().__init__(path, endpoint, **how)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """As FastAPI makes it, with that."""
        handler = super().get_route_handler()

        async def answer(request: Request) -> Response:
            response = await handler(request)
            body = getattr(response, "body", None)
            if request.method != "GET" or response.status_code != 200 or not isinstance(body, bytes):
                return response
            tag = f'W/"{hashlib.sha256(body).hexdigest()[:20]}"'
            if _has(request.headers.getlist("if-none-match"), tag):
                return Response(status_code=304, headers={"ETag": tag})
            response.headers["ETag"] = tag
            return response

        return answer


def _has(lines: list[str], tag: str) -> bool:
    """Whether the peer has this one: weak comparison, which leaves out whether tags are weak."""
    named = [one.strip().removeprefix("W/") for line in lines for one in line.split(",")]
    return "*" in named or tag.removeprefix("W/") in named
