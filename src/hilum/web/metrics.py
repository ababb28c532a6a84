"""``/metrics``: everything for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from threading import Lock
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry, exposition
from prometheus_client.core import Metric

from hilum.web import gauges
from hilum.web.desk import Desk

#: For so long an answer is given again: several scrapers, or an impatient one, cost as much as one.
_HOLDS_SECONDS: Final = 1.0
_FORMS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"text/plain": {}, "application/openmetrics-text": {}}}
}
_OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0"


class Scrape:
    """What is exposed, in the form that was asked for. Usable from any thread.

    Args:
        registries: In the order in which they are told.
        clock: Monotonic, in seconds.
    """

    def __init__(self, registries: Sequence[CollectorRegistry], clock: Callable[[], float] = time.monotonic) -> None:
        self._registries = registries
        self._clock = clock
        self._guard = Lock()
        self._answers: dict[str, tuple[float, bytes]] = {}

    def collect(self) -> Iterator[Metric]:
        """All families, without the moments at which series were made: they would double their number."""
        for one in self._registries:
            for family in one.collect():
                family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
                yield family

    def answer(self, accept: str) -> tuple[bytes, str]:
        """The text and its content type."""
        # Only whether it is accepted, not in which version and with which escapes: there is one text of each form.
        wanted = _OPENMETRICS if "application/openmetrics-text" in accept else ""
        encode, content_type = exposition.choose_encoder(wanted)
        with self._guard:
            made, text = self._answers.get(content_type, (float("-inf"), b""))
            if self._clock() - made >= _HOLDS_SECONDS:
                text = encode(self)
                self._answers[content_type] = self._clock(), text
            return text, content_type


def router(desk: Desk) -> APIRouter:
    """``/metrics``."""
    routes = APIRouter(tags=["health"])
    scrape = Scrape((desk.metrics.registry, gauges.registry(desk)))

    @routes.get("/metrics", response_class=Response, responses=_FORMS, summary="For Prometheus")
    def metrics(request: Request) -> Response:
        """In the text format, or as OpenMetrics if that is accepted; at most a second old. docs/metrics.md has all."""
        text, content_type = scrape.answer(request.headers.get("accept", ""))
        return Response(text, media_type=content_type)

    return routes
