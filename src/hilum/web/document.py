"""The OpenAPI document: what FastAPI makes of the operations, with names and media types as they should be."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

_PROBLEM: Final = {"$ref": "#/components/schemas/ProblemDetails"}
#: Of two things that have the same name, FastAPI calls each by its module, too.
_MODULE: Final = re.compile(r"hilum__((?:[a-z_]+?__)+)([A-Z][A-Za-z]*)")


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


def _name(found: re.Match[str]) -> str:
    """``JobState``; what ``shape`` made is called as it is, since it is what clients see."""
    module, name = found[1].split("__"), found[2]
    if module[0] == "states":
        return f"{name}State"
    return name if module[-2] == "shape" else f"{module[-2].title()}{name}"


def _tidy(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_MODULE.sub(_name, json.dumps(document)))
    schemas = found["components"]["schemas"]
    assert len(schemas) == len(document["components"]["schemas"]), "two have the same name"
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
                if any(content.get("schema") == _PROBLEM for content in response.get("content", {}).values()):
                    response["content"] = {"application/problem+json": {"schema": _PROBLEM}}
    return found
