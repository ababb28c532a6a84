"""The unit of systemd forbids no system call that a gateway, a job and the decoder of pictures make."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pydicom
import pytest

from crash.trace import child_of
from deploy.folders import DEPLOY
from deploy.unit import allowed_calls, settings
from harness.data import real_file
from harness.ports import free_port
from harness.process import GatewayProcess
from harness.sending import send
from harness.site import Site
from harness.waiting import eventually

UNIT = settings(DEPLOY / "systemd/hilum.service")
#: SQLite gives its files to the owner of the database if it runs as root, as it does in tests.
ONLY_AS_ROOT = {"fchown"}


@pytest.fixture
def traced(make_site: Callable[..., Site]) -> Iterator[GatewayProcess]:
    """A gateway with all that it starts, whose system calls are written to ``trace`` in the site's folder."""
    workflows = [{"name": "copy", "clara-ae-title": "HILUM", "workflow": "w", "engine": "copy"}]
    site = make_site({"web": {"enabled": True, "port": free_port()}, "workflows": workflows})
    with GatewayProcess(site, under=["strace", "-f", "-qq", "-s", "0", "-o", str(site.folder / "trace")]) as gateway:
        try:
            yield gateway
        finally:
            # strace passes no signal on, and ends when the gateway has ended.
            os.kill(child_of(gateway.process.pid), signal.SIGTERM)
            gateway.process.wait(timeout=60)


def calls(trace: Path) -> set[str]:
    return set(re.findall(r"^\d+ +(?:<\.\.\. )?([a-z_0-9]+)[( ]", trace.read_text(), re.MULTILINE))


@pytest.mark.timeout(400)
def test_nothing_that_hilum_does_is_forbidden(traced: GatewayProcess) -> None:
    site, image = traced.site, real_file("CT_small.dcm")
    uid = str(pydicom.dcmread(image, stop_before_pixels=True).SOPInstanceUID)
    send(traced.port, image)
    with httpx.Client(base_url=f"http://127.0.0.1:{site.settings.web.port}/api/v1", timeout=120) as web:

        def ended() -> str:
            found = web.get("/jobs").json()["items"]
            return str(found[0]["name"]) if found and found[0]["state"] == "complete" else ""

        job = eventually(ended, seconds=120, what="the job's end")
        assert web.get(f"/jobs/{job}/pictures/input/{uid}.png").content.startswith(b"\x89PNG")
    made = calls(site.folder / "trace")
    assert {"accept4", "execve", "fsync", "prctl"} <= made
    assert made - allowed_calls(UNIT["SystemCallFilter"]) <= ONLY_AS_ROOT
    assert "accept4" in made - allowed_calls([*UNIT["SystemCallFilter"], "~@network-io"])
