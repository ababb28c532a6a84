"""One gateway and one browser for all tests of a module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from browser import desk
from browser.desk import Visitor
from harness.pacs import Pacs
from harness.site import Site


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Ended with the module: its event loop and its child process are in the way of other tests in this process."""
    with desk.chromium() as started:
        yield started


@pytest.fixture(scope="module")
def module_pacs() -> Iterator[Pacs]:
    with Pacs() as started:
        yield started


@pytest.fixture(scope="module")
def site(browser: Browser, module_pacs: Pacs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A gateway in which something of every kind has happened."""
    folder: Path = tmp_path_factory.mktemp("desk")
    (folder / "site").mkdir()
    with Site(folder / "site", desk.keys(folder, module_pacs, wait=0.05)) as started:
        desk.busy(started, module_pacs, folder)
        yield started


@pytest.fixture
def visit(browser: Browser, site: Site) -> Iterator[Callable[..., Visitor]]:
    """Makes visitors; each is asked at the end whether anything complained."""
    made: list[Visitor] = []

    def make(**how: Any) -> Visitor:
        assert site.gateway is not None
        assert site.gateway.dashboard is not None
        made.append(Visitor(browser, site.gateway.dashboard, **how))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def visitor(visit: Callable[..., Visitor]) -> Visitor:
    return visit()
