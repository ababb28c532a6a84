"""What else can need attention, and the way from there: parked groups, refused instances, notices that nobody took."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page

from browser import desk
from browser.desk import Visitor
from harness.clock import Hands
from harness.data import make_instance
from harness.hook import Hook, status
from harness.pacs import Pacs
from harness.sending import association, send, store
from harness.site import Site
from harness.waiting import eventually
from hilum.clock import utc_now
from hilum.ledger.transition import note

#: More than a page has.
LINES = 60


@pytest.fixture(scope="module")
def hook() -> Iterator[Hook]:
    with Hook(answer=status(500)) as started:
        yield started


@pytest.fixture(scope="module")
def site(browser: Browser, module_pacs: Pacs, hook: Hook, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A gateway with a group that is parked, an instance that was refused, and a webhook that takes nothing."""
    folder: Path = tmp_path_factory.mktemp("attention")
    (folder / "site").mkdir()
    keys = desk.keys(folder, module_pacs)
    keys["dicom"]["scp"]["ae-titles"][1]["processors"] = ["flow.series_processor:Broken"]
    told = {"webhooks": {"oncall": {"url": hook.url}}, "retry": {"waits": [3600]}}
    clock = Hands()
    with Site(folder / "site", keys | {"notifications": told}, clock=clock) as started:
        send(started.port, make_instance(folder / "parked"), called="LUNG")
        refused = make_instance(folder / "refused")
        with association(started.port, [refused]) as requestor:
            assert not store(requestor, refused, sop_instance="1.2.3").accepted

        def parked() -> bool:
            clock.move(10)  # the second and the third attempt have waits before them
            return bool(started.rows("groups", state="parked"))

        eventually(parked, seconds=60, what="a parked group")
        eventually(lambda: started.rows("notices", attempts=1), what="a notice in vain")
        yield started


def point(page: Page, text: str) -> Locator:
    return page.locator(".point", has_text=text)


def test_a_parked_group_is_given_to_the_workflows_again(visitor: Visitor, site: Site) -> None:
    [group] = site.rows("groups", state="parked")
    page = visitor.see("/")
    parked = point(page, f"Group {group.id} is parked: no jobs could be made of it")
    assert "there is no tea" in parked.inner_text()
    assert "Mend the cause, then give it to the workflows again" in parked.inner_text()
    parked.get_by_role("link", name="Show groups").click()
    page.get_by_role("button", name=f"Try again group {group.id}").click()
    assert visitor.said() == f"Group {group.id} is given to the workflows again."
    assert site.history(machine="group", event="retry asked")


def test_a_refused_instance_is_explained(visitor: Visitor) -> None:
    page = visitor.see("/")
    refused = point(page, "1 instance refused in the last day")
    assert "Answered status A900H to MODALITY" in refused.inner_text()
    refused.get_by_role("link", name="Show history").click()
    page.get_by_role("heading", name="History").wait_for()
    rows = page.locator("#live tbody tr")
    assert rows.count() == 1
    assert "refused" in rows.inner_text()


def test_notices_that_nobody_took_are_shown_and_told_again(visitor: Visitor, site: Site, hook: Hook) -> None:
    page = visitor.see("/")
    untold = point(page, "wait for oncall" if len(site.rows("notices")) > 1 else "waits for oncall")
    assert "Answered 500 Internal Server Error" in untold.inner_text()
    untold.get_by_role("button", name="Send a test notice through oncall").click()
    assert "did not take the test notice" in visitor.said()
    untold.get_by_role("link", name="Show notices").click()
    page.get_by_role("heading", name="Notices").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= desk.WIDE
    assert visitor.violations() == []
    hook.answer = status(204)
    [waiting] = site.rows("notices", topic="group-parked")
    page.get_by_role("button", name=f"Tell now notice {waiting.id}", exact=True).click()
    assert visitor.said() == f"Notice {waiting.id} will be told through oncall now."
    page.locator(f"#notice-{waiting.id}", has_text="sent").wait_for()


def test_an_address_that_leads_nowhere_leads_home(visitor: Visitor) -> None:
    page = visitor.see("/nothing/like/it")
    page.get_by_role("heading", name="There is no such page").wait_for()
    assert "/nothing/like/it" in page.locator("main").inner_text()
    assert visitor.violations() == []
    page.get_by_role("link", name="To the overview").click()
    page.get_by_role("heading", name="Overview").wait_for()


def test_older_rows_are_on_the_pages_behind(visitor: Visitor, site: Site) -> None:
    with site.database.write() as connection:
        for number in range(LINES):
            note(connection, "folder", f"/old/{number}", "removed", now=utc_now(), remedy="nothing")
    page = visitor.see("/history?machine=folder")
    rows = page.locator("#live tbody tr")
    newest = rows.first.inner_text()
    assert (rows.count(), f"/old/{LINES - 1}" in newest) == (50, True)
    page.get_by_role("link", name="Older").click()
    page.wait_for_url("**cursor=*")
    assert (rows.count(), "/old/0" in rows.last.inner_text()) == (LINES - 50, True)
    assert page.get_by_role("link", name="Older").count() == 0
    page.get_by_role("link", name="To the newest").click()
    page.get_by_role("link", name="Older").wait_for()
    assert rows.first.inner_text().split()[-1] == newest.split()[-1]
