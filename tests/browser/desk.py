"""A gateway with something of every kind in it, and a browser that looks at it."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from harness.data import make_instance, make_series
from harness.pacs import Pacs
from harness.sending import association, send, store
from harness.site import Site
from harness.waiting import eventually
from hilum.errors import HilumError
from hilum.model import Answer

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")
IMAGES = Path(__file__).parents[2] / "docs" / "images"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
WIDE, NARROW = 1280, 400
#: Whether the pictures of the documentation are to be renewed.
PICTURES = os.environ.get("HILUM_PICTURES") == "1"
NOW = timedelta()

#: Its log is what a workflow writes before it fails; the bad one fails until a file says otherwise.
_BROKEN = """
echo loading the model
test -e "$0" && exec cp "$HILUM_INPUT"/* "$HILUM_OUTPUT"/
echo CUDA out of memory
exit 3
"""


def keys(folder: Path, pacs: Pacs, *, wait: float = 3600, **over: Any) -> dict[str, Any]:
    """A configuration in which everything can happen."""
    titles = [
        {"ae-title": "HILUM"},
        {"ae-title": "LUNG"},
        {"ae-title": "FAR"},
        {"ae-title": "ALONE"},
        {"ae-title": "CHEST", "timeout": 3600, "timeout-group": "Patient"},
    ]
    sources = [{"host-ip": "127.0.0.1", "ae-title": title} for title in ("MODALITY", "CT2")]
    archive = {"name": "ARCHIVE", "host-ip": "127.0.0.1", "port": 1, "ae-title": "ARCHIVE"}

    def flow(name: str, title: str, destination: str, engine: str) -> dict[str, str]:
        return {"name": name, "clara-ae-title": title, "destination-name": destination, "engine": engine}

    found = {
        "web": {"enabled": True, "port": 0},
        "dicom": {
            "scp": {"ae-titles": titles, "reject-unknown-sources": True, "sources": sources},
            "scu": {"destinations": [pacs.destination, archive], "retry": {"waits": [wait]}},
        },
        "workflows": [
            flow("pass-through", "HILUM", "PACS", "copy"),
            flow("lung-nodules", "LUNG", "PACS", "broken"),
            flow("far", "FAR", "ARCHIVE", "copy"),
            flow("chest", "CHEST", "PACS", "copy"),
        ],
        "engines": {
            "broken": {"type": "process", "command": ["sh", "-c", _BROKEN, str(folder / "mended")], "attempts": 1},
        },
    }
    return found | over


def break_off(port: int, folder: Path, count: int = 2) -> None:
    """A sender that aborts in the middle of a study."""
    with suppress(AbortingError):
        _begin(port, make_series(folder, count))


def _begin(port: int, files: Sequence[Path]) -> None:
    with association(port, files) as requestor:
        for file in files:
            store(requestor, file)
        raise AbortingError


class AbortingError(Exception):
    """Ends an association otherwise than by release."""


def busy(site: Site, pacs: Pacs, folder: Path) -> None:
    """Something of every kind: delivered, failed, waiting, given up, open, held, rejected, stored only."""
    patient = {"patient": "PAT-4711"}
    pacs.answer = lambda _request: Answer(status=0xA900, comment="no such patient")
    send(site.port, make_instance(folder / "refused"))
    eventually(lambda: [one for one in site.rows("deliveries") if one.state == "given up"], what="a delivery given up")
    pacs.answer = lambda _request: Answer(status=0x0000)
    site.configure(keys(folder, pacs))  # from here on nothing is tried again by itself
    assert site.gateway is not None
    site.gateway.reload()
    send(site.port, *make_series(folder / "fine", 3))
    send(site.port, make_instance(folder / "bad"), called="LUNG")
    send(site.port, make_instance(folder / "far"), called="FAR")
    send(site.port, make_instance(folder / "alone"), called="ALONE")
    send(site.port, *make_series(folder / "chest", 2, **patient), called="CHEST")
    break_off(site.port, folder / "aborted")
    with pytest.raises(HilumError, match="reject"):
        send(site.port, make_instance(folder / "unknown"), calling="MR9")
    eventually(lambda: site.rows("destinations", state="down"), what="ARCHIVE to be down")
    eventually(lambda: site.rows("jobs", state="failed"), what="a failed job")
    eventually(lambda: site.rows("associations", state="held"), what="a held association")
    eventually(lambda: site.rows("groups", state="stored only"), what="a group that is stored only")


def program() -> str:
    """The system's Chromium.

    Skips the test if there is none.
    """
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        pytest.skip("there is no Chromium: apt-get install chromium (`make test` does it if it may)")
    return found


@contextmanager
def chromium() -> Iterator[Browser]:
    """One browser for many pages."""
    executable = program()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


class Visitor:
    """Somebody who looks at the dashboard: a page that fails the test if a script or the policy complains.

    Args:
        address: Of the dashboard.
    """

    def __init__(self, browser: Browser, address: str, *, width: int = WIDE, colours: str = "light") -> None:
        self.context: BrowserContext = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=colours,  # type: ignore[arg-type]
            reduced_motion="reduce",
            base_url=address,
        )
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(60_000)  # of a machine that others use, too
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda said: self._heard(said.type, said.text))

    def _heard(self, kind: str, text: str) -> None:
        # Answers like 409, and a gateway that is away, are told to people; that the console has them too is no fault.
        told = ("Failed to load resource", "TypeError: Failed to fetch")
        if kind == "error" and not any(one in text for one in told):
            self.complaints.append(text)

    def see(self, path: str) -> Page:
        """Go there."""
        self.page.goto(path)
        return self.page

    def said(self) -> str:
        """What came of the last action."""
        box = self.page.locator("#said p")
        box.wait_for()
        return box.inner_text()

    def violations(self) -> list[str]:
        """What axe-core finds on the page."""
        if not self.page.evaluate("typeof axe !== 'undefined'"):
            self.page.evaluate(AXE)
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{one['id']}: {one['help']}: {[node['html'][:200] for node in one['nodes'][:3]]}"
            for one in found["violations"]
        ]

    def picture(self, name: str) -> None:
        """Renew a picture of the documentation, if that is wanted."""
        if IMAGES.is_dir() and PICTURES:
            picture = Image.open(io.BytesIO(self.page.screenshot()))
            # 64 colours are enough for text and take a third of the space.
            picture.convert("RGB").quantize(64).save(IMAGES / f"{name}.png", optimize=True)

    def close(self) -> None:
        """And tell whether anything complained."""
        self.context.close()
        assert not self.complaints, self.complaints
