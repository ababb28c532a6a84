"""The OpenAPI document: what FastAPI makes of the operations, with names and media types as they should be."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

_PROBLEM: Final = {"$ref": "#/components/schemas/Problem"}
#: Of two things that have the same name, FastAPI calls one of a state's module and the other of this package's.
_STATE: Final = re.compile(r"hilum__states__(\w+)")
_SHAPE: Final = re.compile(r"hilum__web__[a-z_]+__(?:[a-z_]+__)?([A-Z]\w*)")
_ENTITIES: Final = frozenset({"Association", "Group", "Job", "Delivery", "Destination"})


def operation_id(route: APIRoute) -> str:
    """``jobs_retry``: the resource, then what is done."""
    return f"{route.tags[0]}_{route.name}" if route.tags else route.name


def describe(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """What ``app.openapi`` is to be; made once, when it is asked for."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _tidy(
                get_openapi(
                    title=app.title,
                    version=app.version,
                    description=app.description,
                    routes=app.routes,
                    tags=app.openapi_tags,
                    separate_input_output_schemas=False,
                )
            )
        return app.openapi_schema

    return openapi


def _tidy(document: dict[str, Any]) -> dict[str, Any]:
    text = _STATE.sub(r"\1State", json.dumps(document))
    found: dict[str, Any] = json.loads(_SHAPE.sub(r"\1", text))
    schemas = found["components"]["schemas"]
    for name, schema in schemas.items():
        if "title" in schema:
            schema["title"] = name
    found["components"]["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "`web.token`, if one is configured."}
    }
    found["security"] = [{"token": []}, {}]
    for path in found["paths"].values():
        for operation in path.values():
            for response in operation.get("responses", {}).values():
                content = response.get("content", {})
                if content.get("application/json", {}).get("schema") == _PROBLEM:
                    response["content"] = {"application/problem+json": {"schema": _PROBLEM}}
    return found
