"""Four bad days: from the overview to cause and remedy in at most three clicks, and then it works again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator

from browser import desk
from browser.desk import Visitor
from harness.data import make_instance
from harness.pacs import Pacs
from harness.sending import send
from harness.site import Site
from harness.waiting import eventually
from hilum.errors import HilumError

MOST_CLICKS = 3


class Clicks:
    """Counts what somebody presses."""

    def __init__(self) -> None:
        self.count = 0

    def on(self, what: Locator) -> None:
        what.click()
        self.count += 1
        assert self.count <= MOST_CLICKS


@pytest.fixture
def site(browser: Browser, pacs: Pacs, tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "site").mkdir()
    with Site(tmp_path / "site", desk.keys(tmp_path, pacs)) as started:
        yield started


@pytest.fixture
def pacs() -> Iterator[Pacs]:
    with Pacs() as started:
        yield started


def test_pacs_killed(visit: Callable[..., Visitor], site: Site, pacs: Pacs, tmp_path: Path) -> None:
    pacs._server.stop(desk.NOW)
    send(site.port, make_instance(tmp_path / "in"))
    eventually(lambda: site.rows("destinations", id="PACS", state="down"), what="PACS to be down")
    visitor, clicks = visit(), Clicks()
    page = visitor.see("/")
    point = page.locator(".point", has_text="1 delivery waits for PACS, which is down")
    assert "the connection was refused" in point.inner_text()
    assert "See that PACS runs and can be reached; nothing is lost" in point.inner_text()
    visitor.picture("pacs-killed")
    with Pacs(port=pacs.port):
        clicks.on(point.get_by_role("button", name="Test with C-ECHO PACS"))
        assert "PACS" in visitor.said()
        clicks.on(point.get_by_role("link", name="Show queue"))
        clicks.on(page.get_by_role("button", name="Try now what waits for PACS"))
        eventually(lambda: site.rows("deliveries", state="delivered"), what="the delivery")
        visitor.see("/").get_by_text("Nothing needs attention").wait_for()


def test_workflow_broken(visit: Callable[..., Visitor], site: Site, tmp_path: Path) -> None:
    send(site.port, make_instance(tmp_path / "in"), called="LUNG")
    site.wait_for_jobs(1, "failed")
    visitor, clicks = visit(), Clicks()
    page = visitor.see("/")
    point = page.locator(".point", has_text="1 job failed")
    assert "exit code 3" in point.inner_text()
    visitor.picture("workflow-broken")
    clicks.on(point.get_by_role("link", name="Show job and log"))
    page.locator("pre.log", has_text="CUDA out of memory").wait_for()
    (tmp_path / "mended").touch()
    clicks.on(page.get_by_role("button", name="Run again"))
    site.wait_for_jobs(1, "complete")
    visitor.see("/").get_by_text("Nothing needs attention").wait_for()


def test_unknown_source(visit: Callable[..., Visitor], site: Site, tmp_path: Path) -> None:
    with pytest.raises(HilumError, match="reject"):
        send(site.port, make_instance(tmp_path / "in"), calling="MR9")
    visitor, clicks = visit(), Clicks()
    page = visitor.see("/")
    point = page.locator(".point", has_text="1 association from 127.0.0.1 rejected")
    assert "Calling AE title 'MR9' from 127.0.0.1 is not in dicom.scp.sources" in point.inner_text()
    assert "Add {host-ip: 127.0.0.1, ae-title: MR9} to dicom.scp.sources" in point.inner_text()
    visitor.picture("unknown-source")
    clicks.on(point.get_by_role("link", name="Configuration"))
    text = site.path.read_text()
    site.path.write_text(text.replace("ae-title: MODALITY", "ae-title: MR9"))
    assert text != site.path.read_text()
    clicks.on(page.get_by_role("button", name="Reload now"))
    visitor.said()
    eventually(lambda: "MR9" in visitor.see("/configuration").content(), what="the new source")
    send(site.port, make_instance(tmp_path / "again"), calling="MR9")


def test_disk_full(visit: Callable[..., Visitor], site: Site, pacs: Pacs, tmp_path: Path) -> None:
    # The machine's disk cannot be filled; that it counts as full can be set, and an operator sees the same.
    full = desk.keys(tmp_path, pacs, storage={"reserve-gb": 999_999})
    site.configure(full)
    assert site.gateway is not None
    site.gateway.reload()
    with pytest.raises(HilumError, match="reject"):
        send(site.port, make_instance(tmp_path / "in"))
    visitor, clicks = visit(), Clicks()
    page = visitor.see("/")
    point = page.locator(".point", has_text="Nothing new is taken: the disk is full")
    assert "reserve 999999 GB" in point.inner_text()
    assert "Make room on the disk of" in point.inner_text()
    assert page.locator(".point").first.inner_text() == point.inner_text(), "this comes first"
    visitor.picture("disk-full")
    clicks.on(point.get_by_role("link", name="Show limits"))
    assert "999999.0 GB free" in page.locator("#live").inner_text()
    site.configure(desk.keys(tmp_path, pacs))
    clicks.on(page.get_by_role("button", name="Reload now"))
    visitor.said()
    eventually(lambda: send(site.port, make_instance(tmp_path / "again")), what="an instance to be taken")
