"""A gateway that hangs is not heard of any more; one that works is."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest

from harness.service_manager import ServiceManager
from harness.site import Site
from hilum.serve import systemd
from hilum.serve.pulse import Pulse
from hilum.store.worker import SweepStep

_WATCHDOG = timedelta(seconds=2)


def pulse(site: Site, manager: ServiceManager) -> Pulse:
    gateway = site.gateway
    assert gateway is not None
    return Pulse(
        manager=systemd.ServiceManager(address=manager.address, watchdog=_WATCHDOG),
        turns=gateway.turns,
        answers=gateway.ask_ledger,
        status=gateway.summary,
    )


@pytest.mark.parametrize("abstract", [False, True])
def test_a_gateway_that_works_is_heard_of(tmp_path: Path, *, abstract: bool) -> None:
    address = f"@hilum-{time.monotonic_ns()}" if abstract else str(tmp_path / "notify")
    with ServiceManager(address) as manager, Site(tmp_path, {}) as site:
        beat = pulse(site, manager)
        beat.start()
        manager.wait("WATCHDOG=1", 2)
        assert manager.wait("STATUS=") == "STATUS=0 associations, 0 deliveries due"
        beat.stop()


def test_a_step_that_hangs_stops_the_feeding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hangs, go_on = threading.Event(), threading.Event()
    real = SweepStep.claim

    def claim(self: SweepStep, *arguments: object) -> object:
        if hangs.is_set():
            go_on.wait(60)
        return real(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(SweepStep, "claim", claim)
    with ServiceManager(str(tmp_path / "notify")) as manager, Site(tmp_path, {}) as site:
        beat = pulse(site, manager)
        beat.start()
        manager.wait("WATCHDOG=1")
        hangs.set()
        manager.wait("STATUS=hangs: sweep")
        fed = list(manager.heard).count("WATCHDOG=1")
        manager.wait("STATUS=hangs: sweep", 3)
        assert list(manager.heard).count("WATCHDOG=1") == fed
        hangs.clear()
        go_on.set()
        manager.wait("WATCHDOG=1", fed + 1)
        beat.stop()


def test_a_ledger_that_does_not_answer_stops_the_feeding(tmp_path: Path) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def ask() -> None:
        asked.set()
        go_on.wait(60)

    with ServiceManager(str(tmp_path / "notify")) as manager:
        beat = Pulse(
            manager=systemd.ServiceManager(address=manager.address, watchdog=_WATCHDOG),
            turns=dict,
            answers=ask,
            status=lambda: "well",
        )
        beat.start()
        assert asked.wait(30)
        assert not [one for one in manager.heard if one == "WATCHDOG=1"]
        go_on.set()
        manager.wait("WATCHDOG=1")
        beat.stop()
