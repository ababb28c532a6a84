"""Results that wait to be sent: job folders made by hand, as the specification allows, and where they go."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from socket import SO_REUSEADDR, SOL_SOCKET, socket
from typing import Any

from harness.site import Site
from harness.waiting import eventually
from hilum.ledger.rows import AnyRow


def sends_to(*destinations: Mapping[str, object], **scu: Any) -> dict[str, Any]:
    """A configuration with one workflow whose results go to all of them; more keys of ``dicom.scu``."""
    return {
        "dicom": {"scu": {"destinations": list(destinations), **scu}},
        "workflows": [
            {
                "name": "back",
                "clara-ae-title": "HILUM",
                "destination-name": [one["name"] for one in destinations],
                "workflow": "wf-1",
            }
        ],
    }


def results(site: Site, *files: Path, name: str = "by-hand") -> Path:
    """A job folder with these results and no ``job.done``; returns its ``output``."""
    output = site.payloads / name / "output"
    output.mkdir(parents=True)
    (site.payloads / name / "job.meta").write_text("wf-1\n")
    for path in files:
        shutil.copy(path, output)
    return output


def finished(site: Site, *files: Path, name: str = "by-hand") -> Path:
    """A job folder with these results, and done."""
    output = results(site, *files, name=name)
    (output / "job.done").touch()
    return output


def wait_for_deliveries(site: Site, **wanted: object) -> Sequence[AnyRow]:
    """All deliveries, once there are some and each has these values."""

    def look() -> Sequence[AnyRow]:
        rows = site.rows("deliveries")
        met = all(getattr(row, name) == value for row in rows for name, value in wanted.items())
        return rows if met else ()

    return eventually(look, what=f"deliveries with {wanted}")


@contextmanager
def closed_port() -> Iterator[int]:
    """A port where nobody listens and that nobody else gets meanwhile; a server may take it over afterwards."""
    with socket() as holder:
        holder.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]
