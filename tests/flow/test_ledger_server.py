"""A gateway whose ledger is on a server: the server restarts, or is not there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flow.workflows import one_workflow
from harness.data import make_series
from harness.pacs import Pacs
from harness.postgres import Server
from harness.process import GatewayProcess
from harness.sending import send
from harness.site import COPY, Site

pytestmark = pytest.mark.postgresql

MakeSite = Callable[..., Site]


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.discard()


def keys(server: Server, pacs: Pacs) -> dict[str, object]:
    found = one_workflow({"type": "process", "command": COPY}, to=[pacs])
    return {**found, "ledger": {"url": server.new()}}


@pytest.mark.parametrize("at_once", [False, True], ids=["orderly", "crash"])
def test_a_restart_of_the_server_loses_nothing_and_the_gateway_goes_on_by_itself(
    make_site: MakeSite, pacs: Pacs, server: Server, tmp_path: Path, *, at_once: bool
) -> None:
    site = make_site(keys(server, pacs))
    first, second = make_series(tmp_path / "1", 3), make_series(tmp_path / "2", 3)
    with site:
        answers = send(site.port, *first)
        server.stop(at_once=at_once)
        server.start()
        answers += send(site.port, *second)
        assert [answer.status for answer in answers] == [0] * 6
        site.wait_for_jobs(2)
        assert len(site.rows("deliveries", state="delivered")) == len(pacs.accepted) == 6


def test_who_starts_while_the_server_is_away_says_so_and_is_started_again_later(
    make_site: MakeSite, pacs: Pacs, server: Server
) -> None:
    site = make_site(keys(server, pacs))
    server.stop()
    serve = [sys.executable, "-m", "hilum", "serve", "--config", str(site.path)]
    ran = subprocess.run(serve, check=False, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, "cannot be reached" in ran.stderr, "Traceback" in ran.stderr) == (3, True, False)
    server.start()
    with GatewayProcess(site) as gateway:
        assert gateway.port
