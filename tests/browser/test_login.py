"""A dashboard with a token: who does not have it sees nothing, who has it works as everybody else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from browser import desk
from browser.desk import Visitor
from harness.data import make_instance
from harness.pacs import Pacs
from harness.sending import send
from harness.site import Site

_TOKEN = "an-open-secret-of-this-test"


@pytest.fixture(scope="module")
def site(browser: Browser, module_pacs: Pacs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("desk")
    (folder / "site").mkdir()
    web = {"enabled": True, "port": 0, "token": _TOKEN}
    with Site(folder / "site", desk.keys(folder, module_pacs, web=web)) as started:
        send(started.port, make_instance(folder / "bad"), called="LUNG")
        started.wait_for_jobs(1, "failed")
        yield started


def test_in_and_out(visitor: Visitor, site: Site) -> None:
    page = visitor.see("/jobs")
    assert page.url.endswith("/login")
    assert "lung-nodules" not in page.content()
    assert visitor.violations() == []
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("alert").wait_for()
    page.get_by_label("Token").fill(_TOKEN)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Overview").wait_for()
    assert _TOKEN not in page.content()

    page.get_by_role("button", name="Run again").click()
    assert "is queued again" in visitor.said()
    site.wait_for_jobs(1, "failed")
    assert _TOKEN not in visitor.see("/configuration").content()

    page.get_by_role("button", name="Log out").click()
    page.get_by_label("Token").wait_for()
    assert visitor.see("/").url.endswith("/login")


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", [desk.WIDE, desk.NARROW])
def test_the_login_is_accessible_and_fits(visit: Callable[..., Visitor], colours: str, width: int) -> None:
    visitor = visit(width=width, colours=colours)
    page = visitor.see("/login")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert visitor.violations() == []
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("alert").wait_for()
    assert visitor.violations() == []


def test_who_has_logged_out_does_not_come_back_with_the_old_cookie(visitor: Visitor) -> None:
    page = visitor.see("/login")
    page.get_by_label("Token").fill(_TOKEN)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="Overview").wait_for()
    kept = visitor.context.cookies()
    page.get_by_role("button", name="Log out").click()
    page.get_by_label("Token").wait_for()
    visitor.context.add_cookies(kept)  # type: ignore[arg-type]
    assert visitor.see("/").url.endswith("/login")


def test_a_session_that_is_over_leads_to_the_login(visitor: Visitor) -> None:
    page = visitor.see("/login")
    page.get_by_label("Token").fill(_TOKEN)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="Overview").wait_for()
    visitor.context.clear_cookies()
    page.evaluate("document.body.dispatchEvent(new CustomEvent('hilum:change'))")
    page.get_by_label("Token").wait_for()
