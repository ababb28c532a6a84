"""Where something is, what happened to it, why, and what to do; and what would happen to something."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from hilum.explain.explanation import Explanation
from hilum.explain.foreteller import Foreteller, candidate_of_head, sender_of
from hilum.explain.inquirer import Inquirer
from hilum.explain.prospect import Candidate, Prospect
from hilum.model import Header
from hilum.store.part10 import HEAD_BYTES
from hilum.web.desk import Desk
from hilum.web.shape import Shape, shape

What = Annotated[
    str,
    Query(
        min_length=1,
        max_length=256,
        description="A Study, Series or SOP Instance UID, a Patient ID, a job, an association, `group:12` or "
        "`delivery:12`. Jobs and associations may be shortened.",
    ),
]
Personal = Annotated[bool, Query(description="Also tell Patient IDs.")]
_SENDER = "`CALLED@HOST` or `CALLING>CALLED@HOST`: who would send."
Who = Annotated[str, Query(min_length=3, max_length=300, description=_SENDER)]


class Instance(Shape):
    """An instance that would be sent, by its names."""

    name: str = Field(default="", max_length=256, description="What to call it in the answer.")
    sop_class: str = Field(max_length=64)
    sop_instance: str = Field(max_length=64)
    transfer_syntax: str = Field(default="1.2.840.10008.1.2.1", max_length=64)
    study: str = Field(default="", max_length=64)
    series: str = Field(default="", max_length=64)
    patient_id: str = Field(default="", max_length=64)
    modality: str = Field(default="", max_length=16)
    size: int = Field(default=0, ge=0, lt=1 << 50, description="Of the data set, in bytes.")


class Question(Shape):
    """Who would send what."""

    sender: str = Field(min_length=3, max_length=300, description=_SENDER)
    instances: list[Instance] = Field(min_length=1, max_length=1000)


def router(desk: Desk) -> APIRouter:
    """``/explain``."""
    routes = APIRouter(prefix="/explain", tags=["explain"])

    @routes.get("", name="explain", response_model=shape(Explanation), summary="Explain something")
    def explain(what: What, personal: Personal = False) -> Explanation:
        """As `hilum explain WHAT`: one answer, or choices if several things may be meant, or why nothing is known."""
        return inquirer(desk).explain(what, now=desk.clock(), personal=personal)

    @routes.post("/would", name="foretell", response_model=shape(Prospect), summary="What would happen to instances")
    def would(question: Question) -> Prospect:
        """As `hilum explain --would SENDER FILE`: asks the rules; nothing is sent, nothing is stored."""
        candidates = [_candidate(one, number) for number, one in enumerate(question.instances, 1)]
        return foreteller(desk).foretell(sender_of(question.sender), candidates, now=desk.clock())

    @routes.post(
        "/would/file",
        name="foretell_file",
        response_model=shape(Prospect),
        summary="What would happen to a file",
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
            }
        },
    )
    async def would_file(
        request: Request,
        sender: Who,
        size: Annotated[int, Query(ge=0, lt=1 << 50, description="Of the whole file, in bytes.")] = 0,
    ) -> Prospect:
        """The same for a file: its first 64 KiB are enough, and more is not read."""
        head = await _beginning(request)
        found = candidate_of_head("the file", head, max(size, len(head)))
        if not isinstance(found, Candidate):
            raise HTTPException(422, f"not DICOM, nobody would send it: {found}")
        return await run_in_threadpool(lambda: foreteller(desk).foretell(sender_of(sender), [found], now=desk.clock()))

    return routes


def inquirer(desk: Desk) -> Inquirer:
    """Who answers questions about what this gateway took."""
    return Inquirer(database=desk.database, spool=desk.settings().storage.temporary, running=True)


def foreteller(desk: Desk) -> Foreteller:
    """Who asks the rules that are in force now."""
    return Foreteller(settings=desk.settings(), database=desk.database)


async def _beginning(request: Request) -> bytes:
    """As much of the body as the head of a file can need."""
    head = bytearray()
    async for chunk in request.stream():
        head += chunk[: HEAD_BYTES - len(head)]
        if len(head) >= HEAD_BYTES:
            break
    return bytes(head)


def _candidate(one: Instance, number: int) -> Candidate:
    header = Header(
        sop_class=one.sop_class,
        sop_instance=one.sop_instance,
        modality=one.modality,
        patient_id=one.patient_id,
        study=one.study,
        series=one.series,
    )
    return Candidate(
        name=one.name or f"instance {number}",
        sop_class=one.sop_class,
        sop_instance=one.sop_instance,
        transfer_syntax=one.transfer_syntax,
        header=header,
        size=one.size,
    )
