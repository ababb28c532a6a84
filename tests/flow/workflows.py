"""Parts of ``app.yaml`` that flows have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.pacs import Pacs


def workflow(name: str, *, engine: str = "copy", to: Sequence[Pacs] = (), ae: str = "HILUM") -> dict[str, Any]:
    """An entry of ``workflows``."""
    entry = {"name": name, "clara-ae-title": ae, "workflow": f"wf-{name}", "engine": engine}
    return entry | ({"destination-name": [pacs.title for pacs in to]} if to else {})


def one_workflow(engine: Mapping[str, Any] | None = None, *, to: Sequence[Pacs] = ()) -> dict[str, Any]:
    """The keys of a site with one workflow for HILUM, run by ``engine`` or handing its input back."""
    return {
        "dicom": {"scu": {"destinations": [pacs.destination for pacs in to]}},
        "workflows": [workflow("one", engine="model" if engine else "copy", to=to)],
        "engines": {"model": dict(engine)} if engine else {},
    }
