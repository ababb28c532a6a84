"""``examples/platform``: a platform in another process runs what Hilum received, and the results reach the PACS."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from examples.workflow import EXAMPLES
from harness.data import make_series
from harness.pacs import Pacs
from harness.ports import free_port
from harness.sending import send
from harness.site import Site, data_set_digest
from harness.waiting import eventually
from hilum.assembly import log_tail
from hilum.ledger import views

COPY = ["sh", "-c", 'cp "$0"/* "$1"/ && echo copied', "{input}", "{output}"]


@contextmanager
def serve_jobs(*command: str) -> Iterator[str]:
    """The example as it is started by hand; its address."""
    port = free_port()
    script = str(EXAMPLES / "platform" / "serve_jobs.py")
    told = {"PLATFORM_TOKEN": "let-me-in", "PATH": "/usr/bin:/bin"}
    process = subprocess.Popen([sys.executable, script, str(port), *command], env=told, stderr=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def is_up(url: str) -> bool:
    try:
        return httpx.get(url, headers={"Authorization": "Bearer let-me-in"}).status_code == 200
    except httpx.TransportError:
        return False


def keys(pacs: Pacs, url: str) -> dict[str, Any]:
    workflow = {"name": "back", "clara-ae-title": "HILUM", "destination-name": "PACS", "engine": "platform"}
    engine = {"type": "http", "url": url, "token": "let-me-in", "poll-seconds": 0.2, "attempts": 1}
    return {
        "dicom": {"scu": {"destinations": [pacs.destination]}},
        "workflows": [workflow],
        "engines": {"platform": engine},
    }


def test_what_is_received_is_run_by_the_platform_and_its_results_reach_the_pacs(
    make_site: Callable[..., Site], pacs: Pacs, tmp_path: Path
) -> None:
    files = make_series(tmp_path / "ct", 3)
    with serve_jobs(*COPY) as url:
        eventually(lambda: is_up(url), seconds=60, what="the platform")
        with make_site(keys(pacs, url)) as site:
            send(site.port, *files)
            [job] = site.wait_for_jobs(1)
            assert (Path(job.folder) / "output" / "job.done").is_file()
            assert {one.digest for one in pacs.accepted} == {data_set_digest(path) for path in files}
            with site.database.read() as connection:
                view = views.job(connection, job.id)
            assert log_tail(site.settings, view, 5) == "copied"


def test_a_program_that_fails_is_told_with_its_log(make_site: Callable[..., Site], pacs: Pacs, tmp_path: Path) -> None:
    with serve_jobs("sh", "-c", "echo no GPU; exit 3") as url:
        eventually(lambda: is_up(url), seconds=60, what="the platform")
        with make_site(keys(pacs, url)) as site:
            send(site.port, *make_series(tmp_path / "ct", 1))
            job = eventually(
                lambda: next((row for row in site.rows("jobs") if row.state == "failed"), None), what="the failure"
            )
            assert job.why == "see its log"
            with site.database.read() as connection:
                view = views.job(connection, job.id)
            assert log_tail(site.settings, view, 5) == "no GPU"
    assert pacs.accepted == []
