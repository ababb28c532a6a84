"""HAProxy with the configuration of the compose file in front of two real gateways, here with a ledger each."""

from __future__ import annotations

import re
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.folders import DEPLOY
from harness.data import make_instance
from harness.ports import free_port
from harness.sending import association, send, store
from harness.site import Site
from harness.waiting import eventually

KEYS: dict[str, Any] = {
    "dicom": {"scp": {"proxies": ["127.0.0.1"], "max-associations": 60}},
    "web": {"enabled": True, "port": 0, "token": 32 * "t"},
}


class Balanced:
    """Both gateways, and HAProxy with the addresses of this machine put in."""

    def __init__(self, sites: list[Site], folder: Path) -> None:
        self.sites = sites
        self.port, self.dashboard = free_port(), free_port()
        text = (DEPLOY / "compose/haproxy.cfg").read_text()
        for index, site in enumerate(sites, start=1):
            web = site.web.rpartition(":")[2]
            text = text.replace(f"gateway-{index}:11112", f"127.0.0.1:{site.port} port {web}")
            text = text.replace(f"gateway-{index}:8080", f"127.0.0.1:{web} port {web}")
        text = text.replace("port 8080 resolvers engine init-addr last,libc,none", "")
        text = text.replace("bind :11112", f"bind 127.0.0.1:{self.port}").replace(
            "bind :8080", f"bind 127.0.0.1:{self.dashboard}"
        )
        assert not re.search(r"gateway-\d:", text)
        self.path = folder / "haproxy.cfg"
        self.path.write_text(text)
        self.log = folder / "haproxy.log"

    def start(self) -> subprocess.Popen[bytes]:
        with self.log.open("wb") as log:
            return subprocess.Popen(["haproxy", "-db", "-dW", "-f", self.path], stdout=log, stderr=log)

    def says(self, words: str) -> bool:
        return words in self.log.read_text()


@pytest.fixture
def balanced(make_site: Callable[..., Site], tmp_path: Path) -> Iterator[Balanced]:
    made = Balanced([make_site(KEYS).start(), make_site(KEYS).start()], tmp_path)
    process = made.start()

    def answers() -> bool:
        assert process.poll() is None, made.log.read_text()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{made.dashboard}/health/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    eventually(answers, what="HAProxy to find a gateway")
    yield made
    process.terminate()
    process.wait(timeout=20)


def received(site: Site) -> int:
    return len(site.rows("associations"))


def test_associations_go_to_both_and_keep_who_sent_them(balanced: Balanced, tmp_path: Path) -> None:
    path = make_instance(tmp_path)
    sent = 0

    def two_at_once() -> None:
        nonlocal sent
        with association(balanced.port, [path]) as one, association(balanced.port, [path]) as two:
            assert [store(one, path).status, store(two, path).status] == [0, 0]
        sent += 2

    def counts() -> list[int]:
        return [received(site) for site in balanced.sites]

    # On a busy machine a gateway may miss its first check, and be there from the next.
    eventually(lambda: two_at_once() or all(counts()), what="an association at each gateway")  # type: ignore[func-returns-value]
    eventually(lambda: sum(counts()) == sent, what="a row of each association")
    before = counts()
    two_at_once()  # while one is open the other gateway has fewer
    eventually(lambda: counts() == [one + 1 for one in before], what="one more at each")


def test_nobody_is_refused_while_a_gateway_goes(balanced: Balanced, tmp_path: Path) -> None:
    path = make_instance(tmp_path)
    first, second = balanced.sites
    before = received(second)
    first.stop()
    # Before the balancer has noticed and after it, every connection finds the gateway that is there.
    for number in range(6):
        (answer,) = send(balanced.port, path)
        assert answer.status == 0, number
    eventually(lambda: balanced.says("gateways/gateway-1 is DOWN"), what="the balancer to notice")
    assert send(balanced.port, path)[0].status == 0
    eventually(lambda: received(second) == before + 7, what="all seven associations at the one that is left")
