"""Pictures of what a job got and of what it wrote."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Connection

from hilum.ledger import views, work
from hilum.ledger.shown import JobView
from hilum.ledger.transition import NoSuchRowError
from hilum.pictures import shelf
from hilum.pictures.catalogue import Kind, Series
from hilum.pictures.gallery import Gallery, LeftError, Opened
from hilum.pictures.order import DEFAULT_SIZE, MAX_SIZE, MIN_SIZE, Order, Picture
from hilum.pictures.shelf import File, MissingError
from hilum.web.desk import Desk
from hilum.web.shape import shape

#: Nothing but digits and dots comes as far as the ledger.
_UID: Final = r"^[0-9.]{1,64}$"
#: A browser may keep a picture for itself, and asks each time whether it is still the same.
_CACHING: Final = "private, no-cache"

Uid = Annotated[str, Path(pattern=_UID, description="SOP Instance UID.")]

_PNG: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}},
        "description": "The picture, or a placeholder that says why there is none.",
        "headers": {
            "Hilum-Placeholder": {
                "schema": {"type": "string"},
                "description": "Of a placeholder: why there is no picture.",
            },
            "Hilum-Window": {"schema": {"type": "string"}, "description": "Of greys: centre and width."},
            "Hilum-Note": {"schema": {"type": "string"}, "description": "What has to be known of the picture."},
        },
    },
    304: {"description": "The picture that you have is still the same."},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    order: Order
    overlay: str | None


def _asked(  # noqa: PLR0917  FastAPI calls it by names
    frame: Annotated[int, Query(ge=1, le=1_000_000, description="From 1.")] = 1,
    center: Annotated[
        float | None,
        Query(alias="window-center", ge=-1e9, le=1e9, allow_inf_nan=False, description="With `window-width`."),
    ] = None,
    width: Annotated[
        float | None,
        Query(alias="window-width", gt=0, le=1e9, allow_inf_nan=False, description="With `window-center`."),
    ] = None,
    size: Annotated[
        int, Query(ge=MIN_SIZE, le=MAX_SIZE, description="Of the longer side, pixels, at most; never enlarged.")
    ] = DEFAULT_SIZE,
    overlay: Annotated[
        str | None, Query(pattern=_UID, description="SOP Instance UID of a segmentation of this job to lay over it.")
    ] = None,
    opacity: Annotated[int, Query(ge=0, le=100, description="Of the overlay, percent.")] = 50,
    alone: Annotated[bool, Query(description="The overlay without what it lies on, transparent elsewhere.")] = False,
) -> _Asked:
    if (center is None) != (width is None):
        raise HTTPException(422, "window-center and window-width go together")
    if alone and overlay is None:
        raise HTTPException(422, "alone shows an overlay: say which")
    order = Order(frame=frame, center=center, width=width, size=size, opacity=opacity, alone=alone)
    return _Asked(order=order, overlay=overlay)


def router(desk: Desk, gallery: Gallery | None = None) -> APIRouter:
    """``/jobs/{job}/pictures``. The decoding processes end with the application."""
    seen = gallery or Gallery()

    @asynccontextmanager
    async def life(_: object) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(seen.close)

    routes = APIRouter(prefix="/jobs/{job}/pictures", tags=["pictures"], lifespan=life)

    def look(job: str) -> Sequence[File]:
        with desk.database.read() as connection:
            return shelf.files(connection, _find(connection, job))

    def lookup(job: str, kind: Kind, sop_instance: str, overlay: str | None) -> Opened:
        with desk.database.read() as connection:
            found = _find(connection, job)
            files = [shelf.find(connection, found, kind, sop_instance)]
            if overlay is not None:
                files.append(_overlay(connection, found, overlay))
        try:
            return Opened(files)
        except MissingError as error:
            raise NoSuchRowError(f"{error}; files of a job are removed when its retention ends") from None

    @routes.get("", response_model=tuple[shape(Series), ...], summary="What there is to be seen")  # type: ignore[misc]
    async def list_pictures(job: str, request: Request) -> Sequence[Series]:
        """Series of inputs and of results, slices in their order, and which segmentation lies over which series."""
        files = await run_in_threadpool(look, job)
        try:
            return await seen.catalogue(files, request.is_disconnected)
        except LeftError:
            return ()

    @routes.get("/{kind}/{sop_instance}.png", response_class=Response, responses=_PNG, summary="A picture of one frame")
    async def picture(
        request: Request, job: str, kind: Kind, sop_instance: Uid, asked: Annotated[_Asked, Depends(_asked)]
    ) -> Response:
        """Window and level as the header says unless others are asked for; nothing personal is written into it."""
        opened = await run_in_threadpool(lookup, job, kind, sop_instance, asked.overlay)
        etag = _etag(opened, asked.order)
        if etag in request.headers.get("if-none-match", ""):
            opened.files.close()
            return Response(status_code=304, headers={"ETag": etag, "Cache-Control": _CACHING})
        try:
            return _response(await seen.picture(opened, asked.order, request.is_disconnected), etag)
        except LeftError:
            return Response(status_code=503)

    return routes


def _find(connection: Connection, job: str) -> JobView:
    return views.job(connection, work.find(connection, job).id)


def _overlay(connection: Connection, job: JobView, sop_instance: str) -> File:
    """A segmentation: most are results, some came with the input."""
    try:
        return shelf.find(connection, job, Kind.RESULT, sop_instance)
    except NoSuchRowError:
        return shelf.find(connection, job, Kind.INPUT, sop_instance)


def _etag(opened: Opened, order: Order) -> str:
    made_of = f"{version('hilum')} {opened.identity} {json.dumps(order.to_json(), sort_keys=True)}"
    return f'"{hashlib.sha256(made_of.encode()).hexdigest()[:32]}"'


def _response(picture: Picture, etag: str) -> Response:
    headers = {"Cache-Control": "no-store"} if picture.passing else {"Cache-Control": _CACHING, "ETag": etag}
    if picture.why:
        headers["Hilum-Placeholder"] = picture.why.encode("ascii", "replace").decode()
    if picture.window:
        headers["Hilum-Window"] = f"{picture.window[0]:g} {picture.window[1]:g}"
    if picture.note:
        headers["Hilum-Note"] = picture.note.encode("ascii", "replace").decode()
    return Response(picture.png, media_type="image/png", headers=headers)
